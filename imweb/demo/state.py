"""What the demo remembers between two starts, and what it tells scripts while it runs."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

# Written while the demo answers, removed when it stops: addresses and log-ins for scripts.
DEMO = "demo.json"
# Kept: the log-ins made at the first start, and which data were generated where.
STATE = "demo-state.json"
USERS = ("analyst", "lead", "admin")


def read(folder: Path, name: str) -> dict[str, Any]:
    """Return a file's content, an empty dict when there is none."""
    try:
        content = json.loads((folder / name).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write(folder: Path, name: str, content: dict[str, Any]) -> None:
    """Replace a file in one step, readable by its owner alone: it holds passwords."""
    scratch = folder / f".{name}.{secrets.token_hex(4)}"
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    scratch.replace(folder / name)
