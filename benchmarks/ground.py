"""What is measured stands here: a node, Redis, web server and worker of its own; the data is kept in var/bench.

The environment is set before Django reads its settings: nothing of ours but the starters may be imported above that.
"""

from __future__ import annotations

import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from imweb.demo.processes import ROOT, Process
from imweb.demo.redis_server import RedisServer
from imweb.opensearch.node import Node, free_port

FOLDER = ROOT / "var/bench"
HEAP = os.environ.get("IM_BENCH_HEAP", "2g")
LEASE_SECONDS = 60
"""As short as the raw keep-alive: two minutes after the last lease ended are then three after its last use."""


@dataclass(frozen=True)
class Ground:
    """The servers' addresses; `own_node` says whether nobody else uses OpenSearch meanwhile."""

    opensearch_url: str
    redis_url: str
    web_url: str
    own_node: bool
    load: tuple[float, ...]
    """The machine's load of the last minutes before anything was measured."""


@contextmanager
def servers(size: int) -> Iterator[Ground]:
    """Start what the environment does not name, set Django up, and stop at the end what was started."""
    # WhiteNoise warns when there are no collected files; these pages take theirs from `static/` itself.
    (FOLDER / "static").mkdir(parents=True, exist_ok=True)
    own_node = not os.environ.get("OPENSEARCH_URL")
    load = tuple(round(value, 2) for value in os.getloadavg())
    with ExitStack() as stack:
        if own_node:
            node = Node(folder=FOLDER / "opensearch", cluster="imbench", heap=HEAP)
            stack.callback(node.stop, 60)
            say("starting OpenSearch")
            os.environ["OPENSEARCH_URL"] = node.launch().wait(180).url
        if not os.environ.get("REDIS_URL"):
            redis = RedisServer(FOLDER / "redis")
            stack.callback(redis.stop)
            redis.launch()
            os.environ["REDIS_URL"] = redis.wait().url
        web_url = f"http://127.0.0.1:{free_port()}"
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "imweb.settings",
            "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{FOLDER / 'bench.sqlite3'}",
            "IM_DATA_DIR": str(FOLDER),
            "IM_INDEX_PREFIX": f"imbench-{size}",
            "IM_REDIS_PREFIX": f"imbench-{size}",
            "IM_INSECURE": "1",
            "IM_PLAIN_STATIC": "1",
            "IM_LOG_LEVEL": "WARNING",
            "IM_LEASE_SECONDS": str(LEASE_SECONDS),
        }
        import django

        django.setup()
        yield Ground(os.environ["OPENSEARCH_URL"], os.environ["REDIS_URL"], web_url, own_node, load)


@contextmanager
def web(ground: Ground) -> Iterator[None]:
    """Run the web server, a Celery worker and beat, as production does."""
    port = ground.web_url.rpartition(":")[2]
    python = sys.executable
    granian = [python, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", port]
    commands = {
        "web": [*granian, "--workers", "2", "--blocking-threads", "8", "--no-ws", "imweb.wsgi:application"],
        "worker": [python, "-m", "celery", "-A", "imweb", "worker", "--concurrency", "2", "--without-mingle"],
        "beat": [python, "-m", "celery", "-A", "imweb", "beat", "--schedule", str(FOLDER / "beat"), "--pidfile", ""],
    }
    parts = [Process(name, command, FOLDER / f"{name}.log") for name, command in commands.items()]
    try:
        for part in parts:
            part.launch()
        deadline = time.monotonic() + 60
        while not _ready(ground.web_url):
            if parts[0].status() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the web server did not start:\n{parts[0].tail()}")
            time.sleep(0.2)
        yield
    finally:
        for part in parts:
            part.terminate()
        for part in parts:
            part.stop()


def _ready(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/healthz/ready", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def say(text: str) -> None:
    """Tell whoever waits what is being done."""
    sys.stderr.write(f"… {text}\n")
    sys.stderr.flush()


def folder() -> Path:
    """Return the folder of the data and the results."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    return FOLDER
