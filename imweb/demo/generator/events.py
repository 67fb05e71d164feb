"""From a filled activity to entities and the raw event, in the shape that its source would send."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from .values import Scene

Json = dict[str, Any]
COMPANY = "corp.example.com"
PARENT_LINES = {
    "explorer.exe": r"C:\Windows\Explorer.EXE",
    "cmd.exe": r"cmd.exe /c run.bat",
    "powershell.exe": r"powershell.exe -NoProfile -ExecutionPolicy Bypass",
    "svchost.exe": r"C:\Windows\system32\svchost.exe -k netsvcs -p -s Schedule",
    "services.exe": r"C:\Windows\system32\services.exe",
    "wmiprvse.exe": r"C:\Windows\system32\wbem\wmiprvse.exe -secured -Embedding",
    "bash": "-bash",
    "sh": "sh -c ./run.sh",
}
EVENT_IDS = {"process": 1, "file": 11, "registry": 13, "pipe": 17, "service": 4697, "logon": 4624}


@lru_cache(maxsize=4096)
def digest(program: str) -> str:
    """Return the SHA-256 that a program always has here."""
    return hashlib.sha256(program.encode()).hexdigest()


def account(scene: Scene) -> str:
    """Return the account as the host's system writes it."""
    if scene.user in ("SYSTEM", "root") or scene.host.kind in ("linux", "mac", "dmz"):
        return scene.user
    return f"CORP\\{scene.user}"


def host_event(scene: Scene, seen: Json, time: str) -> tuple[Json, Json]:
    """What happened on a Windows host, a Linux server or a Mac."""
    user = account(scene)
    entities: Json = {"host": scene.host.name, "user": user, "ip": scene.host.ip}
    for name in ("process", "parent_process", "command_line", "file", "registry_key", "service", "pipe"):
        if name in seen:
            entities[name] = seen[name]
    if "process" in seen:
        entities["hash"] = digest(seen["process"])
    if parent := PARENT_LINES.get(seen.get("parent_process", "")):
        entities["parent_command_line"] = parent
    if scene.host.kind in ("linux", "dmz"):
        return entities, _audit(scene, seen, entities, time)
    data: Json = {"UtcTime": time, "ProcessId": int(scene.rng.random() * 9_000) * 4 + 400, "User": user}
    for name, key in _DATA:
        if name in entities:
            data[key] = entities[name]
    if "details" in seen:
        data["Details"] = seen["details"]
    if "hash" in entities:
        data["Hashes"] = "SHA256=" + entities["hash"]
    system = {
        "Provider": scene.rule.source,
        "EventID": EVENT_IDS.get(scene.rule.kind, 1),
        "TimeCreated": time,
        "EventRecordID": int(scene.rng.random() * 10_000_000),
        "Computer": f"{scene.host.name}.{COMPANY}",
    }
    return entities, {"System": system, "EventData": data}


_DATA = (
    ("process", "Image"),
    ("command_line", "CommandLine"),
    ("parent_process", "ParentImage"),
    ("parent_command_line", "ParentCommandLine"),
    ("file", "TargetFilename"),
    ("registry_key", "TargetObject"),
    ("service", "ServiceName"),
    ("pipe", "PipeName"),
)


def _audit(scene: Scene, seen: Json, entities: Json, time: str) -> Json:
    return {
        "time": time,
        "type": "EXECVE" if "command_line" in seen else "PATH",
        "node": scene.host.name,
        "auid": entities["user"],
        "uid": 0 if scene.user == "root" else 1001,
        "exe": seen.get("process", ""),
        "cmdline": seen.get("command_line", ""),
        "path": seen.get("file", ""),
        "ppid": int(scene.rng.random() * 60_000),
        "success": True,
    }


def logon_event(scene: Scene, seen: Json, time: str) -> tuple[Json, Json]:
    """A sign-in or a change of an account on Windows."""
    user = account(scene)
    source = scene.outside if scene.rng.random() < 0.1 else scene.host.ip
    entities = {"host": scene.host.name, "user": user, "ip": source, "source_ip": source, "domain": COMPANY}
    data = {
        "TargetUserName": scene.user,
        "TargetDomainName": "CORP",
        "LogonType": int(seen["logon_type"]),
        "Status": seen["status"],
        "IpAddress": source,
        "IpPort": 49_152 + int(scene.rng.random() * 16_000),
    }
    system = {"Provider": "Windows Security", "EventID": 4624, "TimeCreated": time, "Computer": scene.host.name}
    return entities, {"System": system, "EventData": data}


def ssh_event(scene: Scene, seen: Json, time: str) -> tuple[Json, Json]:
    """A sign-in over SSH."""
    source = scene.outside
    entities = {"host": scene.host.name, "user": scene.user, "ip": [source, scene.host.ip], "source_ip": source}
    entities |= {"destination_ip": scene.host.ip, "process": "sshd", "port": "22"}
    line = f"Failed password for {scene.user} from {source} port {40_000 + int(scene.rng.random() * 20_000)} ssh2"
    return entities, {"time": time, "node": scene.host.name, "program": "sshd", "message": line}


