"""Settings by environment: typed readers that refuse nonsense at the start, and a running demo's addresses."""

from __future__ import annotations

import ipaddress
import json
import secrets
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
# What was asked for: the text that the environment holds or the default, and which; the system page shows them.
asked: dict[str, tuple[Any, bool]] = {}


class _Env(environ.Env):  # type: ignore[misc]  # it has no types
    """Reads as its parent does, and remembers what was asked for."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        value = super().get_value(var, *args, **kwargs)
        given = str(var) in self.ENVIRON
        asked[str(var)] = (self.ENVIRON[str(var)] if given else value, given)
        return value


env = _Env()


def data_dir() -> Path:
    """Return the folder that holds what the program itself writes (`IM_DATA_DIR`, default `var/`)."""
    path = Path(env.str("IM_DATA_DIR", default="var"))
    return path if path.is_absolute() else BASE_DIR / path


def running_demo() -> dict[str, Any]:
    """Return what the demo running in this data folder wrote about itself, or an empty dict."""
    try:
        content = json.loads((data_dir() / "demo.json").read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def address(name: str, demo_key: str, default: str) -> str:
    """Return a server's address: the variable, else the running demo's, else the default."""
    value = env.str(name, default="") or str(running_demo().get(demo_key) or "") or default
    if "://" not in value:
        raise ImproperlyConfigured(f"{name} must be a URL such as {default}, not {value!r}")
    return value


def database_default(folder: Path) -> str:
    """Return the running demo's database, else the SQLite file in the data folder."""
    return str(running_demo().get("database_url") or f"sqlite:///{folder / 'imweb.sqlite3'}")


def secret_key(*, debug: bool) -> str:
    """Return the signing key: `IM_SECRET_KEY`, or in development one that is made once and kept in the data folder."""
    if value := env.str("IM_SECRET_KEY", default=""):
        if len(value) < 32:
            raise ImproperlyConfigured("IM_SECRET_KEY must have at least 32 characters")
        return str(value)
    path = data_dir() / "secret_key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        if not debug:
            raise ImproperlyConfigured("IM_SECRET_KEY must be set when IM_DEBUG is off") from None
        path.parent.mkdir(parents=True, exist_ok=True)
        candidate = path.with_suffix(f".{secrets.token_hex(4)}")
        candidate.touch(mode=0o600)
        candidate.write_text(secrets.token_urlsafe(50))
        try:
            # A hard link is atomic and refuses to replace, so that processes starting together agree on one key.
            path.hardlink_to(candidate)
        except FileExistsError:
            pass
        finally:
            candidate.unlink()
        return path.read_text().strip()


def bounded_int(name: str, default: int, low: int, high: int) -> int:
    """Return an integer variable, refusing values outside `low`…`high`."""
    try:
        value = int(env.int(name, default=default))
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {env.str(name)!r}") from None
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name} must be from {low} to {high}, not {value}")
    return value


def networks(name: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Return a list of networks or addresses, separated by commas, refusing what is none."""
    texts = [text.strip() for text in env.list(name, default=[])]
    try:
        return tuple(ipaddress.ip_network(text) for text in texts if text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must name networks such as 10.1.2.0/24: {error}") from None


def issuer(name: str, *, insecure: bool) -> str:
    """Return the address of an OpenID Connect provider, empty for none; it has to be https outside the demo."""
    value = str(env.str(name, default=""))
    if value and not value.startswith(("https://", "http://") if insecure else "https://"):
        raise ImproperlyConfigured(f"{name} must be an https address such as https://sso.example/realms/soc")
    return value


def roles_by_group(name: str) -> dict[str, tuple[str, ...]]:
    """Return which roles each group of a provider gives: a JSON object of lists of roles' system names."""
    try:
        found = json.loads(env.str(name, default="") or "{}")
        given = {str(group): (roles,) if isinstance(roles, str) else tuple(roles) for group, roles in found.items()}
        if all(isinstance(role, str) for roles in given.values() for role in roles):
            return given
    except (ValueError, TypeError, AttributeError):
        pass
    raise ImproperlyConfigured(f'{name} must be JSON such as {{"soc-first-line": ["analyst"], "soc-leads": ["lead"]}}')


def email(name: str) -> dict[str, Any]:
    """Return Django's settings for the mail server that a variable names, none when it is not set."""
    value = env.str(name, default="")
    if not value:
        return {}
    if not value.startswith(("smtp://", "smtp+tls://", "smtp+ssl://", "smtps://")):
        raise ImproperlyConfigured(f"{name} must be an address such as smtp+tls://user:password@mail.example:587")
    found = env.email_url(name)
    return {key: value for key, value in found.items() if key.isupper() and key != "EMAIL_FILE_PATH"}
