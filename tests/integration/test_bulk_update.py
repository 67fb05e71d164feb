"""`bulkUpdate`: ten thousand lines, a hundred of them bad, each answered in its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as django_settings

from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.errors import PayloadTooLarge, PermissionDenied, ValidationFailed
from imweb.incidents import editing, history
from imweb.opensearch import gateway, schema
from tests import dying, services, stored

pytestmark = [pytest.mark.usefixtures("indices"), pytest.mark.django_db]
ADMIN = Actor(1, "admin", permissions.ALL)
ANALYST = Actor(3, "anna", permissions.ANALYST)


def send(*lines: Any, actor: Actor = ADMIN) -> list[dict[str, Any]]:
    body = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    return [next(iter(item.values())) for item in editing.bulk(actor, body).as_json()["items"]]


def source(doc_id: str, kind: str = "incident") -> dict[str, Any]:
    found = gateway().get(schema.alias_of(kind), doc_id)
    assert found is not None
    return found.source


def test_every_form_of_line() -> None:
    stored.group("a1", {"i1": {}, "i2": {}})
    items = send(
        {"update": {"_id": "i1"}},
        {"severity": "high"},
        {"update": {"_id": "i2"}},
        {"doc": {"severity": "low"}},
        {"_meta": {"id": "a1"}, "severity": "critical"},
        {"create": {"_id": "i3"}},
        {"title": "made", "test_made": 5},
        {"_meta": {"id": "i3"}, "severity": "medium"},
    )
    assert [item["result"] for item in items] == ["updated", "updated", "updated", "created", "noop"]
    assert [source(i)["severity"] for i in ("i1", "i2", "i3")] == ["high", "low", "medium"]
    assert source("a1", "aggregation")["severity"] == "critical"
    assert source("i3")["pending"] == []


def test_bad_lines_fail_alone_in_their_place() -> None:
    stored.incidents({"i1": {}})
    items = send(
        b"{broken",
        {"severity": "high"},
        {"update": {"_id": "none"}},
        {"severity": "high"},
        {"update": {"_id": "i1"}},
        {"severity": "huge"},
        {"delete": {"_id": "i1"}},
        {"index": {"_id": "i1"}},
        {"title": "over"},
        {"create": {"_id": "i1"}},
        {"title": "again"},
        {"update": {"_id": "i1"}},
        {"update": {"_id": "i1"}},
        {"severity": "high", "_meta": {"id": "i1"}},
        {"_meta": {}, "severity": "low"},
        {"update": {"_id": 5}},
        {"severity": "low"},
    )
    assert [item["status"] for item in items] == [400, 404, 400, 400, 400, 409, 400, 200, 400, 400]
    assert source("i1")["severity"] == "high"
    assert source("i1")["rev"] == 2


def test_lines_for_one_id_are_folded_in_order() -> None:
    stored.incidents({"i1": {}})
    items = send(
        {"_meta": {"id": "i1"}, "status": "in_progress"},
        {"_meta": {"id": "i1"}, "status": "verification", "comment": "look"},
        {"_meta": {"id": "i1"}, "status": "new"},
        {"_meta": {"id": "i1"}, "status": "closed", "comment": "look"},
    )
    assert [item["status"] for item in items] == [200, 200, 400, 200]
    assert source("i1")["rev"] == 4
    found = history.entries(ADMIN, "incident", "i1")
    assert [entry.comment for entry in found] == ["look", "look", None]


def test_limits_and_permissions() -> None:
    line = b'{"_meta":{"id":"i1"},"comment":"x"}\n'
    with pytest.raises(PayloadTooLarge):
        editing.bulk(ADMIN, line * 10_001)
    with pytest.raises(PermissionDenied):
        editing.bulk(ANALYST, line * 501)
    with pytest.raises(ValidationFailed):
        editing.bulk(ADMIN, b"\n\n")


@pytest.mark.slow
def test_ten_thousand_lines_with_a_hundred_bad_ones() -> None:
    ids = [f"i{number:05d}" for number in range(10_000)]
    stored.incidents({doc_id: {} for doc_id in ids})
    bad = set(range(7, 10_000, 100))
    lines = []
    for number, doc_id in enumerate(ids):
        lines += [{"update": {"_id": doc_id}}, {"severity": "huge" if number in bad else "high", "comment": "c"}]
    items = send(*lines)
    assert [item["_id"] for item in items] == ids
    assert {number for number, item in enumerate(items) if item["status"] == 400} == bad
    gateway().refresh([schema.incidents_alias(), schema.history_alias()])
    assert gateway().count({"term": {"severity": "high"}}, index=schema.incidents_alias()) == 9_900
    assert gateway().count({"term": {"has_pending": True}}, index=schema.incidents_alias()) == 0
    assert gateway().count({"exists": {"field": "comment"}}, index=schema.history_alias()) == 9_900


KILLED = dying.before_bulk(
    1,
    imports="""from imweb.accounts import permissions
