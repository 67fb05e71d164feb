"""From a line of detections (a Windows event and the Sigma rule that fired on it) to an incident."""

from __future__ import annotations

import ipaddress
import json
import ntpath
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, NoReturn

from imweb.incidents.mitre import ids_from_tags
from imweb.incidents.times import BadInstant, is_relative, parse_instant

Json = dict[str, Any]
NAMESPACE = uuid.UUID("0d4a4f0e-6d0b-5a53-9a0a-6a2f7c1b0c55")
LEVELS = ("informational", "low", "medium", "high", "critical")
# What an event says when it has nothing to say.
_NOTHING = frozenset({"", "-", "?", "::", "0.0.0.0", "(null)", "<unknown process>"})  # noqa: S104 - a value, no address
# Entity ← fields of the event's data, the first that says something counts.
_PLAIN = {
    "command_line": ("CommandLine", "ProcessCommandLine"),
    "parent_command_line": ("ParentCommandLine",),
    "file": ("TargetFilename", "ImageLoaded", "RelativeTargetName", "ObjectName"),
    "registry_key": ("TargetObject",),
    "service": ("ServiceName",),
    "pipe": ("PipeName",),
    "domain": ("QueryName", "DestinationHostname"),
    "port": ("DestinationPort", "IpPort"),
    "process_id": ("ProcessId", "SourceProcessId", "ClientProcessId"),
}
# Programs by their names: two hosts rarely keep them in the same folder. The whole path stays in the event.
_PROGRAMS = {
    "process": ("Image", "NewProcessName", "SourceImage", "ProcessName"),
    "parent_process": ("ParentImage", "ParentProcessName"),
}
_ADDRESSES = {"source_ip": ("SourceIp", "IpAddress", "ClientAddress"), "destination_ip": ("DestinationIp",)}
_ACCOUNTS = {
    "user": (("", "User"), ("", "SourceUser"), ("SubjectDomainName", "SubjectUserName")),
    "target_user": (("", "TargetUser"), ("TargetDomainName", "TargetUserName")),
}


