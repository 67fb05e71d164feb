"""`python leash.py PARENT COMMAND…`: run COMMAND, and end it and all that it started when PARENT ends, however it ends.

`python leash.py PARENT --become COMMAND…` is for a program that starts no others: this process becomes it.

Web servers and Celery start processes of their own, which a kill -9 further up would leave behind. This small
process stands between: the kernel tells it of its parent's end, it collects orphans below it, and it ends them all.
It is started by its path, with the standard library alone, because five of them run beside each demo.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 6.0  # seconds from the polite signal to SIGKILL


def tell_kernel(option: int, value: int) -> None:
    """Set an option of this process by prctl(2)."""
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _children() -> list[int]:
    """Return the process ids right below this one; orphans from deeper down come to stand there."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []  # A kernel without this file; the process group is ended all the same.


def _send(group: int, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, sign)


def main(parent: int, command: list[str]) -> int:
    """Return the command's exit status, once nothing that it started is left."""
    become = command[0] == "--become"
    tell_kernel(PR_SET_PDEATHSIG, signal.SIGKILL if become else signal.SIGTERM)
    if os.getppid() != parent:
        return 1  # The parent ended before the kernel was told.
    if become:
        # What the kernel was told outlives this.
        os.execvp(command[1], command[1:])  # noqa: S606 - a shell would only stand between
    tell_kernel(PR_SET_CHILD_SUBREAPER, 1)
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)

    def free() -> None:
        # Even a kill -9 of this process takes the command along.
        tell_kernel(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)

    child = subprocess.Popen(command, start_new_session=True, preexec_fn=free)
    while child.poll() is None:
        if signal.sigwait(signals) == signal.SIGCHLD:
            continue
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE)
        break
    _end_the_rest(child.pid)
    status = child.returncode or 0
    return 128 - status if status < 0 else status


def _end_the_rest(group: int) -> None:
    """Kill what is left of the group and every orphan, and wait until they are gone."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        _send(group, signal.SIGKILL)
        for pid in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return  # Nothing is below this process any more.
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
