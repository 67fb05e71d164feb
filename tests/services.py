"""The real servers of a test run: given by OPENSEARCH_URL and REDIS_URL, or started here and stopped at the end."""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import redis
from django.db import connection

from imweb.demo.redis_server import RedisServer, RedisServerError
from imweb.opensearch.jars import JarError, class_path
from imweb.opensearch.node import Node, NodeError
from tests.settings import OWN_SERVERS, RUN_ID, TEST_FOLDER

REQUIRED = os.environ.get("IM_REQUIRE_SERVICES", "") not in ("", "0")


def lacking(reason: str) -> None:
    """Skip what needs a missing service, or fail where services are promised (`IM_REQUIRE_SERVICES=1`)."""
    if REQUIRED:
        pytest.fail(f"IM_REQUIRE_SERVICES is set, but {reason}")
    pytest.skip(reason)


@contextmanager
def opensearch() -> Iterator[Node | None]:
    """Give the node at OPENSEARCH_URL, started here unless the environment named one; remove this run's indices."""
    url = os.environ["OPENSEARCH_URL"]
    if "OPENSEARCH_URL" not in OWN_SERVERS:
        if not _answers(url):
            lacking(f"no OpenSearch answers at {url}")
        yield None
        delete_indices()
        return
    node = Node(folder=TEST_FOLDER / "opensearch", cluster=RUN_ID, port=urlsplit(url).port or 0)
    try:
        class_path()
        node.launch().wait()
    except (JarError, NodeError) as error:
        node.kill()
        lacking(str(error))
    try:
        yield node
    finally:
        node.stop()


@contextmanager
def redis_server() -> Iterator[RedisServer | None]:
    """Give the Redis at REDIS_URL, started here unless the environment named one; remove this run's keys."""
    url = os.environ["REDIS_URL"]
    if "REDIS_URL" not in OWN_SERVERS:
        try:
            with redis.Redis.from_url(url) as client:
                client.ping()
        except redis.RedisError as error:
            lacking(f"no Redis answers at {url}: {error}")
        yield None
        forget_keys()
        return
    try:
        server = RedisServer(TEST_FOLDER / "redis", port=urlsplit(url).port)
        server.launch()
        server.wait()
    except RedisServerError as error:
        lacking(str(error))
    try:
        yield server
    finally:
        server.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _send(method: str, path: str, body: Any = None) -> Any:
    url = f"{os.environ['OPENSEARCH_URL']}/{path}"
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def delete_indices() -> None:
    """Delete this run's own indices, by a prefix that nobody else's carry."""
    _send("DELETE", f"{RUN_ID}*?expand_wildcards=all")


def empty_indices() -> None:
    """Delete every document of this run's own indices."""
    _send("POST", f"{RUN_ID}*/_refresh")
    _send("POST", f"{RUN_ID}*/_delete_by_query?conflicts=proceed&refresh=true", {"query": {"match_all": {}}})


def own_pits() -> list[str]:
    """Return the open points in time over this run's own indices: their ids hold the indices' names."""
    try:
        pits = _send("GET", "_search/point_in_time/_all")["pits"]
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return []
        raise
    return [pit["pit_id"] for pit in pits if RUN_ID.encode() in base64.urlsafe_b64decode(pit["pit_id"] + "==")]


def close_own_pits() -> None:
    """Close what an earlier test left open, so that hundreds of tests stay below the node's limit."""
    if pits := own_pits():
        _send("DELETE", "_search/point_in_time", {"pit_id": pits})


def forget_keys() -> None:
    """Delete this run's own keys in Redis."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        keys = list(client.scan_iter(f"{RUN_ID}*", count=1000))
        if keys:
            client.delete(*keys)


def process_env() -> dict[str, str]:
    """Return the environment for a process that is to work on the database of the tests."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return {"DATABASE_URL": f"sqlite:///{database['NAME']}"}
    user, password, host = (quote(str(database[key]), safe="") for key in ("USER", "PASSWORD", "HOST"))
    return {"DATABASE_URL": f"postgres://{user}:{password}@{host}:{database['PORT']}/{database['NAME']}"}


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Return once the condition holds; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s in vain")
        time.sleep(0.05)
