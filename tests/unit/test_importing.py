"""From a line of detections to an incident: what is read, what is refused and how that is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imweb.demo.importing import BadLine, parse, source_of

Json = dict[str, Any]
DATA = Path(__file__).parents[3] / "shared/data/detections.ndjson"
RECORD: Json = {
    "@timestamp": "2026-07-23T03:55:41.558691Z",
    "rule": {
        "id": "r-1",
        "title": "Logon from nowhere",
        "level": "High",
        "description": "Somebody signs in.",
        "author": "Ada",
        "tags": ["attack.stealth", "attack.defense-evasion", "attack.t1059.001", "attack.g0010", "cve.2025-55182"],
    },
    "host": "srv-01.example.test",
    "channel": "Security",
    "event_id": 4624,
    "event": {
        "System": {"EventID": 4624},
        "EventData": {
            "SubjectDomainName": "CORP",
            "SubjectUserName": "anna",
            "TargetUserName": "-",
            "NewProcessName": "C:\\Windows\\System32\\cmd.exe",
            "ParentProcessName": "C:\\Windows\\explorer.exe",
            "ProcessId": 4711,
            "IpAddress": "::ffff:10.0.0.7",
            "IpPort": "-",
            "Hashes": "SHA1=AA11,MD5=BB22,IMPHASH=00000000",
            "TargetObject": "HKLM\\Run",
        },
    },
}


def line(**changes: Any) -> bytes:
    return json.dumps({**RECORD, **changes}).encode()


def test_an_incident_says_what_the_detection_says() -> None:
    found = parse(line())
    assert found.body == {
        "@timestamp": "2026-07-23T03:55:41.558691Z",
        "title": "Logon from nowhere",
        "description": "Somebody signs in.",
        "severity": "high",
        "status": "new",
        "workflow_id": "default",
        "rule": {"id": "r-1", "name": "Logon from nowhere"},
        "source": "Windows Security",
        "entities": {
            "host": "srv-01.example.test",
            "user": "CORP\\anna",
            "process": "cmd.exe",
            "parent_process": "explorer.exe",
            "process_id": "4711",
            "source_ip": "10.0.0.7",
            "ip": ["10.0.0.7"],
            "hash": ["aa11", "bb22"],
            "registry_key": "HKLM\\Run",
        },
        # ATT&CK 19 split Defense Evasion; the old name means the tactic that kept its id.
        "mitre": ["TA0005", "T1059.001"],
        "event": RECORD["event"],
        "additional_fields": {
            "rule": {"id": "r-1", "level": "High", "author": "Ada", "tags": RECORD["rule"]["tags"]},
            "channel": "Security",
            "event_id": 4624,
        },
    }
    assert found.time_ms == 1_784_778_941_558


def test_an_id_is_made_of_the_content() -> None:
    reordered = json.dumps(dict(reversed(RECORD.items())), indent=1).encode()
    assert parse(line()).id == parse(reordered).id == parse(b"\xef\xbb\xbf" + line()).id
    assert parse(line()).id != parse(line(host="srv-02")).id


def test_a_rule_without_level_makes_an_incident_without_severity() -> None:
    rule = {key: value for key, value in RECORD["rule"].items() if key != "level"}
    assert "severity" not in parse(line(rule=rule)).body


@pytest.mark.parametrize(
    ("channel", "source"),
    [
        ("Microsoft-Windows-Sysmon/Operational", "Sysmon"),
        ("Microsoft-Windows-Windows Defender/Operational", "Windows Defender"),
        ("Security", "Windows Security"),
        ("", ""),
    ],
)
def test_a_source_is_named_as_analysts_name_it(channel: str, source: str) -> None:
    assert source_of(channel) == source


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{"a": NaN}', "NaN is no number"),
        (b"\xff", "byte 1 is not UTF-8"),
        (b"[" * 100_000, "not readable"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "not readable"),
        (line(title="\ud800"), "half a surrogate"),
        (line(rule=None), "rule: missing"),
        (line(rule=[]), "rule: not an object"),
        (line(rule={}), "rule.title: missing"),
        (line(rule={"title": " "}), "rule.title: empty"),
        (line(rule={"title": 7}), "rule.title: not a text"),
        (line(rule={"title": "x", "level": "urgent"}), 'rule.level: "urgent" is none of informational, low'),
        (line(rule={"title": "x", "tags": "attack.execution"}), "rule.tags: not a list"),
        (line(event=None), "event: missing"),
        (line(event="text"), "event: not an object"),
        (line(**{"@timestamp": None}), "@timestamp: empty"),
        (line(**{"@timestamp": 5}), "@timestamp: not a text"),
        (line(**{"@timestamp": "yesterday"}), '@timestamp: "yesterday" is no time'),
        (line(**{"@timestamp": "now-1d"}), "relative"),
        (line(**{"@timestamp": "2026-01-01||+1d"}), "relative"),
    ],
)
def test_a_bad_line_says_what_is_wrong(content: bytes, reason: str) -> None:
    with pytest.raises(BadLine) as caught:
        parse(content)
    assert reason in caught.value.reason


def test_odd_event_data_do_no_harm() -> None:
    for data in (None, [], "x", {"User": None, "Hashes": 5, "IpAddress": "LOCAL", "Image": True, "CommandLine": []}):
        assert parse(line(event={"EventData": data})).body["entities"] == {"host": "srv-01.example.test"}


def test_every_real_detection_can_be_read() -> None:
    if not DATA.exists():
        pytest.skip(f"{DATA.name} is not beside this repository")
    found = [parse(content) for content in DATA.read_bytes().splitlines()]
    assert len({one.id for one in found}) == 158
    assert all(one.body["mitre"] and one.body["severity"] and one.body["entities"]["host"] for one in found)
