"""The list as a file: every row of the frozen set once, nothing that a spreadsheet runs, times in the user's zone."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from django.test import Client

from imweb.accounts.models import Role, User
from imweb.incidents.pits import ledger, result_sets
from tests import stored
from tests.stored import at

LIST = "start=2025-11-01&end=2025-12-31&mode=incidents"


@pytest.fixture
def client(analyst: User) -> Client:
    User.objects.filter(pk=analyst.pk).update(time_zone="Europe/Warsaw")
    client = Client()
    client.force_login(analyst)
    return client


def _download(client: Client, query: str) -> bytes:
    answer = client.get(f"/incidents/export?{query}")
    assert answer.status_code == 200
    assert re.search(r'attachment; filename="incidents-[\d-]+\.(csv|ndjson)"', answer["Content-Disposition"])
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_every_row_of_the_frozen_list_leaves_once_and_no_later_one(client: Client, indices: None) -> None:
    stored.incidents({f"i{n}": {"@timestamp": at(-n), "title": f"T {n}", "severity": "low"} for n in range(2_300)})
    page = client.get(f"/incidents/?{LIST}").content.decode()
    rs = re.findall(r'data-rs="([^"]+)"', page)[0]
    stored.incidents({"later": {"@timestamp": at(1), "title": "later", "severity": "low"}})
    lines = _download(client, f"{LIST}&rs={rs}&format=ndjson").decode().splitlines()
    ids = [json.loads(line)["_meta"]["id"] for line in lines]
    assert ids == [f"i{n}" for n in range(2_300)]
    rows = list(csv.DictReader(io.StringIO(_download(client, f"{LIST}&rs={rs}&format=csv").decode("utf-8-sig"))))
    assert [row["id"] for row in rows] == ids


def test_formulas_are_defused_and_times_stand_in_the_users_zone(client: Client, indices: None) -> None:
    titles = ['=cmd|"/c calc"!A1', "+1", "-1", "@SUM(A1)", " =1", 'plain, with "quotes"\nand a line', "zażółć"]
    stored.incidents(
        {
            f"i{n}": {"@timestamp": at(-n), "title": title, "severity": "low", "entities": {"host": ["=A", "b"]}}
            for n, title in enumerate(titles)
        }
    )
    rows = list(csv.DictReader(io.StringIO(_download(client, f"{LIST}&format=csv").decode("utf-8-sig"))))
    assert [row["title"] for row in rows] == [f"'{title}" for title in titles[:5]] + titles[5:]
    assert rows[0]["entities.host"] == "'=A; b"
    assert rows[0]["@timestamp (Europe/Warsaw)"].endswith("+01:00")


def test_only_what_is_filtered_leaves_and_faults_are_pages(client: Client, indices: None, analyst: User) -> None:
    stored.incidents({"a": {"@timestamp": at(0), "severity": "low"}, "b": {"@timestamp": at(0), "severity": "high"}})
    lines = _download(client, f"{LIST}&severity=high&format=ndjson").decode().splitlines()
    assert [json.loads(line)["_meta"]["id"] for line in lines] == ["b"]
    assert client.get(f"/incidents/export?{LIST}&format=xls").status_code == 400
    assert client.get(f"/incidents/export?{LIST}&format=csv&q=severity:(").status_code == 400
    role = Role.objects.get(users=analyst)
    role.permissions = [name for name in role.permissions if name != "incident.export"]
    role.save()
    assert client.get(f"/incidents/export?{LIST}&format=csv").status_code == 403
    assert "Export" not in client.get(f"/incidents/?{LIST}").content.decode()


def test_a_download_goes_on_when_its_tab_closes_and_ends_its_own_lease(
    client: Client, indices: None, analyst: User
) -> None:
    stored.incidents({f"i{n}": {"@timestamp": at(-n), "title": f"T {n}", "severity": "low"} for n in range(2_300)})
    page = client.get(f"/incidents/?{LIST}").content.decode()
    rs = re.findall(r'data-rs="([^"]+)"', page)[0]
    assert len(ledger.leases_of_user(analyst.pk)) == 1
    parts = iter(client.get(f"/incidents/export?{LIST}&rs={rs}&format=ndjson").streaming_content)  # type: ignore[attr-defined]
    read = next(parts)
    assert len(ledger.leases_of_user(analyst.pk)) == 2
    assert result_sets.release_result_set(str(client.session.session_key), rs)
    read += b"".join(parts)
    assert [json.loads(line)["_meta"]["id"] for line in read.decode().splitlines()] == [f"i{n}" for n in range(2_300)]
    assert ledger.leases_of_user(analyst.pk) == []


def test_a_download_that_is_broken_off_ends_its_lease(client: Client, indices: None, analyst: User) -> None:
    stored.incidents({f"i{n}": {"@timestamp": at(-n), "severity": "low"} for n in range(1_500)})
    page = client.get(f"/incidents/?{LIST}").content.decode()
    rs = re.findall(r'data-rs="([^"]+)"', page)[0]
    answer = client.get(f"/incidents/export?{LIST}&rs={rs}&format=csv")
    next(iter(answer.streaming_content))  # type: ignore[attr-defined]
    next(iter(answer.streaming_content))  # type: ignore[attr-defined]
    answer.close()
    assert len(ledger.leases_of_user(analyst.pk)) == 1
