"""What an operation of the API is, and how a call of one is answered: declared, guarded, run, rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from pydantic import BaseModel
from redis import RedisError

from imweb.accounts.actor import Actor
from imweb.api import authentication, bodies, replies
from imweb.api.parameters import read
from imweb.errors import Detail, ImError, MethodNotAllowed, SearchUnavailable, ValidationFailed
from imweb.incidents.documents import id_fault

Json = dict[str, Any]
M = TypeVar("M", bound=BaseModel)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation: who calls, the path's ids, what the query string and the body bring."""

    request: HttpRequest
    actor: Actor
    ids: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    content: bytes

    @property
    def body(self) -> Json:
        """Return the body's object, an empty one when there is none (`ValidationFailed`)."""
        return bodies.json_object(self.content)

    def read(self, model: type[M]) -> M:
        """Return the parameters out of body and query string (`ValidationFailed` with every fault)."""
        return read(model, self.query, self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with a status of its own."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class NoParameters(BaseModel):
    """Nothing may be sent but what stands in the path."""

    model_config = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one path; the document at /_im/openapi.json is made of these.

    `permission` is asked for before anything is read; `parameters` is the model of what body and query string may hold,
    `body` that of a body which is no set of parameters; `answers` is the model of each successful status, `errors` are
    the statuses of this operation's own refusals beside those that every call can meet.
    """

    method: str
    path: str
    id: str
    tag: str
    permission: str
    run: Callable[[Call], Any]
    summary: str
    description: str = ""
    parameters: type[BaseModel] = NoParameters
    body: type[BaseModel] | None = None
    open_query: str = ""  # what further parameters of the address mean; empty: there are none
    query_only: bool = False  # the parameters stand in the address, the body is something else
    lines: bool = False  # the body is NDJSON
    headers: Mapping[str, str] = field(default_factory=dict)  # those that it reads, with their meaning
    undocumented: bool = False  # a corner that the document need not show
    page: bool = False  # a page for people, who are sent to sign in
    answers: Mapping[int, Any] = field(default_factory=dict)
    errors: Sequence[int] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)
    example_answer: Any = None
    safe_head: bool = True


def endpoint(operations: Sequence[Operation]) -> Callable[..., HttpResponse]:
    """Return the view of one path: it answers to the methods declared there and to nothing else."""
    by_method = {operation.method: operation for operation in operations}
    allowed = sorted(by_method)
    if "GET" in by_method and by_method["GET"].safe_head:
        by_method["HEAD"] = by_method["GET"]
        allowed = sorted(by_method)

    # Our own check follows in `_answer`, where a refusal is JSON and a token needs none.
    @csrf_exempt
    def view(request: HttpRequest, **ids: str) -> HttpResponse:
        try:
            operation = by_method.get(request.method or "")
            if operation is None:
                names = ", ".join(allowed)
                raise MethodNotAllowed(f"This address answers to {names} only.", headers={"Allow": names})
            if operation.page and not request.user.is_authenticated and not authentication.by_token(request):
                return _to_sign_in(request)
            return _answer(request, operation, ids)
        except ImError as error:
            return replies.failure(request, error)
        except RedisError as error:
            log.error("redis_unavailable", error=str(error), path=request.path)
            reason = "Redis cannot be reached, so this cannot be done now; nothing was changed. Try again shortly."
            return replies.failure(request, SearchUnavailable(reason))
        except Exception:
            log.exception("api_failed", method=request.method, path=request.path)
            return replies.unexpected(request)

    # A test walks the addresses and reads from here what each asks for.
    view.operations = tuple(operations)  # type: ignore[attr-defined]
    return view


def _answer(request: HttpRequest, operation: Operation, ids: dict[str, str]) -> HttpResponse:
    actor = authentication.actor_for(request)
    actor.require(operation.permission)
    content = bodies.content(request, bodies.LINE_TYPES if operation.lines else bodies.JSON_TYPES)
    authentication.check_forgery(request)
    faults = [Detail(name, fault) for name, value in ids.items() if (fault := id_fault(value))]
    if faults:
        raise ValidationFailed.of(faults)
    found = operation.run(Call(request, actor, ids, bodies.query_string(request), content))
    if isinstance(found, HttpResponse):
        return found
    if isinstance(found, Reply):
        response = replies.answer(request, found.value, found.status)
        for name, value in found.headers.items():
            response[name] = value
        return response
    return replies.answer(request, found)


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    request.im_answered = True  # type: ignore[attr-defined]
    return redirect_to_login(request.get_full_path())
