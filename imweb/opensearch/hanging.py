"""A node that takes calls and answers none, as in a long pause of its garbage collector.

It keeps each call for the whole of OPENSEARCH_TIMEOUT, and a page that asks five things for five times as long. So
whoever has waited in vain tells the others of its process: they look first, by a call that costs an answering node
nothing, and are refused at once while nobody answers that one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from opensearchpy import exceptions as client_errors

from imweb.errors import SearchUnavailable
from imweb.opensearch import client
from imweb.opensearch.errors import UNREACHABLE

# Seconds that a look waits for, and that its outcome holds for the calls after it.
LOOK = 2.0
HOLDS = 3.0


@dataclass(slots=True)
class _Node:
    suspected: bool = False
    looked: float = float("-inf")


_node = _Node()


def suspect() -> None:
    """Say that a call was not answered in its time."""
    _node.suspected = True


def check() -> None:
    """Raise `SearchUnavailable` while the node hangs; costs nothing unless a call was not answered before."""
    if not _node.suspected:
        return
    if time.monotonic() - _node.looked < HOLDS:
        raise SearchUnavailable(UNREACHABLE)
    try:
        client.writing().info(params={"request_timeout": LOOK})
    except client_errors.ConnectionTimeout as error:
        _node.looked = time.monotonic()
        raise SearchUnavailable(UNREACHABLE) from error
    except client_errors.OpenSearchException:
        # It answers, or refuses at once: what the call itself meets is the better word.
        pass
    _node.suspected = False
