"""docs/permissions.md: every address by every method, as its table says, for each ready role, nobody, a dead token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from imweb.accounts import permissions
from imweb.accounts.models import ApiToken, User
from imweb.configuration import store
from imweb.settings import BASE_DIR

TEXT = (Path(BASE_DIR) / "docs" / "permissions.md").read_text()
ROLES = ("analyst", "lead", "admin")
WHO = (*ROLES, "nobody", "expired token")
# What a request gets that is let in, with ids that nothing has and without the fields that it needs.
LET_IN = {200, 201, 202, 204, 302, 303, 400, 404, 409, 410, 415}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    method: str
    address: str
    permission: str
    cells: dict[str, str]

    @property
    def is_api(self) -> bool:
        return self.address.startswith("/_im/")

    @property
    def path(self) -> str:
        return re.sub(r"<int:\w+>", "987654321", re.sub(r"<str:\w+>|\{\w+\}", "none", self.address))


def _rows() -> list[Row]:
    found = []
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if (match := re.fullmatch(r"`(\w+) (/[^`]*)`", cells[0])) and len(cells) >= 7:
            found.append(Row(match[1], match[2], cells[1].strip("`"), dict(zip(WHO, cells[2:7], strict=True))))
    return found


ROWS = _rows()
OPEN = set(re.findall(r"^\| `(/[^`]*)` \| (?!`)", TEXT, re.MULTILINE))


def _addresses() -> Iterator[tuple[str, Any]]:
    def walk(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, Any]]:
        for entry in resolver.url_patterns:
            here = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                yield from walk(entry, here)
            elif isinstance(entry, URLPattern):
                yield here, entry.callback

    return walk(get_resolver(), "/")


def _asked() -> Iterator[tuple[str, str, str]]:
    """Yield (method, address, permission) of every address as the program has it."""
    for address, view in _addresses():
        for operation in getattr(view, "operations", ()):
            yield operation.method, f"/_im/{operation.path}", operation.permission
        for method in getattr(view, "methods", ()):
            if method != "HEAD":
                yield method, address, view.permission


def test_every_address_names_its_permission_or_is_open_for_a_reason() -> None:
    bare = {
        address for address, view in _addresses() if not (hasattr(view, "operations") or hasattr(view, "permission"))
    }
    assert bare - {"/_im/"} == OPEN, "name the permission, or say in docs/permissions.md why the address is open"
    assert all(permission in permissions.ALL for _method, _address, permission in _asked())


def test_the_table_has_every_address_by_every_method() -> None:
    hidden = {f"/_im/{operation.path}" for operation in _undocumented()}
    asked = {entry for entry in _asked() if entry[1] not in hidden}
    listed = {(row.method, row.address, row.permission) for row in ROWS}
    missing = "\n".join(_line(*entry) for entry in sorted(asked - listed, key=lambda entry: entry[1]))
    assert not missing, f"add these rows to docs/permissions.md:\n{missing}"
    assert listed - asked == set(), "these rows of docs/permissions.md stand for nothing"
    assert len(ROWS) == len(listed)


def _line(method: str, address: str, permission: str) -> str:
    cells = ["yes" if permission in permissions.READY_ROLES[role][1] else "403" for role in ROLES]
    outside = "401" if address.startswith("/_im/") else "sign in"
    return f"| `{method} {address}` | `{permission}` | {' | '.join([*cells, outside, outside])} | |"


def _undocumented() -> Iterator[Any]:
    for _address, view in _addresses():
        yield from (operation for operation in getattr(view, "operations", ()) if operation.undocumented)


def test_the_table_says_what_the_ready_roles_may() -> None:
    for row in ROWS:
        for role in ROLES:
            granted = row.permission in permissions.READY_ROLES[role][1]
            assert row.cells[role] == ("yes" if granted else "403"), (row, role)


@pytest.fixture
def callers(indices: None, analyst: User, lead: User, administrator: User) -> Iterator[dict[str, Client]]:
    """Browsers and scripts of everybody in the table."""
    store.forget()
    found = {who: Client(raise_request_exception=False) for who in WHO}
    for who, user in zip(ROLES, (analyst, lead, administrator), strict=True):
        found[who].force_login(user)
    token, secret = ApiToken.issue(administrator, "old")
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    found["expired token"].defaults["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    yield found
    # What the administrator's requests changed is rolled back.
    store.forget()


@pytest.mark.parametrize("who", WHO)
def test_every_address_answers_as_the_table_says(callers: dict[str, Client], who: str) -> None:
    wrong = []
    for row in ROWS:
        for fragment in (False, True) if not row.is_api else (False,):
            said = _call(callers[who], row, fragment=fragment)
            if said != row.cells[who]:
                wrong.append(
                    f"{row.method} {row.address} {'as a fragment ' if fragment else ''}→ {said}, {row.cells[who]}"
                )
    assert wrong == []


def _call(client: Client, row: Row, *, fragment: bool) -> str:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/help"} if fragment else {}
    body = {"content_type": "application/json"} if row.is_api else {}
    answer: Any = client.generic(row.method, row.path, b"", **body, headers=headers)  # type: ignore[arg-type]
    to = answer.headers.get("Location", answer.headers.get("HX-Redirect", ""))
    if to.startswith("/login"):
        # htmx would follow a redirect into the place of the fragment.
        expected = 204 if fragment else 302
        return "sign in" if answer.status_code == expected else f"{answer.status_code} to sign in"
    if answer.status_code in (401, 403):
        return str(answer.status_code)
    return "yes" if answer.status_code in LET_IN else str(answer.status_code)


def test_a_forged_call_with_the_browsers_session_is_refused(administrator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    unsafe = [row for row in ROWS if row.method != "GET"]
    assert len(unsafe) > 30
    for row in unsafe:
        body = {"content_type": "application/json"} if row.is_api else {}
        answer = client.generic(row.method, row.path, b"", **body)  # type: ignore[arg-type]
        assert answer.status_code == 403, row
