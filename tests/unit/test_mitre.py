"""ATT&CK offline: what ids and tags mean, also those of earlier versions."""

import json
from pathlib import Path

import pytest

from imweb.incidents import mitre
from imweb.incidents.mitre import generate

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def test_describes_tactics_and_techniques_as_the_contract_shows() -> None:
    assert mitre.lookup(["T1059.001", "TA0002", "X1"]).as_json() == {
        "attack_version": "19",
        "tactics": [
            {
                "id": "TA0002",
                "shortname": "execution",
                "name": "Execution",
                "url": "https://attack.mitre.org/tactics/TA0002",
            }
        ],
        "techniques": [
            {
                "id": "T1059.001",
                "name": "PowerShell",
                "url": "https://attack.mitre.org/techniques/T1059/001",
                "tactics": ["TA0002"],
                "parent": "T1059",
            }
        ],
        "unknown": ["X1"],
    }


def test_ids_count_once_whatever_their_case() -> None:
    view = mitre.lookup(["t1190", "T1190", "ta0001", "initial-access", "G0010", "", "G0010"])
    assert [item.id for item in view.tactics] == ["TA0001"]
    assert [item.id for item in view.techniques] == ["T1190"]
    assert view.unknown == ("G0010", "")


def test_a_technique_without_its_tactic_brings_all_of_them_in_order() -> None:
    assert [item.id for item in mitre.lookup(["T1078"]).tactics] == ["TA0001", "TA0003", "TA0004", "TA0005"]
    assert [item.id for item in mitre.lookup(["T1078", "TA0003"]).tactics] == ["TA0003"]


@pytest.mark.parametrize(
    "name", ["TA0005", "stealth", "Stealth", "defense-evasion", "Defense Evasion", "defense_evasion"]
)
def test_the_old_tactic_name_is_the_one_that_kept_its_id(name: str) -> None:
    found = mitre.tactic(name)
    assert found is not None
    assert (found.id, found.name, found.former) == ("TA0005", "Stealth", ("Defense Evasion",))


def test_the_new_tactic_is_known() -> None:
    found = mitre.tactic("defense-impairment")
    assert found is not None
    assert (found.id, found.name) == ("TA0112", "Defense Impairment")


@pytest.mark.parametrize(
    ("old", "name", "successor", "tactics"),
    [
        ("T1086", "PowerShell", "T1059.001", ("TA0002",)),
        ("T1562.001", "Disable or Modify Tools", "T1685", ("TA0112",)),
        ("T1089", "Disabling Security Tools", "T1685", ("TA0112",)),
        ("T1562", "Impair Defenses", None, ("TA0112",)),
    ],
)
def test_retired_techniques_keep_their_names(old: str, name: str, successor: str | None, tactics: tuple) -> None:
    found = mitre.technique(old)
    assert found is not None
    assert (found.name, found.retired, found.replaced_by, found.tactics) == (name, True, successor, tactics)


def test_reads_sigma_tags() -> None:
    tags = ["attack.t1059.001", "attack.impact", "attack.Execution", "attack.defense-evasion", "attack.stealth"]
    ignored = [
        "attack.g0010",
        "attack.s0412",
        "cve.2025-55182",
        "detection.emerging-threats",
        "attack.",
        "",
        "attack.t1",
    ]
    assert mitre.ids_from_tags(tags + ignored) == ["TA0002", "TA0005", "TA0040", "T1059.001"]
    assert mitre.ids_from_tags(["attack.ta0005", "attack.defense_impairment", "attack.t9999"]) == [
        "TA0005",
        "TA0112",
        "T9999",
    ]


def test_the_matrix_holds_every_technique_in_force() -> None:
    columns = mitre.matrix()
    assert [column.tactic.shortname for column in columns] == generate.ORDER
    seen = {item.id for column in columns for row in column.rows for item in (row.technique, *row.subtechniques)}
    assert len(seen) == 697
    assert not any(row.technique.parent for column in columns for row in column.rows)
    execution = next(column for column in columns if column.tactic.id == "TA0002")
    assert [row.technique.name for row in execution.rows] == sorted(row.technique.name for row in execution.rows)
    interpreter = next(row for row in execution.rows if row.technique.id == "T1059")
    assert interpreter.subtechniques[0].id == "T1059.001"


def test_the_licence_goes_with_the_data() -> None:
    assert "reproduce MITRE's copyright designation" in mitre.licence()


def test_every_tag_of_the_real_detections_is_known() -> None:
    if not DATA.is_dir():
        pytest.skip("the customer's sample detections are not beside the repository")
    tags: set[str] = set()
    for line in (DATA / "detections.ndjson").read_text().splitlines():
        tags.update(json.loads(line)["rule"]["tags"])
    ids = mitre.ids_from_tags(tags)
    assert len(ids) > 50
    assert mitre.lookup(ids).unknown == ()
