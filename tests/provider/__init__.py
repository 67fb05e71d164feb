"""A real OpenID Connect provider in a process of its own (django-oauth-toolkit), whose users sign in by password."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

CLIENT_ID, CLIENT_SECRET = "incident-manager", "known-to-the-two-alone"
PASSWORD = "kestrel-orbit-lantern"


@dataclass(frozen=True)
class Provider:
    """A running provider."""

    issuer: str

    def use(self, settings: Any, **more: Any) -> None:
        """Let people sign in with it; `more` are further settings without their `IM_OIDC_`."""
        from imweb.accounts import oidc

        stated = {"issuer": self.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        for name, value in (stated | more).items():
            setattr(settings, f"IM_OIDC_{name.upper()}", value)
        oidc.forget()


@contextmanager
def started(folder: Path) -> Iterator[Provider]:
    """Give a running provider."""
    from imweb.demo.processes import Process
    from imweb.opensearch.node import free_port
    from tests.services import until

    port = free_port()
    process = Process(
        "provider",
        [sys.executable, "-m", "tests.provider"],
        folder / "provider.log",
        env={
            "PROVIDER": json.dumps({"port": port, "folder": str(folder)}),
            "DJANGO_SETTINGS_MODULE": "tests.provider.settings",
        },
        alone=True,
    )
    process.launch()
    issuer = f"http://127.0.0.1:{port}/o"
    try:
        until(lambda: process.status() is not None or _answers(issuer), 60)
        assert process.status() is None, process.tail()
        yield Provider(issuer)
    finally:
        process.stop()


def _answers(issuer: str) -> bool:
    try:
        with urlopen(f"{issuer}/.well-known/openid-configuration", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
