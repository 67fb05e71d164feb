"""Configuration as a file: exported, imported into an empty installation, exported again; faults change nothing."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from imweb.accounts.models import Role, User
from imweb.accounts.permissions import ALL
from imweb.accounts.setup import ensure_roles
from imweb.configuration import document, store
from imweb.configuration.models import Change, Entry
from imweb.configuration.sections import sections
from imweb.grouping.rules import RULES
from imweb.incidents import custom_fields, registry
from imweb.incidents.models import CustomField
from imweb.incidents.severities import SEVERITIES
from imweb.notifications.rules import RULES as NOTIFICATIONS
from imweb.opensearch.node import free_port
from imweb.settings import BASE_DIR
from imweb.web.models import SavedView
from tests.integration.pits_ground import servers
from tests.settings import RUN_ID

pytestmark = [pytest.mark.django_db, pytest.mark.relational, pytest.mark.usefixtures("indices")]
SCHEMA = Path(__file__).parents[2] / "docs/config.schema.json"
FILE = """version: 1
custom_fields:
  - name: coded_site
    label: Site
    type: select
    options: [Oslo, Lima, no]
severities:
  - {name: low, label: Low, rank: 1, color: "#4a86bd", color_dark: "#74a9de"}
  - {name: high, label: High, rank: 2, color: "#e0662c", color_dark: "#ef8a4b", default: true}
grouping_rules:
  - name: by-host
    title: "{comparison.entities.host}"
    filter: severity:high
    comparison: [entities.host]
"""
# One object at least of every section, with what refers to what else the file brings.
WHOLE = (
    FILE
    + """access_fields:
  - name: source
roles:
  - {name: admin, label: Administrator, permissions: [EVERYTHING]}
  - {name: north, label: North, permissions: [incident.view], row_filter: "source:EDR"}
links:
  - name: discover
    title: Discover ± 15 min
    url: https://discover.example/app#/?from={from}&to={to}&q={rison_value}
    entities: [host, user]
incident_types:
  - {name: phish, title: Phishing, severity: high, fields: [{name: coded_site}]}
notifications:
  - name: soar
    title: To the SOAR
    filter: coded_site:Oslo severity:high
    events: [new_incident, new_group, status]
    channel: webhook
    url: https://soar.example/hook
    secret_env: IM_NOTIFY_SECRET_SOAR
  - {name: north, title: The north, events: [mention, assignment], channel: email, roles: [north], digest_minutes: 60}
views:
  - {name: Oslo today, query: "q=severity%3Ahigh&coded_site=Oslo"}
  - {name: Weeks, query: start=now-14d&sort=severity%3Adesc&group_by=source}