class BadLine(Exception):
    """The line is no detection; `reason` says why, to be read after the file's name and the line's number."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Detection:
    """A readable line: the incident's id, made of the line's content, its time, and its fields."""

    id: str
    time_ms: int
    body: Json


def parse(line: bytes) -> Detection:
    """Read a line; raises `BadLine`."""
    record = _record(line)
    rule, event = _object(record, "rule"), _object(record, "event")
    title = _text(rule, "title", "rule.title")
    stamp = _text(record, "@timestamp", "@timestamp")
    try:
        time_ms = parse_instant(stamp, now_ms=0, tz=UTC)
    except BadInstant:
        raise BadLine(f"@timestamp: {_short(stamp)} is no time") from None
    if is_relative(stamp) or "||" in stamp:
        raise BadLine(f"@timestamp: {_short(stamp)} is relative; an event's time is absolute")
    body: Json = {
        "@timestamp": stamp,
        "title": title,
        "description": _optional(rule, "description", "rule.description"),
        "severity": _level(rule),
        "status": "new",
        "workflow_id": "default",
        "rule": {"id": _optional(rule, "id", "rule.id"), "name": title},
        "source": source_of(_optional(record, "channel", "channel")),
        "entities": entities(record, _data(event)),
        "mitre": ids_from_tags(_tags(rule)),
        "event": event,
        "additional_fields": {
            "rule": {name: value for name, value in rule.items() if name not in ("title", "description")},
            **{name: record[name] for name in ("channel", "event_id") if name in record},
        },
    }
    # The same line, its keys in whatever order, is the same incident.
    content = json.dumps(record, sort_keys=True, separators=(",", ":"))
    body = {name: value for name, value in body.items() if value not in (None, "", {})}
    body["rule"] = {name: value for name, value in body["rule"].items() if value}
    return Detection(f"i{uuid.uuid5(NAMESPACE, content)}", time_ms, body)


def entities(record: Mapping[str, Any], data: Mapping[str, Any]) -> Json:
    """Return who and what took part: host, accounts, programs, files, hashes, addresses."""
    found: Json = {}
    if host := _said(record.get("host")):
        found["host"] = host
    for name, keys in _PLAIN.items():
        if value := _first(data, keys):
            found[name] = value
    for name, keys in _PROGRAMS.items():
        if value := _first(data, keys):
            found[name] = ntpath.basename(value) or value
    for name, pairs in _ACCOUNTS.items():
        for domain, account in pairs:
            if value := _said(data.get(account)):
                prefix = _said(data.get(domain)) if domain else None
                found[name] = f"{prefix}\\{value}" if prefix else value
                break
    for name, keys in _ADDRESSES.items():
        if (value := _first(data, keys)) and (address := _address(value)):
            found[name] = address
    if addresses := list(dict.fromkeys(found[name] for name in _ADDRESSES if name in found)):
        found["ip"] = addresses
    if hashes := _hashes(data.get("Hashes") or data.get("Hash")):
        found["hash"] = hashes
    return found


def source_of(channel: str) -> str:
    """Return what an analyst calls the channel of an event log."""
    name = channel.removeprefix("Microsoft-Windows-").partition("/")[0]
    return f"Windows {name}" if name in ("Security", "System", "Application") else name


def _record(line: bytes) -> Json:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadLine(f"byte {error.start + 1} is not UTF-8") from None
    try:
        record = json.loads(text.removeprefix("\ufeff"), parse_constant=_not_a_number)
    except json.JSONDecodeError as error:
        raise BadLine(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except (RecursionError, ValueError) as error:
        raise BadLine(f"not readable: {error}") from None
    if not isinstance(record, dict):
        raise BadLine("not a JSON object")
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadLine("it holds half a surrogate pair, which is no text") from None
    return record


def _not_a_number(name: str) -> NoReturn:
    raise BadLine(f"not JSON: {name} is no number of JSON's")


def _object(record: Mapping[str, Any], name: str) -> Json:
    value = record.get(name)
    if not isinstance(value, dict):
        raise BadLine(f"{name}: {'missing' if value is None else 'not an object'}")
    return value


def _text(record: Mapping[str, Any], name: str, path: str) -> str:
    value = _optional(record, name, path)
    if not value.strip():
        raise BadLine(f"{path}: {'missing' if name not in record else 'empty'}")
    return value


def _optional(record: Mapping[str, Any], name: str, path: str) -> str:
    value = record.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadLine(f"{path}: not a text")
    return value


def _level(rule: Mapping[str, Any]) -> str:
    level = _optional(rule, "level", "rule.level").lower()
    # Sigma lets a rule go without a level; the incident then has no severity, which the console shows as such.
    if level and level not in LEVELS:
        raise BadLine(f"rule.level: {_short(level)} is none of {', '.join(LEVELS)}")
    return level


def _tags(rule: Mapping[str, Any]) -> list[str]:
    tags = rule.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise BadLine("rule.tags: not a list of texts")
    return tags


def _data(event: Mapping[str, Any]) -> Json:
    """Return what an event says in its data, in whichever of the two places its provider puts it."""
    for name in ("EventData", "UserData"):
        value = event.get(name)
        if isinstance(value, dict) and value:
            return value
    return {}


def _said(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return None if text.lower() in _NOTHING else text


def _first(data: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    return next((value for key in keys if (value := _said(data.get(key)))), None)


def _address(value: str) -> str | None:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _hashes(value: Any) -> list[str]:
    """Return the digests of `SHA1=…,MD5=…,IMPHASH=…`, in the order given, in lower case as they are searched for."""
    if not isinstance(value, str):
        return []
    digests = (part.rpartition("=")[2].strip().lower() for part in value.split(","))
    return list(dict.fromkeys(digest for digest in digests if digest.strip("0-")))


def _short(text: str) -> str:
    return json.dumps(text if len(text) <= 40 else f"{text[:40]}…", ensure_ascii=False)
