"""docs/api.md: every operation has an example, and all of them run, by a real curl against a real server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from imweb.accounts import permissions
from imweb.accounts.models import ApiToken, User
from imweb.api import routes
from imweb.settings import BASE_DIR
from tests import stored

TEXT = (Path(BASE_DIR) / "docs" / "api.md").read_text()
EXAMPLES = re.findall(r"^```bash\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_every_operation_has_an_example() -> None:
    script = "\n".join(EXAMPLES)
    missing = []
    for operation in routes.OPERATIONS:
        path = re.sub(r"\\{\w+\\}", r"[$\\w]+", re.escape(f"/_im/{operation.path}"))
        if not (operation.page or operation.undocumented):
            found = re.search(rf'-X {operation.method} "\$URL{path}["?]', script)
            missing += [] if found else [f"{operation.method} {operation.path}"]
    assert missing == []


def test_the_examples_run(indices: None, administrator: User, live_server: Any) -> None:
    curl, bash = shutil.which("curl"), shutil.which("bash")
    assert curl, "curl is needed (apt-get install curl)"
    assert bash
    stored.group("a1", {"i1": {"mitre": ["T1059.001"], "severity": "high", "source": "EDR"}, "i2": {"source": "EDR"}})
    stored.incidents({f"n{n}": {"source": "EDR", "severity": "low"} for n in range(8)})
    _token, secret = ApiToken.issue(administrator, "docs")
    script = "\necho\n".join(["set -euo pipefail", *EXAMPLES])
    env = {"URL": live_server.url, "TOKEN": secret, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run([bash, "-c", script], env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, f"{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}"
    answers = [json.loads(line) for line in re.sub(r"(?<=[}\]])(?=[{\[])", "\n", done.stdout).splitlines() if line]
    assert len(answers) >= len(EXAMPLES) - 3
    assert all("error" not in answer for answer in answers if isinstance(answer, dict))


def test_permissions_md_lists_every_operation_with_its_permission() -> None:
    text = (Path(BASE_DIR) / "docs" / "permissions.md").read_text()
    rows = re.findall(r"^\| `(\w+) /_im/([^`]*)` \| `([\w.]+)` \|", text, re.MULTILINE)
    assert sorted(rows) == sorted((o.method, o.path, o.permission) for o in routes.OPERATIONS if not o.undocumented)
    assert all(permission in permissions.ALL for _method, _path, permission in rows)