"""
).replace("EVERYTHING", ", ".join(sorted(ALL)))


@pytest.fixture(autouse=True)
def roles() -> None:
    """The ready roles, as bootstrap makes them."""
    ensure_roles()
    registry.forget()
    store.forget()


def export() -> str:
    out = io.StringIO()
    call_command("export_config", stdout=out)
    return out.getvalue()


def bring(tmp_path: Path, text: str | bytes, *options: str) -> tuple[str, str]:
    """Import a text; return what was said, and the faults or warnings."""
    file = tmp_path / "config.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    out, err = io.StringIO(), io.StringIO()
    call_command("import_config", str(file), *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue().replace(str(file), "FILE")


def refused(tmp_path: Path, text: str | bytes) -> list[str]:
    """Import a text that must be refused; return its faults. Nothing may have changed."""
    file = tmp_path / "config.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    before, err = (export(), Change.objects.count()), io.StringIO()
    with pytest.raises(CommandError, match=r"nothing was changed|Nothing was changed"):
        call_command("import_config", str(file), stdout=io.StringIO(), stderr=err)
    assert (export(), Change.objects.count()) == before
    return err.getvalue().replace(f"{file}:", "").splitlines()


def make_empty() -> None:
    for kind in (Entry, Change, CustomField, Role, SavedView):
        kind.objects.all().delete()
    ensure_roles()
    store.forget()
    registry.forget()


def test_exported_imported_into_an_empty_one_and_exported_again_it_is_the_same(tmp_path: Path) -> None:
    bring(tmp_path, FILE)
    Role.objects.create(name="tier1", label="Tier 1", permissions=["incident.view"])
    first = export()
    make_empty()
    assert export() != first
    bring(tmp_path, first)
    assert export() == first
    assert custom_fields.get("coded_site").value.options == ("Oslo", "Lima", "no")
    assert [rule.name for rule in store.values(RULES)] == ["by-host"]


def test_every_section_survives_the_way_into_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IM_NOTIFY_SECRET_SOAR", "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ=")
    bring(tmp_path, WHOLE)
    first = export()
    content = yaml.safe_load(first)
    assert [section.key for section in sections() if not content[section.key]] == []
    make_empty()
    bring(tmp_path, first)
    assert export() == first
    assert "nothing to change" in bring(tmp_path, first)[0]
    assert [rule.name for rule in store.values(NOTIFICATIONS)] == ["soar", "north"]
    assert [(view.owner, view.name, view.shared) for view in SavedView.objects.all()] == [
        (None, "Oslo today", True),
        (None, "Weeks", True),
    ]
    # The variable's name is all that is kept of a secret.
    assert "c2VjcmV0" not in first
    assert "secret_env: IM_NOTIFY_SECRET_SOAR" in first


def test_another_installation_exports_the_same_bytes(tmp_path: Path) -> None:
    """With a database, indices and processes of its own, and nobody in it."""
    bring(tmp_path, WHOLE)
    first = export()
    (tmp_path / "first.yaml").write_text(first)
    (tmp_path / "data").mkdir()
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'other.sqlite3'}",
        "IM_INDEX_PREFIX": f"{RUN_ID}-other",
        "IM_REDIS_PREFIX": f"{RUN_ID}-other",
        "IM_DATA_DIR": str(tmp_path / "data"),
        "DJANGO_SETTINGS_MODULE": "imweb.settings",
    }

    def manage(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=BASE_DIR, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    manage("migrate", "-v0")
    manage("bootstrap")
    assert "+ soar" in manage("import_config", str(tmp_path / "first.yaml"))
    assert manage("export_config") == first


def test_shared_views_of_users_go_along_and_stay_theirs(
    tmp_path: Path, lead: User, administrator: User, client: Any
) -> None:
    for owner in (lead, administrator):
        SavedView.objects.create(owner=owner, name="Night", query="severity=high", shared=True)
    SavedView.objects.create(owner=lead, name="Mine", query="severity=low")
    first = export()
    assert first.endswith(
        "views:\n  - name: Night\n    query: severity=high\n  - name: Night (admin)\n    query: severity=high\n"
    )
    bring(tmp_path, first.replace("name: Night\n    query: severity=high", "name: Night\n    query: severity=low"))
    assert [(v.name, v.owner, v.query, v.shared) for v in SavedView.objects.order_by("id")] == [
        ("Night", lead, "severity=low", True),
        ("Night", administrator, "severity=high", True),
        ("Mine", lead, "severity=low", False),
    ]
    # What a file leaves out is shared no more; it is not taken from its owner.
    bring(tmp_path, "version: 1\nviews:\n  - {name: For all, query: severity=high}\n")
    assert sorted((v.name, v.shared, v.owner is None) for v in SavedView.objects.all()) == [
        ("For all", True, True),
        ("Mine", False, False),
        ("Night", False, False),
        ("Night", False, False),
    ]
    # Nobody's: everybody opens it, an administrator alone deletes it.
    view = SavedView.objects.get(owner=None)
    client.force_login(lead)
    assert "the configuration" in client.get("/views/").content.decode()
    assert client.post(f"/views/{view.pk}", {"action": "pin"}).status_code == 303
    for action in ("delete", "unshare"):
        assert client.post(f"/views/{view.pk}", {"action": action}).status_code == 403
    client.force_login(administrator)
    assert client.post(f"/views/{view.pk}", {"action": "delete"}).status_code == 303
    assert not SavedView.objects.filter(pk=view.pk).exists()


def test_faults_of_views_and_notifications_are_named_with_their_lines(tmp_path: Path) -> None:
    text = WHOLE.replace("coded_site=Oslo", "coded_town=Oslo").replace("coded_site:Oslo", "coded_town:Oslo")
    text = text.replace("roles: [north]", "roles: [south]").replace("group_by=source", "rs=0123&group_by=source")
    faults = refused(tmp_path, text)
    lines = text.splitlines()

    def line(part: str) -> int:
        return next(number for number, content in enumerate(lines, 1) if part in content)

    assert [fault.partition(":")[0] for fault in faults] == [
        str(line(part)) for part in ("coded_town:Oslo", "roles: [south]", "coded_town=Oslo", "rs=0123")
    ]
    assert "notifications.north.roles: there is no role “south”" in faults[1]
    assert "views.Oslo today.query: " in faults[2]
    assert "coded_town" in faults[2]
    assert "is to be written as 'start=now-14d&sort=severity%3Adesc&group_by=source'" in faults[3]


def test_users_that_are_not_there_yet_are_a_warning(tmp_path: Path) -> None:
    rule = "{name: a, title: A, events: [mention], channel: console, users: [lead, nobody]}"
    User.objects.create_user("lead", "", "lead-password")
    _said, warnings = bring(tmp_path, f"version: 1\nnotifications:\n  - {rule}\n")
    assert warnings == "warning: notification rules name users who may not sign in here: nobody\n"
    assert [rule.name for rule in store.values(NOTIFICATIONS)] == ["a"]


def test_a_dry_run_says_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    before = (export(), Change.objects.count())
    said, _warnings = bring(tmp_path, FILE, "--dry-run")
    assert "+ coded_site" in said
    assert "- critical" in said
    assert "~ high" in said
    assert "Nothing was changed (dry run)." in said
    assert (export(), Change.objects.count()) == before


def test_a_dry_run_does_not_touch_opensearch(tmp_path: Path, settings: Any) -> None:
    text = "version: 1\naccess_fields:\n  - {name: source}\n"
    with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        said, _warnings = bring(tmp_path, text, "--dry-run")
        assert "+ source" in said
        # Declaring one for real takes old marks away first, so it waits for OpenSearch.
        (fault,) = refused(tmp_path, text)
    assert fault.startswith("3: access_fields.source: OpenSearch cannot be reached")


def test_a_section_that_is_left_out_stays_as_it_is(tmp_path: Path) -> None:
    levels = [level.name for level in store.values(SEVERITIES)]
    bring(tmp_path, "version: 1\ncustom_fields:\n  - {name: coded_team, label: Team, type: text}\n")
    assert [level.name for level in store.values(SEVERITIES)] == levels
    assert custom_fields.get("coded_team")


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    bring(tmp_path, FILE)
    count = Change.objects.count()
    assert "nothing to change" in bring(tmp_path, FILE)[0]
    assert Change.objects.count() == count


def test_the_record_of_changes_names_the_command(tmp_path: Path) -> None:
    bring(tmp_path, FILE)
    assert set(Change.objects.values_list("by", flat=True)) == {"manage.py import_config"}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("version: 1\nseverity: []\n", ["2: severity: there is no such section; did you mean 'severities'?"]),
        ("custom_fields: []\n", ["1: version is missing; this program reads version 1"]),
        ("version: 2\n", ["1: version: this program reads version 1"]),
        ("- a\n", ["1: a configuration file is a mapping of sections"]),
        ("", ["1: a configuration file is a mapping of sections"]),
        ("version: 1\nroles: 5\n", ["2: roles: a section is a list; write [] for one without objects"]),
        ("version: 1\nversion: 1\n", ["2: version: stands twice, first in line 1"]),
        ("version: 1\nroles: &a []\nworkflows: *a\n", ["3: anchors and aliases (& and *) are not read; write it out"]),
    ],
)
def test_a_fault_of_form_is_named_with_its_line(tmp_path: Path, text: str, faults: list[str]) -> None:
    assert refused(tmp_path, text) == faults


def test_every_fault_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    text = (
        FILE.replace("type: select", "typ: select").replace("rank: 1,", "rank: one,").replace("severity:high", "sev:(")
    )
    faults = refused(tmp_path, text + "roles:\n  - {name: x, label: X, permissions: [incident.vew]}\n")
    lines = [fault.partition(":")[0] for fault in faults]
    assert lines == sorted(lines, key=int)
    said = "\n".join(faults)
    assert "did you mean 'type'?" in said
    assert "severities.low.rank" in said
    assert "did you mean 'incident.view'?" in said


def test_what_would_lock_everybody_out_is_refused(tmp_path: Path, administrator: User) -> None:
    faults = refused(tmp_path, "version: 1\nroles:\n  - {name: analyst, label: A, permissions: [incident.view]}\n")
    assert any("admin" in fault or "manage users" in fault for fault in faults), faults


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"version: 1\n\x00", b"a: [1\n", b"!!python/object:os.system x\n"])
def test_what_is_no_configuration_is_refused_and_runs_nothing(tmp_path: Path, raw: bytes) -> None:
    assert refused(tmp_path, raw)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_config", str(tmp_path / "none.yaml"))


def test_while_opensearch_is_away_it_is_kept_with_a_warning(tmp_path: Path, settings: Any) -> None:
    text = "version: 1\ncustom_fields:\n  - {name: coded_later, label: Later, type: number}\n"
    with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
        said, warnings = bring(tmp_path, text)
    assert "In force." in said
    assert "warning" in warnings
    assert not CustomField.objects.get(name="coded_later").mapped


def test_the_published_schema_is_the_programs() -> None:
    """Made by `manage.py export_config --schema docs/config.schema.json`."""
    assert json.loads(SCHEMA.read_text()) == document.json_schema()


def test_the_sections_are_all_that_administrators_shape() -> None:
    assert {section.key for section in sections()} == {
        "custom_fields",
        "severities",
        "workflows",
        "access_fields",
        "roles",
        "grouping_rules",
        "incident_types",
        "links",
        "notifications",
        "views",
    }
