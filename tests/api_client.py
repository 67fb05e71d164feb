"""The API as a script sees it: calls through Django's test client, a body with any method, answers taken apart."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.test import Client

from imweb.accounts.models import ApiToken, User


@dataclass
class Answer:
    """What came back; reading `json` or `error` insists on JSON."""

    response: Any

    @property
    def status(self) -> int:
        return int(self.response.status_code)

    @property
    def headers(self) -> Any:
        return self.response.headers

    @property
    def text(self) -> str:
        return self.response.content.decode()

    @cached_property
    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json", self.text
        return json.loads(self.response.content)

    @property
    def error(self) -> dict[str, Any]:
        """The error, whose shape is checked here, once for all tests."""
        assert set(self.json) == {"error", "status"}, self.json
        assert self.json["status"] == self.status
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"type", "reason", "details"}
        assert error["reason"]
        assert all(isinstance(detail["field"], str) and detail["reason"] for detail in error["details"])
        return error

    def ok(self, status: int = 200) -> Any:
        """Return the answer's JSON; fails with the whole answer when the status is another."""
        assert self.status == status, f"{self.status}: {self.text}"
        return self.json


@dataclass
class Api:
    """A caller of `/_im/`."""

    client: Client
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a JSON body, or none."""
        return self.send(method, path, b"" if body is None else json.dumps(body).encode())

    def send(
        self, method: str, path: str, content: bytes, content_type: str = "application/json", **extra: str
    ) -> Answer:
        """Send these very bytes."""
        return Answer(self.client.generic(method, f"/_im/{path}", content, content_type, headers=self.headers, **extra))


def api_for(user: User) -> Api:
    """Return a script of this user, with a token."""
    _token, secret = ApiToken.issue(user, "test")
    return Api(Client(raise_request_exception=False), {"Authorization": f"Bearer {secret}"})
