"""What every row of the table needs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from benchmarks import data
from benchmarks.calls import Connection, encoded, in_turns, recorded, summary
from benchmarks.ground import Ground
from imweb.accounts.actor import Actor, actor_of
from imweb.accounts.models import ApiToken, Role, User
from imweb.accounts.setup import ensure_roles
from imweb.incidents import services
from imweb.incidents.params import parse_listing
from imweb.incidents.registry import registry

Json = dict[str, Any]
LIST = "/_im/incidents_full_types"
STATISTICS = f"{LIST}/stats/severity"


class Bench:
    """What every row needs: who asks, over which connections, and the listing's p50 that others are compared with."""

    def __init__(self, ground: Ground, options: argparse.Namespace) -> None:
        ensure_roles()
        user, _new = User.objects.get_or_create(username="bench")
        user.roles.set(Role.objects.filter(name="admin"))
        ApiToken.objects.filter(user=user).delete()
        self.user = user
        _row, self.token = ApiToken.issue(user, "bench", days=1)
        self.ground = ground
        self.options = options
        self.rounds: int = options.rounds
        self.actor: Actor = actor_of(user)
        self.ours = Connection(ground.web_url, self.token)
        self.raw = Connection(ground.opensearch_url)
        self._page: dict[str, Any] = {}

    def warm(self, seconds: float) -> None:
        """Search for a while: a node that has just started runs everything several times slower than a minute later."""
        lease = self.lease()
        asked = [encoded(self.asked(lease, **more)) for more in ({}, {"with_total_docs": True}, {"from": 5_000})]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for body in asked:
                self.ours.send("GET", LIST, body)
            self.ours.send("POST", STATISTICS, encoded(self.asked(lease, interval="auto")))
        self.release(lease)

    def lease(self) -> str:
        """Return a new lease on a point in time."""
        return str(self.ours.json("GET", "/_im/incidents/pit")["id"])

    def release(self, lease: str) -> None:
        """Give a lease back."""
        self.ours.json("DELETE", "/_im/incidents/pit", {"id": lease})

    def asked(self, lease: str, **more: Any) -> Json:
        """Return the body of a list of everything."""
        return {**data.window(), "pit": lease, **more}

    def replay(self, searches: list[tuple[str, bytes]]) -> Callable[[int], Any]:
        """Return a call that sends recorded searches to OpenSearch, one after the other."""
        return lambda _number: [self.raw.send("POST", path, body) for path, body in searches]

    def listing(self, body: Json) -> list[tuple[str, bytes]]:
        """Return the searches behind a page."""
        with recorded() as found:
            services.list_documents(self.actor, parse_listing(body, registry=registry(), zone="UTC"))
        return found

    def page_one(self) -> dict[str, Any]:
        """Measure the first page, ours and raw, once a run."""
        if not self._page:
            lease = self.lease()
            body = encoded(self.asked(lease))
            searches = self.listing(self.asked(lease))
            ours, raw = in_turns(self.rounds, lambda _n: self.ours.send("GET", LIST, body), self.replay(searches))
            self._page = {"ours": summary(ours), "raw": summary(raw), "searches": searches}
            self.release(lease)
        return self._page
