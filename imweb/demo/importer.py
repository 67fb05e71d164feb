"""Put detections from files into OpenSearch as incidents: streamed, repeatable, every bad line named."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import sys
import tempfile
import time
import uuid
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from imweb.demo.importing import BadLine, Detection, parse
from imweb.demo.sending import deliver, refusal
from imweb.incidents import pits
from imweb.incidents.documents import iso, new_source
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
USER = "import"
STDIN = "-"
MAX_LINE = 10_000_000
"""Bytes of one line; OpenSearch takes requests of up to 100 MB."""
BODY_LINES = 500
BODY_BYTES = 8_000_000
# A reader who opens "the last day" some hours after the import still sees all of it.
REBASED_MS = 20 * 3_600_000
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Line:
    """Where a line stands."""

    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@dataclass(slots=True)
class Outcome:
    """What became of the lines."""

    created: int = 0
    existing: int = 0
    skipped: int = 0


@dataclass
class Import:
    """One run; `complain` hears of every line that was skipped, `report` of lines dealt with."""

    complain: Callable[[Line, str], None]
    report: Callable[[int], None]
    rebase_ms: int | None = None
    outcome: Outcome = field(default_factory=Outcome)
    operation: str = field(default_factory=lambda: uuid.uuid4().hex)

    def run(self, files: Iterable[str]) -> Outcome:
        """Import the files in their order; `-` is the standard input. Raises `ImError` when OpenSearch gives up."""
        with _readable(files) as sources:
            places = _places(sources, self.rebase_ms) if self.rebase_ms is not None else None
            batch: list[tuple[Line, Detection]] = []
            size = 0
            for number, (where, detection, length) in enumerate(self._detections(sources)):
                if places is not None:
                    time_ms = places[number]
                    detection = replace(detection, time_ms=time_ms, body=detection.body | {"@timestamp": iso(time_ms)})
                batch.append((where, detection))
                size += length
                if len(batch) >= BODY_LINES or size >= BODY_BYTES:
                    self._store(batch)
                    batch, size = [], 0
            self._store(batch)
        gateway().refresh([schema.incidents_alias(), schema.history_alias()])
        pits.note_write(None)
        return self.outcome

    def _detections(self, sources: list[tuple[str, IO[bytes]]]) -> Iterator[tuple[Line, Detection, int]]:
        for where, line in _lines(sources, self._skip):
            try:
                yield where, parse(line), len(line)
            except BadLine as error:
                self._skip(where, error.reason)

    def _skip(self, where: Line, reason: str) -> None:
        self.outcome.skipped += 1
        self.complain(where, reason)
        self.report(1)

    def _store(self, batch: list[tuple[Line, Detection]]) -> None:
        """Create incidents that carry their history entry, copy the entries, and only then let the incidents drop it.

        A process that dies in between leaves the entry with its incident, and the sweep copies it.
        """
        if not batch:
            return
        now_ms = time.time_ns() // 1_000_000
        sources = [self._source(detection, now_ms) for _where, detection in batch]
        answers = deliver(_pairs("create", schema.incidents_alias(), sources))
        made: list[tuple[Json, Json]] = []
        for (where, _detection), (_id, source), answer in zip(batch, sources, answers, strict=True):
            if answer["status"] == 201:
                self.outcome.created += 1
                made.append((source, answer))
            elif answer["status"] == 409:
                self.outcome.existing += 1
            else:
                self.outcome.skipped += 1
                self.complain(where, refusal(answer))
        self._copy_history(made)
        self.report(len(batch))

    def _copy_history(self, made: list[tuple[Json, Json]]) -> None:
        if not made:
            return
        entries = [(source["pending"][0]["change"], source["pending"][0]) for source, _answer in made]
        copied = deliver(_pairs("create", schema.history_alias(), entries))
        lines: list[bytes] = []
        for (source, answer), copy in zip(made, copied, strict=True):
            if copy["status"] in (201, 409):
                action = {
                    "_index": answer["_index"],
                    "_id": answer["_id"],
                    "if_seq_no": answer["_seq_no"],
                    "if_primary_term": answer["_primary_term"],
                }
                settled = {**source, "pending": [], "has_pending": False}
                lines += (_encode({"index": action}).encode(), _encode(settled).encode())
        if lines:
            # Who changed an incident meanwhile has settled its entry himself: the conflict is no loss.
            deliver(b"\n".join(lines))

    def _source(self, detection: Detection, now_ms: int) -> tuple[str, Json]:
        source = new_source("incident", detection.id, detection.body, user=USER, now_ms=now_ms)
        change = hashlib.sha256(f"{self.operation}/{detection.id}".encode()).hexdigest()[:32]
        entry = {
            "time": source["created_at"],
            "key": source["key"],
            "objectId": detection.id,
            "objectType": "incident",
            "type": "create",
            "user": USER,
            "rev": 1,
            "change": change,
        }
        return detection.id, source | {"pending": [entry], "has_pending": True}


def _pairs(action: str, index: str, documents: Iterable[tuple[str, Json]]) -> bytes:
    lines: list[str] = []
    for doc_id, source in documents:
        lines += (_encode({action: {"_index": index, "_id": doc_id}}), _encode(source))
    return "\n".join(lines).encode()


@contextmanager
def _readable(files: Iterable[str]) -> Iterator[list[tuple[str, IO[bytes]]]]:
    """Open every file before the first line is stored; raises `OSError` naming the one that cannot be read."""
    opened: list[tuple[str, IO[bytes]]] = []
    with ExitStack() as stack:
        for name in files:
            if name == STDIN:
                # Read twice when times are moved, which a pipe cannot be.
                spool = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(sys.stdin.buffer, spool)
                opened.append(("standard input", spool))
            else:
                file: Any = stack.enter_context(Path(name).open("rb"))
                packed: Any = gzip.GzipFile(fileobj=file) if name.endswith(".gz") else file
                opened.append((name, stack.enter_context(packed)))
        yield opened


def _lines(
    sources: list[tuple[str, IO[bytes]]], skip: Callable[[Line, str], None] | None
) -> Iterator[tuple[Line, bytes]]:
    """Yield the lines that are not blank; what cannot be read at all is told to `skip`."""
    for name, file in sources:
        file.seek(0)
        number = 0
        while True:
            number += 1
            where = Line(name, number)
            try:
                line = file.readline(MAX_LINE + 1)
                long = len(line) > MAX_LINE
                while long and line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE)
            except (OSError, EOFError, zlib.error) as error:
                if skip:
                    skip(where, f"the file cannot be read further: {error}")
                break
            if long:
                if skip:
                    skip(where, f"longer than {MAX_LINE // 1_000_000} MB")
            elif not line:
                break
            elif line.strip():
                yield where, line


def _places(sources: list[tuple[str, IO[bytes]]], end_ms: int) -> array[int]:
    """Return the new time of every readable line: evenly spread up to the end, in the order of the old times."""
    times = array("q")
    for _where, line in _lines(sources, None):
        try:
            times.append(parse(line).time_ms)
        except BadLine:
            continue
    count = len(times)
    places = array("q", bytes(8 * count))
    for rank, position in enumerate(sorted(range(count), key=times.__getitem__)):
        places[position] = end_ms - REBASED_MS + REBASED_MS * (rank + 1) // (count + 1)
    return places
