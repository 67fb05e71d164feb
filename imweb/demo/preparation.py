"""What the demo needs in the database and in OpenSearch before it is of use; every step may be repeated."""

from __future__ import annotations

import io
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core.management import call_command, get_commands
from django.utils import timezone

from imweb.accounts.models import ApiToken, Role, User
from imweb.accounts.setup import ensure_roles
from imweb.demo import grouping_rules, state
from imweb.opensearch import gateway, schema

# Read off a terminal and typed by hand.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def database() -> None:
    """Migrate, make the three users with a token each, and collect the static files if one has changed."""
    call_command("migrate", interactive=False, verbosity=0)
    ensure_roles()
    folder: Path = settings.IM_DATA_DIR
    kept = state.read(folder, state.STATE)
    users: dict[str, dict[str, str]] = kept.setdefault("users", {})
    for username in state.USERS:
        users[username] = _user(username, users.get(username, {}))
    state.write(folder, state.STATE, kept)
    _collect_static(folder)


def _user(username: str, kept: dict[str, str]) -> dict[str, str]:
    """Return a user's log-in, made now unless user and token of an earlier start are still there."""
    password = kept.get("password") or "".join(secrets.choice(_ALPHABET) for _ in range(16))
    user = User.objects.filter(username=username).first()
    if user is None:
        user = User.objects.create_user(username, email="", password=password)
        user.roles.set(Role.objects.filter(name=username))
    elif not kept:
        # The folder forgot the password that the database still holds as a hash.
        user.set_password(password)
        user.save(update_fields=["password"])
    token = kept.get("token", "")
    held = ApiToken.objects.filter(user=user, digest=ApiToken.digest_of(token)).first()
    if held is None or not held.is_valid:
        _row, token = ApiToken.issue(user, "demo", days=None)
    return {"username": username, "password": password, "token": token}


def _collect_static(folder: Path) -> None:
    """Hash and compress the static files, which takes seconds, unless none has changed since the last time."""
    if not isinstance(staticfiles_storage, ManifestFilesMixin):
        return  # Plain names: served from where they stand.
    files = [storage.path(path) for finder in get_finders() for path, storage in finder.list(None)]
    seen = "".join(f"{path} {(found := Path(path).stat()).st_mtime_ns} {found.st_size}\n" for path in sorted(files))
    stamp = folder / "static.stamp"
    if Path(settings.STATIC_ROOT).is_dir() and stamp.exists() and stamp.read_text() == seen:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(seen)


def incidents(count: int) -> None:
    """Create what is missing in OpenSearch; generate the incidents once, and never beside others' that are there."""
    call_command("bootstrap", stdout=io.StringIO())
    folder: Path = settings.IM_DATA_DIR
    kept = state.read(folder, state.STATE)
    where = {"cluster": gateway().info()["cluster_uuid"], "prefix": settings.IM_INDEX_PREFIX}
    done: dict[str, Any] = kept.get("incidents", {})
    begun = {key: done.get(key) for key in where} == where
    if begun and done.get("complete"):
        return
    if not begun and gateway().count({"match_all": {}}, index=schema.document_aliases()):
        return
    if count <= 0 or "generate_incidents" not in get_commands():
        return
    # Recorded before it begins, so that a start broken off here goes on: the same seed and end give the same ids.
    end = done["end"] if begun else timezone.now().isoformat(timespec="milliseconds")
    record = where | {"end": end, "complete": False}
    state.write(folder, state.STATE, kept | {"incidents": record})
    call_command("generate_incidents", count, seed=1, end=end)
    grouping_rules.ensure()
    state.write(folder, state.STATE, kept | {"incidents": record | {"complete": True}})