def network_event(scene: Scene, seen: Json, time: str) -> tuple[Json, Json]:
    """An alert on traffic: from outside to a host of the outer zone, else from the host to the outside."""
    inward = scene.host.kind == "dmz"
    source, target = (scene.outside, scene.host.ip) if inward else (scene.host.ip, scene.outside)
    port = seen.get("port", "443")
    entities: Json = {"host": scene.host.name, "ip": [source, target], "source_ip": source, "destination_ip": target}
    entities["port"] = port
    for name in ("domain", "url"):
        if name in seen:
            entities[name] = seen[name]
    event = {
        "timestamp": time,
        "flow_id": int(scene.rng.random() * 10**15),
        "event_type": "alert",
        "src_ip": source,
        "src_port": 49_152 + int(scene.rng.random() * 16_000),
        "dest_ip": target,
        "dest_port": int(port),
        "proto": "TCP",
        "app_proto": seen.get("app", ""),
        "bytes": int(scene.rng.random() * 200_000),
        "alert": {"signature": scene.rule.title, "signature_id": 2_000_000 + len(scene.rule.title)},
    }
    if "url" in seen:
        event["http"] = {"url": seen["url"]}
    return entities, event


def dns_event(scene: Scene, seen: Json, time: str) -> tuple[Json, Json]:
    """A name that was looked up."""
    entities = {"host": scene.host.name, "ip": scene.host.ip, "source_ip": scene.host.ip, "domain": seen["domain"]}
    event = {"time": time, "client": scene.host.ip, "query": seen["domain"], "type": "A", "rcode": "NOERROR"}
    return entities, event


def web_event(scene: Scene, seen: Json, time: str) -> tuple[Json, Json]:
    """A request that passed the web proxy."""
    user = account(scene)
    entities = {"host": scene.host.name, "user": user, "ip": [scene.host.ip, scene.outside], "source_ip": scene.host.ip}
    entities |= {"url": seen["url"], "domain": seen["domain"]}
    event = {
        "time": time,
        "client": scene.host.ip,
        "user": user,
        "method": "GET",
        "url": seen["url"],
        "status": 200,
        "bytes": int(scene.rng.random() * 5_000_000),
        "agent": seen.get("agent", "Mozilla/5.0"),
    }
    return entities, event


def cloud_event(scene: Scene, seen: Json, time: str) -> tuple[Json, Json]:
    """A call in a cloud account."""
    mail = f"{scene.user}@example.com"
    number = f"{4_000_000_000 + len(scene.domain) * 1_111}"
    entities = {
        "user": scene.user,
        "email": mail,
        "ip": scene.outside,
        "source_ip": scene.outside,
        "cloud_account": number,
    }
    event = {
        "eventTime": time,
        "eventName": seen["action"],
        "awsRegion": "eu-central-1",
        "sourceIPAddress": scene.outside,
        "userIdentity": {"type": "AssumedRole", "principal": mail, "accountId": number},
        "resources": [seen["resource"]],
    }
    return entities, event


def identity_event(scene: Scene, seen: Json, time: str) -> tuple[Json, Json]:
    """Something at the identity provider."""
    mail = f"{scene.user}@example.com"
    entities = {"user": scene.user, "email": mail, "ip": scene.outside, "source_ip": scene.outside}
    entities |= {"device": scene.host.name}
    event = {
        "time": time,
        "action": seen["action"],
        "user": mail,
        "application": seen["app"],
        "ip": scene.outside,
        "device": scene.host.name,
        "risk": scene.rule.level,
    }
    return entities, event


def mail_event(scene: Scene, seen: Json, time: str) -> tuple[Json, Json]:
    """A mail that the gateway had something to say about."""
    sender, mailbox = f"office@{scene.domain}", f"{scene.user}@example.com"
    entities: Json = {
        "user": scene.user,
        "email": sender,
        "mailbox": mailbox,
        "domain": scene.domain,
        "ip": scene.outside,
    }
    for name in ("file", "url"):
        if name in seen:
            entities[name] = seen[name]
    if "file" in seen:
        entities["hash"] = digest(seen["file"])
    event = {
        "time": time,
        "from": sender,
        "to": [mailbox],
        "subject": seen["subject"],
        "client": scene.outside,
        "attachment": seen.get("file", ""),
        "links": [seen["url"]] if "url" in seen else [],
        "verdict": "suspicious",
    }
    return entities, event


SHAPES: dict[str, Callable[[Scene, Json, str], tuple[Json, Json]]] = {
    **dict.fromkeys(("process", "registry", "file", "service", "pipe"), host_event),
    "logon": logon_event,
    "ssh": ssh_event,
    "network": network_event,
    "dns": dns_event,
    "web": web_event,
    "cloud": cloud_event,
    "identity": identity_event,
    "mail": mail_event,
}
