"""`manage.py import_detections` on the real server: once each, in their order, nothing lost, every bad line named."""

from __future__ import annotations

import gzip
import io
import json
import sys
import time
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from imweb.demo import importer
from imweb.demo.importing import parse
from imweb.incidents.times import parse_instant
from imweb.opensearch import gateway, schema

Json = dict[str, Any]
DATA = Path(__file__).parents[3] / "shared/data/detections.ndjson"
pytestmark = pytest.mark.django_db
real = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA.name} is not beside this repository")


def record(title: str = "Odd logon", time: str = "2026-05-01T10:00:00Z", **event: Any) -> Json:
    return {"@timestamp": time, "rule": {"title": title, "level": "high"}, "host": "srv", "event": {"EventData": event}}


def file_of(path: Path, *records: Json | str) -> Path:
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in records) + "\n")
    return path


def run(*files: Path | str, **options: Any) -> tuple[str, str]:
    """Return what an import without a bad line prints."""
    out, err = io.StringIO(), io.StringIO()
    call_command("import_detections", *(str(file) for file in files), stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def fails(*files: Path | str, **options: Any) -> tuple[str, str, CommandError]:
    """Return what an import prints that skips something, and the error that makes its exit status."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("import_detections", *(str(file) for file in files), stdout=out, stderr=err, **options)
    assert caught.value.returncode != 0
    return out.getvalue(), err.getvalue(), caught.value


def stored(index: str) -> dict[str, Json]:
    gateway().refresh(index)
    hits = gateway().search({"size": 1_000, "query": {"match_all": {}}}, index=index)["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


def incidents() -> dict[str, Json]:
    return stored(schema.incidents_alias())


@real
def test_158_detections_become_158_incidents_and_twice_adds_nothing(indices: None) -> None:
    out, _err = run(DATA)
    assert out.startswith("158 incidents imported, 0 were there already, 0 lines skipped.")
    first = incidents()
    assert len(first) == 158
    for line in DATA.read_bytes().splitlines():
        source = first[parse(line).id]
        given = json.loads(line)
        assert source["event"] == given["event"]
        assert source["@timestamp"] == given["@timestamp"]
        assert source["title"] == given["rule"]["title"]
        assert source["severity"] == given["rule"]["level"]
        assert source["additional_fields"]["rule"]["author"] == given["rule"]["author"]
    out, _err = run(DATA, DATA, rebase="now")
    assert out.startswith("0 incidents imported, 316 were there already, 0 lines skipped.")
    assert incidents() == first


@real
def test_rebased_they_lie_in_the_last_day_in_their_own_order(indices: None) -> None:
    before = time.time_ns() // 1_000_000
    run(DATA, rebase="now")
    originals = {(found := parse(line)).id: found.time_ms for line in DATA.read_bytes().splitlines()}
    times = {doc_id: ms(source["@timestamp"]) for doc_id, source in incidents().items()}
    assert before - 86_400_000 < min(times.values())
    assert max(times.values()) < time.time_ns() // 1_000_000
    assert sorted(times, key=times.__getitem__) == sorted(originals, key=originals.__getitem__)
    assert len(set(times.values())) == 158


def test_an_instant_to_rebase_to_may_be_named(indices: None, tmp_path: Path) -> None:
    path = file_of(tmp_path / "a.ndjson", record("late"), record("early", "2020-01-01T00:00:00Z"))
    run(path, rebase="2026-03-02T00:00:00Z")
    found = {source["title"]: source["@timestamp"] for source in incidents().values()}
    assert "2026-03-01" < found["early"] < found["late"] < "2026-03-02"


def test_each_has_one_history_entry_and_owes_none(indices: None, tmp_path: Path) -> None:
    path = file_of(tmp_path / "a.ndjson", record("a"), record("b"))
    run(path)
    run(path)
    entries = stored(schema.history_alias())
    assert sorted(entry["objectId"] for entry in entries.values()) == sorted(incidents())
    for doc_id, source in incidents().items():
        (entry,) = (entry for entry in entries.values() if entry["objectId"] == doc_id)
        assert (entry["type"], entry["user"], entry["rev"], entry["time"]) == (
            "create",
            "import",
            1,
            source["created_at"],
        )
        assert (source["rev"], source["pending"], source["has_pending"]) == (1, [], False)


def test_an_import_cut_off_before_the_history_leaves_it_with_the_incident(
    indices: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(Exception):
        pass

    def cut(self: importer.Import, made: Any) -> None:
        raise Cut

    monkeypatch.setattr(importer.Import, "_copy_history", cut)
    with pytest.raises(Cut):
        run(file_of(tmp_path / "a.ndjson", record()))
    (source,) = incidents().values()
    assert source["has_pending"] is True
    assert [entry["objectId"] for entry in source["pending"]] == list(incidents())
    assert stored(schema.history_alias()) == {}


def test_a_broken_line_is_named_by_file_and_number_and_the_others_are_imported(indices: None, tmp_path: Path) -> None:
    first = file_of(tmp_path / "one.ndjson", record("a"), "{broken", "", record("b"))
    second = file_of(tmp_path / "two.ndjson", record("c", level="x"), {"rule": {}}, record("d"))
    out, err, error = fails(first, second)
    assert out.startswith("4 incidents imported, 0 were there already, 2 lines skipped.")
    assert f"{first}:2: not JSON" in err
    assert f"{second}:2: event: missing" in err
    assert "2 lines could not be imported" in str(error)
    assert sorted(source["title"] for source in incidents().values()) == ["a", "b", "c", "d"]
    assert fails(first, second, rebase="now")[0].startswith("0 incidents imported, 4 were there already, 2 lines")


def test_a_line_that_opensearch_refuses_is_named_too(indices: None, tmp_path: Path) -> None:
    # Read as a time by us, but with a year that the index's date format does not take.
    path = file_of(tmp_path / "a.ndjson", record("a"), record("b", "1763900000000000"), record("c"))
    _out, err, _error = fails(path)
    assert f"{path}:2: " in err
    assert sorted(source["title"] for source in incidents().values()) == ["a", "c"]


def test_an_overlong_line_is_skipped_and_the_next_one_read(
    indices: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "MAX_LINE", 1_000)
    path = file_of(tmp_path / "a.ndjson", record("a"), record("b", CommandLine="x" * 5_000), record("c"))
    _out, err, _error = fails(path)
    assert f"{path}:2: longer than" in err
    assert sorted(source["title"] for source in incidents().values()) == ["a", "c"]


def test_compressed_files_are_read_and_a_cut_one_is_named(indices: None, tmp_path: Path) -> None:
    lines = "".join(json.dumps(record(f"t{number}", Image=str(number) * 50)) + "\n" for number in range(500))
    whole = gzip.compress(lines.encode())
    good, cut = tmp_path / "good.ndjson.gz", tmp_path / "cut.ndjson.gz"
    good.write_bytes(whole)
    cut.write_bytes(whole[: len(whole) // 2])
    assert run(good)[0].startswith("500 incidents imported")
    _out, err, _error = fails(cut)
    assert f"{cut}:" in err
    assert "cannot be read further" in err


def test_the_standard_input_is_read(indices: None, monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO((json.dumps(record("piped")) + "\n").encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    assert run("-", rebase="now")[0].startswith("1 incidents imported")
    assert [source["title"] for source in incidents().values()] == ["piped"]


def test_a_missing_file_is_said_before_anything_is_imported(indices: None, tmp_path: Path) -> None:
    good = file_of(tmp_path / "a.ndjson", record())
    _out, _err, error = fails(good, tmp_path / "missing.ndjson")
    assert "missing.ndjson: No such file" in str(error)
    assert incidents() == {}


def test_a_rebase_to_nonsense_is_refused(indices: None, tmp_path: Path) -> None:
    _out, _err, error = fails(file_of(tmp_path / "a.ndjson", record()), rebase="soon")
    assert "--rebase" in str(error)
    assert incidents() == {}


def ms(text: str) -> int:
    return parse_instant(text, now_ms=0, tz=UTC)
