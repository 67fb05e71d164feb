"""Run all tests, and beside them those marked `relational` on PostgreSQL: `python -m tests.both [arguments]`.

The arguments are pytest's. Each of the two has servers and folders of its own, and waits for them much of its time.
What the second one says is printed when it has ended.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

from imweb.demo.processes import ROOT
from tests.postgres import environment


def main(arguments: list[str]) -> int:
    """Return 0 if both passed, else the status of the first that did not."""
    env, run = environment(), [sys.executable, "-m"]
    with tempfile.TemporaryFile() as said:
        command = [*run, "tests.postgres", *arguments]
        beside = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            first = subprocess.run([*run, "pytest", *arguments], cwd=ROOT, env=env, check=False).returncode
            second = beside.wait()
        except KeyboardInterrupt:
            # Ctrl-C has reached all of them; each stops its own servers.
            beside.wait()
            return 130
        said.seek(0)
        print(said.read().decode(errors="replace"), flush=True)
    return first or second


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
