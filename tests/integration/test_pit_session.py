"""What a session's pages hold: one lease a tab, ended by sign-out, by Refresh, and by a client that never comes back.

Counted in OpenSearch itself (`GET /_search/point_in_time/_all`), through the real pages, with beat and worker as
processes where nobody is left to release anything.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from imweb.accounts.models import User
from imweb.demo.processes import Process
from imweb.errors import PitExpired, ValidationFailed
from imweb.incidents import pits
from imweb.incidents.pits import result_sets
from imweb.incidents.pits.models import ResultSet
from tests import services
from tests.integration.pits_ground import in_threads, write_incident

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("indices")]


@pytest.fixture
def signed_in(lead: User) -> Client:
    """A signed-in browser without scripts."""
    client = Client()
    client.force_login(lead)
    return client


def session_key(client: Client) -> str:
    """Return the key of a browser's session."""
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


def opened(client: Client) -> None:
    """Open the list in a new tab."""
    assert client.get(reverse("incidents")).status_code == 200


def test_sign_out_releases_every_tab(signed_in: Client) -> None:
    write_incident()
    for _tab in range(3):
        opened(signed_in)
    assert ResultSet.objects.filter(session_key=session_key(signed_in)).count() == 3
    assert services.own_pits()
    assert signed_in.post(reverse("logout")).status_code in (200, 302)
    assert services.own_pits() == []
    assert not ResultSet.objects.exists()
    assert pits.overview().leases == 0


def test_sign_out_elsewhere_ends_nothing_here(signed_in: Client, analyst: User) -> None:
    other = Client()
    other.force_login(analyst)
    opened(signed_in)
    opened(other)
    other.post(reverse("logout"))
    assert pits.overview().leases == 1
    [row] = ResultSet.objects.all()
    assert pits.use_pit(row.token, row.user_id)


def test_another_sign_in_of_the_same_user_keeps_its_own(lead: User) -> None:
    both = [Client(), Client()]
    for client in both:
        client.force_login(lead)
        opened(client)
    both[0].post(reverse("logout"))
    assert [row.session_key for row in ResultSet.objects.all()] == [session_key(both[1])]
    assert len(services.own_pits()) == 1


def test_requests_of_one_page_share_one_lease(lead: User) -> None:
    """The table, the histogram and the tiles ask at the same moment."""
    key = result_sets.new_key()
    leases = in_threads(8, lambda _: result_sets.lease_for("one-session", key, lead.pk, True)[0])
    assert len({lease.token for lease in leases}) == 1
    assert pits.overview().leases == 1


def test_refresh_gives_up_the_old_one(lead: User, settings: Any) -> None:
    settings.IM_PIT_SLOT_MS = 0
    key, old = result_sets.new_result_set("one-session", lead.pk, True)
    new = result_sets.reopen("one-session", key, lead.pk, True)
    assert new.raw_id != old.raw_id
    with pytest.raises(PitExpired):
        pits.use_pit(old.token, lead.pk)
    assert len(services.own_pits()) == 1


def test_one_that_ended_is_opened_again_and_says_so(lead: User, settings: Any) -> None:
    settings.IM_LEASE_SECONDS = 0.2
    key, old = result_sets.new_result_set("one-session", lead.pk, True)
    assert result_sets.lease_for("one-session", key, lead.pk, True) == (old, False)
    time.sleep(0.25)
    lease, reopened = result_sets.lease_for("one-session", key, lead.pk, True)
    assert reopened
    assert lease.token != old.token


def test_a_link_from_a_colleague_gets_a_lease_of_its_own(lead: User, analyst: User) -> None:
    key, lease = result_sets.new_result_set("his-session", lead.pk, True)
    mine, reopened = result_sets.lease_for("my-session", key, analyst.pk, True)
    assert not reopened
    assert (mine.user_id, mine.id != lease.id) == (analyst.pk, True)
    assert pits.use_pit(lease.token, lead.pk)


def test_a_session_s_oldest_tabs_give_way(lead: User) -> None:
    keys = [result_sets.new_result_set("one-session", lead.pk, True)[0] for _ in range(result_sets.PER_SESSION + 3)]
    held = set(ResultSet.objects.values_list("key", flat=True))
    assert held == set(keys[3:])
    assert pits.overview().leases == result_sets.PER_SESSION


def test_a_closed_tab_ends_soon_unless_it_comes_back(lead: User) -> None:
    gone, _ = result_sets.new_result_set("one-session", lead.pk, True)
    back, lease = result_sets.new_result_set("one-session", lead.pk, True)
    for key in (gone, back):
        result_sets.shorten_result_set("one-session", key, 0.3)
    result_sets.lease_for("one-session", back, lead.pk, True)
    time.sleep(0.35)
    assert result_sets.lease_for("one-session", back, lead.pk, True) == (lease, False)
    assert result_sets.release_result_set("one-session", gone) is False


@pytest.mark.parametrize("key", ["", "a", "../..", "x" * 33, "ä" * 8, "a b c d"])
def test_what_is_no_key_is_refused(lead: User, key: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        result_sets.lease_for("one-session", key, lead.pk, True)
    assert caught.value.details[0].field == "rs"


# Reads the list again and again as a reader does who goes on, until it is killed.
READER = """
import re, sys, time, urllib.request
address, cookie = sys.argv[1:]
key = ""
while True:
    request = urllib.request.Request(address + (f"?rs={key}" if key else ""), headers={"Cookie": cookie})
    with urllib.request.urlopen(request, timeout=20) as response:
        key = re.search(r"[?&;]rs=([A-Za-z0-9_-]+)", response.read().decode())[1]
        print(response.status, key, flush=True)
    time.sleep(0.3)
"""


@pytest.fixture
def beat_and_worker(
    celery_worker: Callable[..., Process], monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Any
) -> Process:
    """A real worker with beat in it that sweeps every second; leases live two seconds."""
    settings.IM_LEASE_SECONDS = 2
    for name, value in {"IM_PIT_SWEEP_SECONDS": "1", "IM_LEASE_SECONDS": "2"}.items():
        monkeypatch.setenv(name, value)
    return celery_worker("-B", "-s", str(tmp_path / "schedule"))


def test_a_killed_client_leaves_nothing(live_server: Any, signed_in: Client, beat_and_worker: Process) -> None:
    write_incident()
    cookie = f"{django_settings.SESSION_COOKIE_NAME}={session_key(signed_in)}"
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, live_server.url + reverse("incidents"), cookie],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert reader.stdout
        read = [reader.stdout.readline().split() for _ in range(12)]
        # For as long as he reads the lease lives on, longer than one that is not used.
        [row] = ResultSet.objects.all()
        assert read == [["200", row.key]] * 12
        assert pits.use_pit(row.token, row.user_id)
        assert services.own_pits()
    finally:
        reader.kill()
        reader.communicate(timeout=10)
    services.until(lambda: services.own_pits() == [], 20)
    assert pits.overview().leases == 0
    assert beat_and_worker.status() is None
