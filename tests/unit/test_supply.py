"""What we take from others: locks that hold together, known vulnerabilities, and each finding answered in place."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from imweb.opensearch.node import free_port

ROOT = Path(__file__).parents[2]
AUDIT: dict[str, Any] = runpy.run_path(str(ROOT / "requirements/audit.py"))
GOOD = "one==1.0 \\\n    --hash=sha256:aa\n"
FINDING = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "summary": "reads what it should not",
    "published": "2026-01-01T00:00:00Z",
    "affected": [],
}


def audit(*arguments: str, required: bool = False) -> tuple[int, str]:
    """Run the command; return its exit status and what it said."""
    done = subprocess.run(
        [sys.executable, "requirements/audit.py", *arguments],
        cwd=ROOT,
        env=os.environ | {"IM_REQUIRE_AUDIT": "1" if required else ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


@contextmanager
def service(vulnerable: str) -> Iterator[str]:
    """Give the address of a vulnerability service that knows one finding, in one package."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {"vulns": [FINDING]} if asked["package"]["name"] == vulnerable else {}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/query"
        server.shutdown()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("one>=1.0 \\\n    --hash=sha256:aa\n", "one>=1.0 is not pinned to one version"),
        ("one==1.0\n", "one has no hash"),
        ("one @ https://files.example/one.whl \\\n    --hash=sha256:aa\n", "one names an address"),
    ],
)
def test_a_lock_without_version_or_hash_or_with_an_address_is_refused(text: str, fault: str) -> None:
    assert fault in AUDIT["read"](GOOD + text)[1]
    assert AUDIT["read"](GOOD) == ({("one", "1.0")}, [])


def test_a_larger_lock_that_names_another_version_is_refused(tmp_path: Path) -> None:
    for name in ("run", "demo"):
        (tmp_path / f"{name}.lock").write_text(GOOD)
    (tmp_path / "dev.lock").write_text(GOOD.replace("1.0", "2.0"))
    assert AUDIT["lock_faults"](tmp_path) == ["dev.lock: lacks one 1.0"]


def test_the_locks_hold_together() -> None:
    assert AUDIT["lock_faults"](ROOT / "requirements") == []


def test_a_known_vulnerability_fails_and_is_named() -> None:
    with service("django") as url:
        status, said = audit("--vulnerability-service", "osv", "--osv-url", url)
    assert status == 1
    assert re.search(
        r"^django 5\.2\.\d+: PYSEC-2026-1 \(mended in no version yet\): reads what it should not$", said, re.M
    )


def test_without_a_finding_it_passes_also_where_it_is_required() -> None:
    with service("") as url:
        status, said = audit("--vulnerability-service", "osv", "--osv-url", url, required=True)
    assert (status, said.splitlines()[-1]) == (0, "No known vulnerability.")


@pytest.mark.parametrize("required", [False, True])
def test_a_service_that_is_away_is_said_and_fails_only_where_it_is_required(required: bool) -> None:
    url = f"http://127.0.0.1:{free_port()}/query"
    status, said = audit("--vulnerability-service", "osv", "--osv-url", url, required=required)
    assert status == int(required)
    assert "NOT AUDITED" in said


def test_every_finding_of_the_static_analysis_that_is_passed_over_says_why() -> None:
    bare = []
    for folder in ("imweb", "frontend", "requirements"):
        for file in (ROOT / folder).rglob("*.py"):
            for number, line in enumerate(file.read_text().splitlines(), 1):
                found = re.search(r"# noqa: (S\d+(?:, ?S\d+)*)(.*)", line)
                if found and not re.match(r" - \S.{5,}", found[2]):
                    bare.append(f"{file.relative_to(ROOT)}:{number}")
    assert bare == []
