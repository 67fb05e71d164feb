"""A process that dies by SIGKILL just before its n-th bulk write, as a crash between two writes would."""

from __future__ import annotations


def before_bulk(argument: int, *, imports: str, then: str) -> str:
    """Return a program that runs `then`; its n stands in `sys.argv[argument]`."""
    return f"""
import os, signal, sys, django
django.setup()
{imports}
from imweb.opensearch import Gateway
calls = 0
bulk = Gateway.bulk
def counting(self, *args, **kwargs):
    global calls
    calls += 1
    if calls == int(sys.argv[{argument}]):
        os.kill(os.getpid(), signal.SIGKILL)
    return bulk(self, *args, **kwargs)
Gateway.bulk = counting
{then}
"""
