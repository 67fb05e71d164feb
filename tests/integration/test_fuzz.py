"""schemathesis against our own description, over HTTP, on the real servers: no fault of ours, no answer beside it.

`make test` gives it seconds (`IM_FUZZ_EXAMPLES` cases an operation), `make fuzz` half an hour (`IM_FUZZ_SECONDS`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imweb.accounts.models import ApiToken, User
from tests import fuzz_hooks, stored
from tests.examples import SECONDS

EXAMPLES = int(os.environ.get("IM_FUZZ_EXAMPLES", "10"))
# A request may fit its schema and still be refused for what it means (a time that is none, a field nobody has, a point
# in time that is over, an id that is taken): the description declares these statuses for it.
CONFIG = """\
hooks = "{hooks}"

[checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "410", "429"]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "409", "410", "413", "415", "429"]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx"]
"""


@pytest.mark.fuzz
@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 600)
def test_the_api_keeps_to_its_description(indices: None, administrator: User, live_server: Any, tmp_path: Path) -> None:
    stored.group("a1", {f"i{n}": {"@timestamp": stored.at(n), "mitre": ["T1059.001"]} for n in range(30)})
    _token, secret = ApiToken.issue(administrator, "fuzz")
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(hooks=fuzz_hooks.__file__))
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run"]
    command += [f"{live_server.url}/_im/openapi.json", "--header", f"Authorization: Bearer {secret}"]
    command += ["--checks", "all", "--mode", "all", "--continue-on-failure"]
    # One: Python 3.11 miscounts its depth when two threads compile at once, and hypothesis then reports a fault.
    command += ["--workers", "1"]
    command += ["--max-examples", str(EXAMPLES), "--request-timeout", "60", "--suppress-health-check", "all"]
    if SECONDS:
        command += ["--max-time", str(SECONDS)]
    else:
        # The same cases each time; what half an hour finds becomes a test of its own.
        command += ["--seed", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    (tmp_path / "schemathesis.log").write_text(done.stdout + done.stderr)
    lines = [line[:300] for line in (done.stdout + done.stderr).splitlines()]
    assert done.returncode == 0, "\n".join(lines[-400:])
