"""One change of one document, without I/O: from the stored source to the next one with its history entry in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from imweb import workflows
from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import Detail, NotFound, PermissionDenied, ValidationFailed, VersionConflict
from imweb.incidents import access, beginning, hiding, rowfilters
from imweb.incidents.documents import DocKind, fingerprint_of, key_of, new_source
from imweb.incidents.editing import joining, locking, membership
from imweb.incidents.editing.bodies import name_fault
from imweb.incidents.editing.rules import MEMBERSHIP, VERDICT, Rules
from imweb.incidents.editing.steps import Context, Step, enter, following
from imweb.incidents.models import AggregationNumber
from imweb.workflows import Workflow

Json = dict[str, Any]


def apply(step: Step, kind: DocKind, doc_id: str, source: Json | None, context: Context) -> Json | None:
    """Return the source after a step, None when nothing changes; raises what the caller is told."""
    if step.action == "create":
        return _create(step, kind, doc_id, source, context)
    if source is None or source.get("deleted") or not access.visible(context.actor, source):
        raise NotFound("There is no incident or aggregation result with this id.")
    if step.fence is not None and locking.owner_of(source) != step.fence:
        raise VersionConflict("This took too long, and others went on with the same group; nothing was changed.")
    if step.action == "group":
        return joining.join(step, source, context)
    if step.action == "undo":
        return _undo(step, source, context)
    return _update(step, kind, source, context)


def _create(step: Step, kind: DocKind, doc_id: str, source: Json | None, context: Context) -> Json:
    context.actor.require(permissions.CREATE)
    if source is not None:
        raise VersionConflict(
            "There is an incident with this id already; it was not overwritten.", [Detail("id", "exists")]
        )
    rules = context.rules
    given, lacking = beginning.begun(rules.types, step.fields)
    body = {name: value for name, value in given.items() if value is not None}
    # First of all: what a type requires is not told to whom it is closed.
    access.require_own(context.actor, {**body, "key": key_of(kind, doc_id)}, rules.access)
    rule = body.get("rule") or {}
    if "workflow_id" not in body:
        body["workflow_id"] = workflows.workflow_of(body.get("incident_type"), rule.get("id") or rule.get("name")).id
    workflow = rules.workflow(body["workflow_id"])
    body.setdefault("status", workflow.initial)
    if "severity" not in body:
        from imweb.incidents.severities import default_severity

        body["severity"] = default_severity()
    faults = [*lacking, *_state_faults(body, workflow, body)]
    if faults:
        raise ValidationFailed.of(faults)
    if groups := body.get("incident_aggregation_result_id"):
        body["group_numbers"] = list(
            AggregationNumber.objects.filter(result_id__in=groups).values_list("pk", flat=True)
        )
    new = new_source(kind, doc_id, body, user=context.actor.username, now_ms=context.now_ms)
    if rules.access and kind == "incident":
        membership.check(context.actor, new, rules.access)
    if body["status"] != workflow.initial:
        new["responded_at"] = context.time
    if workflow.is_terminal(body["status"]):
        new["closed_at"] = context.time
    enter(new, "create", [], body.get("comment"), step, context)
    return new


def _update(step: Step, kind: DocKind, source: Json, context: Context) -> Json | None:
    for name in step.fields:
        if reason := name_fault(name, kind):
            raise ValidationFailed.field(name, reason)
        # Sent back as it came it changes nothing.
        if name in MEMBERSHIP and step.fields[name] != source.get(name):
            raise ValidationFailed.field(name, "is set by grouping; it cannot be edited")
    comment = step.fields.get("comment")
    given = hiding.kept(step.fields, source, context.actor.hidden)
    wanted = {n: v for n, v in given.items() if n != "comment" and source.get(n) != v}
    _check_access_fields(source, wanted, context.rules)
    _check_options(source, wanted, context.rules)
    _check_revision(step, source, wanted, context.actor)
    if not wanted and comment is None:
        return None
    workflow = context.rules.workflow(wanted.get("workflow_id", source.get("workflow_id")))
    _consequences(source, wanted, workflow)
    faults = _transition_faults(source, wanted, comment, workflow, context)
    after = {**source, **wanted}
    faults += _state_faults(after, workflow, wanted)
    if faults:
        raise ValidationFailed.of(faults)
    _check_permissions(source, wanted, comment, workflow, context.actor)
    return _changed(source, wanted, comment, "edit", step, context, workflow)


def _check_access_fields(source: Json, wanted: Json, rules: Rules) -> None:
    """Refuse another value of an access field; what somebody may see does not change under him."""
    after = {**source, **wanted}
    moved = [path for path in rules.access if rowfilters.indexed(source, path) != rowfilters.indexed(after, path)]
    if moved:
        raise ValidationFailed.of([Detail(path, access.NEVER_EDITED) for path in moved])


def _check_options(source: Json, wanted: Json, rules: Rules) -> None:
    """Refuse a value that the field does not offer; one that stands may stay.

    What is created may bring other values: a detection must not be lost because a source has a new one.
    """
    faults = []
    for name in wanted.keys() & rules.options.keys():
        offered = rules.options[name]
        allowed = [*offered, *_values(source.get(name))]
        if stranger := next((value for value in _values(wanted[name]) if value not in allowed), None):
            reason = f"“{str(stranger)[:80]}” is none of the options: {', '.join(offered[:20])}"
            faults.append(Detail(name, reason))
    if faults:
        raise ValidationFailed.of(faults)


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _undo(step: Step, source: Json, context: Context) -> Json | None:
    """Take back what one change did, where nobody touched it since; a comment leaves the document, not the history.

    With `whole` all the fields that it names are taken back or none.
    """
    target = step.fields["change"]
    whole = step.fields.get("whole", ())
    touched = source.get("touched") or {}
    _check_untouched(touched, target, whole, context.actor)
    wanted = {
        name: mark.get("old")
        for name, mark in touched.items()
        if mark.get("change") == target and source.get(name) != mark.get("old")
    }
    _check_access_fields(source, wanted, context.rules)
    if not wanted:
        return None
    workflow = context.rules.workflow(wanted.get("workflow_id", source.get("workflow_id")))
    responded = source.get("responded_at")
    new = _changed(source, wanted, None, "undo", step, context, workflow)
    if "status" in wanted and wanted["status"] == workflow.initial and responded == touched["status"].get("time"):
        new.pop("responded_at", None)
    return new


def _check_untouched(touched: Json, target: str, names: Sequence[str], actor: Actor) -> None:
    later = [(name, touched[name]) for name in names if name in touched and touched[name].get("change") != target]
    if not later:
        return
    found = [
        Detail(name, f"{mark['user']} changed it since", {"user": mark["user"], "time": mark["time"]})
        for name, mark in later
    ]
    who = " and ".join(dict.fromkeys("you" if mark["user"] == actor.username else mark["user"] for _n, mark in later))
    fields = ", ".join(name for name, _mark in later)
    raise VersionConflict(f"The same was changed again since, by {who}: {fields}. Nothing was taken back.", found)


def _changed(
    source: Json,
    wanted: Json,
    comment: str | None,
    kind: str,
    step: Step,
    context: Context,
    workflow: Workflow,
) -> Json:
    new = dict(source)
    edited = []
    touched = dict(source.get("touched") or {})
    rev = int(source.get("rev", 0)) + 1
    mark = {"rev": rev, "change": step.change, "user": context.actor.username, "time": context.time}
    for name, value in wanted.items():
        old = source.get(name)
        edited.append({"fieldName": name, "oldValue": old, "newValue": value})
        touched[name] = {**mark, "old": old, **following(source, name, kind, step)}
        if value is None:
            new.pop(name, None)
        else:
            new[name] = value
    if comment is not None:
        touched["comment"] = {**mark, "old": source.get("comment")}
        new["comment"] = comment
    if "status" in wanted:
        if source.get("status") == workflow.initial:
            new.setdefault("responded_at", context.time)
        new.pop("closed_at", None)
        if workflow.is_terminal(wanted["status"]):
            new["closed_at"] = context.time
    if "rule" in wanted or "entities" in wanted:
        new.pop("fingerprint", None)
        if found := fingerprint_of(new):
            new["fingerprint"] = found
    new |= {"rev": rev, "touched": touched, "updated_at": context.time, "updated_by": context.actor.username}
    enter(new, kind if edited else "comment", edited, comment, step, context)
    return new


def _check_revision(step: Step, source: Json, wanted: Json, actor: Actor) -> None:
    if step.rev is None or step.rev == source.get("rev"):
        return
    if step.rev > int(source.get("rev", 0)):
        raise VersionConflict(
            "This is not the document that you saw: it was deleted and created again. Read it anew.",
            [Detail("_meta.rev", f"is {step.rev}, the document's is {source.get('rev')}")],
        )
    touched = source.get("touched") or {}
    clashes = []
    for name, value in wanted.items():
        mark = touched.get(name)
        if mark and int(mark["rev"]) > step.rev:
            both = {"yours": value, "theirs": source.get(name)}
            seen = {side: hiding.shown({name: held}, actor.hidden).get(name) for side, held in both.items()}
            extra = {**seen, "user": mark["user"], "time": mark["time"]}
            clashes.append(Detail(name, f"{mark['user']} changed it meanwhile", extra))
    if clashes:
        names = ", ".join(clash.field for clash in clashes)
        raise VersionConflict(
            f"Somebody else changed the same meanwhile: {names}. Nothing of yours was saved.", clashes
        )


def _consequences(source: Json, wanted: Json, workflow: Workflow) -> None:
    """Add what a reopening takes with it: the verdict of what is open again."""
    status = wanted.get("status")
    if status is None or workflow.is_terminal(status) or not workflow.is_terminal(str(source.get("status"))):
        return
    for name in VERDICT:
        if source.get(name) is not None and name not in wanted:
            wanted[name] = None


def _transition_faults(
    source: Json, wanted: Json, comment: str | None, workflow: Workflow, context: Context
) -> list[Detail]:
    if "status" not in wanted:
        return []
    target, current = wanted["status"], str(source.get("status") or "")
    if not isinstance(target, str) or workflow.status(target) is None:
        return []  # `_state_faults` says so.
    moved = "workflow_id" in wanted and target == workflow.initial
    if moved or workflow.status(current) is None:
        return []
    step = workflow.step(current, target)
    if step is None:
        steps = ", ".join(t.target for t in workflow.transitions if t.source == current) or "no further step"
        return [Detail("status", f"workflow '{workflow.id}' allows from '{current}': {steps}")]
    given = {**source, **wanted, "comment": comment}
    return [Detail(n, f"is needed for the step to '{target}'") for n in step.required if not given.get(n)]


def _state_faults(after: Json, workflow: Workflow, given: Json) -> list[Detail]:
    status = after.get("status")
    faults = []
    if ("status" in given or "workflow_id" in given) and (
        not isinstance(status, str) or workflow.status(status) is None
    ):
        known = ", ".join(s.name for s in workflow.statuses)
        faults.append(Detail("status", f"workflow '{workflow.id}' has the statuses {known}"))
    elif not workflow.is_terminal(str(status)):
        faults += [
            Detail(name, "goes with a status that ends the work; send that too")
            for name in VERDICT
            if given.get(name) is not None
        ]
    return faults


def _check_permissions(source: Json, wanted: Json, comment: str | None, workflow: Workflow, actor: Actor) -> None:
    needed: dict[str, str] = {}
    if comment is not None:
        needed["comment"] = permissions.COMMENT
    for name, value in wanted.items():
        match name:
            case "reviewer":
                own = value == actor.username or (value is None and source.get("reviewer") == actor.username)
                needed[name] = permissions.ASSIGN_SELF if own else permissions.ASSIGN
            case "status":
                step = workflow.step(str(source.get("status") or ""), value)
                needed[name] = step.permission if step else permissions.TRANSITION
            case "severity":
                needed[name] = permissions.SEVERITY
            case "resolution" | "resolution_note" | "duplicate_of":
                needed[name] = permissions.TRANSITION
            case _:
                needed[name] = permissions.FIELDS
    # Who may assign anybody may assign himself.
    lacking = {
        name: permission
        for name, permission in needed.items()
        if not actor.may(permission)
        and not (permission == permissions.ASSIGN_SELF and actor.may(permissions.ASSIGN))
        and not (name in VERDICT and "status" in wanted and wanted[name] is None)
    }
    if lacking:
        faults = [Detail(name, f"needs the permission '{permission}'") for name, permission in lacking.items()]
        first = next(iter(lacking.values()))
        raise PermissionDenied(f"This needs the permission '{first}', which {actor.username} does not have.", faults)
