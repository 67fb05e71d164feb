"""Whether the locks hold together, and what is known of vulnerabilities in what they name; part of `make check`.

The locks are judged without a network. Vulnerabilities are asked of pip-audit's service: where it does not answer, that
is said and passes, unless `IM_REQUIRE_AUDIT=1`. Arguments go to pip-audit, such as `--vulnerability-service osv`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCKS = ("run", "demo", "dev")
# What was found and does not concern us: the finding's id, and why. One that is found no more must go.
ANSWERED: dict[str, str] = {}
SECONDS = 300
_ENTRY = re.compile(r"([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.IGNORECASE)
Json = dict[str, Any]


def read(text: str) -> tuple[set[tuple[str, str]], list[str]]:
    """Return the (name, version) pairs of a lock, and what is wrong with it."""
    pairs: set[tuple[str, str]] = set()
    faults: list[str] = []
    for entry in re.split(r"\n(?=\S)", text.replace("\\\n", " ")):
        if not (line := entry.strip()) or line.startswith("#"):
            continue
        found = _ENTRY.match(line)
        if not found:
            faults.append(f"{line.split()[0]} is not pinned to one version")
        elif "--hash=sha256:" not in line:
            faults.append(f"{found[1]} has no hash")
        else:
            pairs.add((found[1].lower(), found[2]))
        if "://" in line:
            faults.append(f"{line.split()[0]} names an address")
    return pairs, faults


def lock_faults(folder: Path) -> list[str]:
    """Return what is wrong with the locks of a folder: each alone, and what the smaller has and the larger has not."""
    faults: list[str] = []
    before: set[tuple[str, str]] = set()
    for name in LOCKS:
        pairs, found = read((folder / f"{name}.lock").read_text())
        faults += [f"{name}.lock: {fault}" for fault in found]
        faults += [f"{name}.lock: lacks {package} {version}" for package, version in sorted(before - pairs)]
        before = pairs
    return faults


def asked(folder: Path, arguments: list[str]) -> list[Json]:
    """Return what pip-audit's service says of each package; raises `ConnectionError` with why it is away."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    command += ["--require-hashes", "--disable-pip", *arguments]
    for name in LOCKS:
        command += ["-r", str(folder / f"{name}.lock")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        found: list[Json] = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        raise ConnectionError(f"no answer within {SECONDS} s") from None
    except (ValueError, KeyError):
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise ConnectionError(said[-1][:300]) from None
    if found and all("skip_reason" in item for item in found):
        raise ConnectionError(f"it knows none of the {len(found)} packages")
    return found


def judged(found: list[Json]) -> tuple[list[str], list[str]]:
    """Return what must be mended, and the packages that the service does not know."""
    unknown = [item["name"] for item in found if "skip_reason" in item]
    faults, answered = [], set()
    for item in found:
        for finding in item.get("vulns", ()):
            names = {finding["id"], *finding.get("aliases", ())}
            if hit := names & ANSWERED.keys():
                answered |= hit
                continue
            mended = ", ".join(finding.get("fix_versions") or ()) or "no version yet"
            said = " ".join(str(finding.get("description", "")).split())[:160]
            faults.append(f"{item['name']} {item['version']}: {finding['id']} (mended in {mended}): {said}")
    faults += [f"the answer to {name} is to be removed: it is found no more" for name in ANSWERED.keys() - answered]
    return faults, unknown


def main(arguments: list[str]) -> int:
    """Print what was found; return 1 when something is to be mended, or unknown where it must be known."""
    folder = Path(__file__).resolve().parent
    required = os.environ.get("IM_REQUIRE_AUDIT", "") not in ("", "0")
    if faults := lock_faults(folder):
        sys.stdout.write("".join(f"{fault}\n" for fault in faults))
        return 1
    sys.stdout.write("The locks hold together: every package has one version and its hashes.\n")
    try:
        faults, unknown = judged(asked(folder, arguments))
    except ConnectionError as error:
        sys.stdout.write(f"NOT AUDITED for known vulnerabilities: the service could not be asked ({error}).\n")
        sys.stdout.write(
            "IM_REQUIRE_AUDIT is set, so this fails.\n" if required else "IM_REQUIRE_AUDIT=1 fails here.\n"
        )
        return int(required)
    if unknown:
        sys.stdout.write(f"Not known to the service: {', '.join(unknown)}.\n")
    sys.stdout.write("".join(f"{fault}\n" for fault in faults) or "No known vulnerability.\n")
    return int(bool(faults) or (required and bool(unknown)))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