from imweb.accounts.actor import Actor
from imweb.incidents import editing""",
    then='editing.bulk(Actor(1, "admin", permissions.ALL), sys.stdin.buffer.read(), key="nightly")',
)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_bulk_that_was_killed_goes_on_when_it_is_sent_again_with_its_key() -> None:
    """Each entry once: those of before the kill, of after it, and of the copies that it left behind."""
    ids = [f"i{number:04d}" for number in range(1_200)]
    stored.incidents({doc_id: {} for doc_id in ids})
    lines: list[Any] = []
    for doc_id in ids:
        lines += [{"update": {"_id": doc_id}}, {"severity": "high", "comment": "once"}]
    lines += [{"create": {}}, {"title": "made once"}]
    lines += [{"_meta": {"id": "i0000"}, "status": "in_progress"}, {"_meta": {"id": "i0000"}, "status": "new"}]
    lines += [{"_meta": {"id": "i0000"}, "status": "verification"}]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    env = os.environ | services.process_env() | {"DJANGO_SETTINGS_MODULE": "imweb.settings"}
    # Between the second chunk's write and its copy, or thereabouts: copies go on beside the writes.
    command = [sys.executable, "-c", KILLED, "4"]
    died = subprocess.run(command, input=body, env=env, cwd=django_settings.BASE_DIR, check=False)
    assert died.returncode == -9
    gateway().refresh(schema.incidents_alias())
    done = gateway().count({"term": {"severity": "high"}}, index=schema.incidents_alias())
    assert 500 <= done < 1_200
    editing.update(ADMIN, "incident", "i0001", {"severity": "low"})

    answers = [[next(iter(i.values())) for i in _again(body)["items"]] for _attempt in range(2)]

    for items in answers:
        assert [item["status"] for item in items] == [200] * 1_200 + [201, 200, 200, 400]
        assert "workflow" in items[-1]["error"]["reason"]
    assert answers[0][1_200]["_id"] == answers[1][1_200]["_id"]
    while history.sweep(older_than="now"):
        gateway().refresh(schema.document_aliases())
    gateway().refresh([schema.incidents_alias(), schema.history_alias()])
    assert gateway().count({"match": {"comment": "once"}}, index=schema.history_alias()) == 1_200
    assert gateway().count({"match": {"title": "made once"}}, index=schema.incidents_alias()) == 1
    assert gateway().count({"term": {"has_pending": True}}, index=schema.incidents_alias()) == 0
    assert source("i0001")["severity"] == "low"
    assert [entry.type for entry in history.entries(ADMIN, "incident", "i0000")] == ["edit", "edit", "edit"]
    # Other lines under the same key are another request, and so are the same ones without it.
    assert send({"_meta": {"id": "i0002"}, "comment": "once"})[0]["result"] == "updated"
    assert source("i0002")["rev"] == 3


def _again(body: bytes) -> dict[str, Any]:
    return editing.bulk(ADMIN, body, key="nightly").as_json()
