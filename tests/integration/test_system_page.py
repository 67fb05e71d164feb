"""The system page: what it shows of each part, what an administrator does there, and how it stands each part's end."""

from __future__ import annotations

import http.server
import json
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from imweb import env, redis
from imweb.accounts.actor import actor_of
from imweb.accounts.models import Role, User
from imweb.audit import trail
from imweb.audit.trail import Entry, Wanted
from imweb.demo.processes import Process
from imweb.incidents import jobs, pits
from imweb.incidents.editing import batch
from imweb.incidents.jobs import store
from imweb.incidents.models import Job, JobChunk
from imweb.notifications.models import Delivery
from imweb.opensearch import gateway, schema
from imweb.opensearch.node import free_port
from imweb.runs import report, watching
from imweb.runs.models import FailedTask
from imweb.web.settings_pages import inforce
from tests import services, stored
from tests.integration.pits_ground import servers

pytestmark = [pytest.mark.django_db, pytest.mark.relational, pytest.mark.usefixtures("indices")]
ACTIONS = [
    ("system-close-pit", "none"),
    ("system-end-leases", 1),
    ("system-retry-task", 1),
    ("system-forget-task", 1),
    ("system-resume-jobs", None),
    ("system-stop-job", "none"),
]


@pytest.fixture
def client(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


def shown(client: Client) -> str:
    answer = client.get(reverse("system"))
    assert answer.status_code == 200
    return answer.content.decode()


def post(client: Client, name: str, *args: Any) -> str:
    """Press a button; return the page that follows."""
    answer = client.post(reverse(name, args=args), follow=True)
    assert answer.redirect_chain
    return answer.content.decode()


def noted(administrator: User) -> list[Entry]:
    trail.ensure_index()
    return list(trail.entries(actor_of(administrator), Wanted(kind="system")).entries)


def fail(task: str, *args: Any, count: int = 1) -> FailedTask:
    return FailedTask.objects.create(
        task=task, digest=watching.digest_of(task, list(args), {}), args=list(args), error="ValueError: x", count=count
    )


@contextmanager
def refusing(path: str) -> Iterator[str]:
    """Give the address of this run's OpenSearch behind a door that refuses one path as the security plugin does."""

    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith(path):
                said = {"type": "security_exception", "reason": f"no permissions for [{path}]"}
                self._answer(403, json.dumps({"error": {**said, "root_cause": [said]}, "status": 403}).encode())
                return
            with urllib.request.urlopen(f"{upstream}{self.path}", timeout=10) as answer:
                self._answer(answer.status, answer.read())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            return

    upstream = django_settings.OPENSEARCH_URL
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_leads_and_analysts_are_refused(lead: User, analyst: User) -> None:
    for user in (lead, analyst):
        other = Client()
        other.force_login(user)
        refused = other.get(reverse("system"))
        assert refused.status_code == 403
        assert "the permission “See the system page”" in refused.content.decode()
        assert "system.view" not in refused.content.decode()
        assert 'Request id <span class="im-ref">' in refused.content.decode()
        for name, arg in ACTIONS:
            assert other.post(reverse(name, args=[] if arg is None else [arg])).status_code == 403


def test_who_may_only_look_has_no_buttons(analyst: User, administrator: User) -> None:
    role = Role.objects.create(name="watch", label="Watch", permissions=["incident.view", "system.view"])
    analyst.roles.set([role])
    pits.open_pit(administrator.pk, True)
    fail("pits.sweep")
    other = Client()
    other.force_login(analyst)
    page = shown(other)
    assert "ValueError: x" in page
    assert "/system/" not in page.replace('href="/system"', "")
    assert other.post(reverse("system-end-leases", args=[administrator.pk])).status_code == 403


class TestPointsInTime:
    """By slot and by user; closing reaches our own alone."""

    def test_slots_name_their_holders_and_a_close_is_recorded(
        self, client: Client, administrator: User, analyst: User
    ) -> None:
        for user in (administrator, analyst, analyst):
            pits.open_pit(user.pk, True)
        (slot,) = pits.overview().slots
        assert slot.holders == {administrator.pk: 1, analyst.pk: 2}
        page = shown(client)
        assert 'analyst <span class="im-muted">2</span>, admin' in page
        assert re.search(r"In use: \d of \d+ contexts, by 3 leases\.", page)
        assert re.search(r"\d+ (was|were) opened\. \d+ leases? joined one that was open\.", page)
        assert not re.search(r"\b1 (were|leases)\b", page)
        assert "is closed" in post(client, "system-close-pit", slot.pit)
        assert pits.overview().slots == []
        assert services.own_pits() == []
        (entry,) = noted(administrator)
        assert (entry.user, entry.target, entry.details) == ("admin", f"pit/{slot.pit}", {"action": "close"})

    def test_one_that_is_not_ours_is_neither_shown_nor_closed(self, client: Client, administrator: User) -> None:
        foreign = services._send(
            "POST", f"{django_settings.IM_INDEX_PREFIX}-incidents/_search/point_in_time?keep_alive=1m"
        )
        try:
            assert foreign["pit_id"][:20] not in shown(client)
            assert "nothing was closed" in post(client, "system-close-pit", "0123456789abcdef")
            assert foreign["pit_id"] in services.own_pits()
            assert noted(administrator) == []
        finally:
            services._send("DELETE", "_search/point_in_time", {"pit_id": [foreign["pit_id"]]})

    def test_all_of_a_user_end_and_those_of_others_stay(
        self, client: Client, administrator: User, analyst: User, lead: User
    ) -> None:
        kept = pits.open_pit(lead.pk, True)
        pits.open_pit(analyst.pk, True)
        pits.open_pit(analyst.pk, False)
        assert "2 leases of analyst are ended." in post(client, "system-end-leases", analyst.pk)
        (slot,) = pits.overview().slots
        assert slot.holders == {lead.pk: 1}
        assert pits.use_pit(kept.token, lead.pk).raw_id == kept.raw_id
        assert [(e.target, e.details["leases"]) for e in noted(administrator)] == [("leases/analyst", 2)]
        assert client.post(reverse("system-end-leases", args=[987654321])).status_code == 404


class TestFailedTasks:
    """What failed stands until the same succeeds; it can be sent again or set aside."""

    def test_it_is_shown_with_its_arguments_and_sent_again(self, client: Client, administrator: User) -> None:
        row = fail("jobs.run", "0123abcd", count=3)
        page = shown(client)
        assert "0123abcd" in page
        assert "ValueError: x" in page
        assert report.background().waiting == 0
        assert "was sent again" in post(client, "system-retry-task", row.pk)
        assert report.background().waiting == 1
        (sent,) = redis.client().lrange(
            f"{django_settings.IM_REDIS_PREFIX}:{django_settings.CELERY_TASK_DEFAULT_QUEUE}", 0, -1
        )
        assert json.loads(sent)["headers"]["task"] == "jobs.run"
        assert FailedTask.objects.get().retried_at is not None
        (entry,) = noted(administrator)
        assert (entry.target, entry.details) == (
            "task/jobs.run",
            {"action": "retry", "arguments": ["0123abcd"], "failed": 3},
        )

    def test_it_is_set_aside(self, client: Client, administrator: User) -> None:
        row = fail("jobs.run", "1")
        assert "is set aside" in post(client, "system-forget-task", row.pk)
        assert not FailedTask.objects.exists()
        assert [entry.details["action"] for entry in noted(administrator)] == ["set aside"]
        assert "no such failed task any more" in post(client, "system-forget-task", row.pk)
        assert len(noted(administrator)) == 1

    def test_one_that_the_program_does_not_know_is_not_sent(self, client: Client) -> None:
        row = fail("tasks.of.yesterday")
        assert "has no task tasks.of.yesterday" in post(client, "system-retry-task", row.pk)
        assert report.background().waiting == 0

    def test_while_redis_is_away_a_retry_says_that_nothing_was_sent(
        self, client: Client, administrator: User, settings: Any
    ) -> None:
        row = fail("jobs.run", "1")
        with servers(settings, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"):
            page = post(client, "system-retry-task", row.pk)
        assert "nothing was sent" in page
        assert FailedTask.objects.get().retried_at is None
        assert noted(administrator) == []


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_tells_of_its_runs_and_its_failures(
    celery_worker: Callable[..., Process], client: Client, tmp_path: Path
) -> None:
    celery_worker("-B", "--schedule", str(tmp_path / "beat"))
    services.until(lambda: report.background().alive == 1, 15)
    # With an argument too few it fails, whatever the servers do.
    current_app.send_task("jobs.run", [])
    current_app.send_task("jobs.run", [])
    services.until(lambda: FailedTask.objects.filter(count=2).exists(), 15)
    row = FailedTask.objects.get()
    assert (row.task, row.args) == ("jobs.run", [])
    assert row.error.startswith("TypeError: run_job() missing 1 required positional argument")
    assert "TypeError" in row.trace
    assert row.worker.startswith("worker-0@")
    page = shown(client)
    assert "run_job() missing 1" in page
    assert f"{row.worker}" in page
    post(client, "system-retry-task", row.pk)
    services.until(lambda: FailedTask.objects.filter(count=3).exists(), 15)
    # The same that fails once and then succeeds stands no more.
    fail("pits.sweep")
    current_app.send_task("pits.sweep")
    services.until(lambda: not FailedTask.objects.filter(task="pits.sweep").exists(), 15)
    (sweep,) = (task for task in report.background().scheduled if task.name == "pits.sweep")
    # Not by beat: it was not due yet.
    assert (sweep.state, sweep.sent) == ("SUCCESS", None)
    assert sweep.ended is not None
    assert sweep.ended < 15
    assert sweep.took_ms is not None
    services.until(lambda: report.background().beat_alive, 20)
    page = shown(client)
    assert ">running<" in page
    assert re.search(r"(grouping\.run|audit\.ship)</code></th><td>5 s</td><td>\d+ s ago", page)


def test_a_worker_that_fell_silent_and_tasks_that_are_late_are_told(client: Client) -> None:
    said = {"at": time.time() - 300, "active": 0, "done": 7}
    redis.client().hset(watching.workers_key(), "old@host", json.dumps(said))
    redis.client().hset(watching.task_key("pits.sweep"), mapping={"ended": time.time() - 3600, "state": "SUCCESS"})
    page = shown(client)
    assert "heard of 5 min ago" in page
    assert "no worker" in page
    assert '<code class="im-code">celery -A imweb worker</code>.' in page
    assert ">late<" in page
    assert '<td class="is-num"></td>' not in page, "what is not known is a dash, as beside it"
    # Forgotten after a day.
    redis.client().hset(watching.workers_key(), "old@host", json.dumps(said | {"at": time.time() - 90_000}))
    assert "none heard of" in shown(client)


def test_a_job_that_nobody_works_on_is_handed_to_a_worker(client: Client, administrator: User, settings: Any) -> None:
    old = timezone.now() - timedelta(minutes=5)
    job = Job.objects.create(
        id="j1", kind="bulk", state="running", username="admin", total=3, created_at=old, heartbeat_at=old
    )
    JobChunk.objects.create(job=job, number=0, items=[["incident", "i1", 1]], result={"updated": 1})
    JobChunk.objects.create(job=job, number=1, items=[["incident", "i2", 1], ["incident", "i3", 1]])
    page = shown(client)
    assert "1 waits for a worker" in page
    assert "1 / 3" in page
    assert "1 job was handed to a worker." in post(client, "system-resume-jobs")
    assert report.background().waiting == 1
    assert [entry.details for entry in noted(administrator)] == [{"action": "retry", "jobs": ["j1"]}]
    with servers(settings, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"):
        assert "nothing was sent" in post(client, "system-resume-jobs")
    assert len(noted(administrator)) == 1


def test_a_job_is_stopped_after_the_chunk_that_is_being_written(
    client: Client, administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHUNK", 2)
    stored.incidents({f"i{n}": {"severity": "low"} for n in range(6)})
    change = store.begin("bulk", actor_of(administrator), {"changes": {"severity": "high"}}, lock="x")
    store.freeze(change, [("incident", f"i{n}", 1) for n in range(6)])
    store.start(change)
    write = batch.write

    def stopped_meanwhile(*given: Any) -> None:
        write(*given)
        assert "is stopped" in post(client, "system-stop-job", change.pk)

    with monkeypatch.context() as patch:
        patch.setattr(batch, "write", stopped_meanwhile)
        assert not jobs.run(change.pk)
    job = Job.objects.get()
    assert (job.state, job.lock, job.finished_at is not None) == ("cancelled", None, True)
    found = gateway().mget([(schema.incidents_alias(), f"i{n}") for n in range(6)], source=["severity"])
    assert [one and one.source["severity"] for one in found] == ["high"] * 2 + ["low"] * 4
    assert store.task_of(job).counts["updated"] == 2
    assert "stopped by admin" in shown(client)
    assert not jobs.run(change.pk) or Job.objects.get().state == "cancelled"
    assert "has ended already" in post(client, "system-stop-job", change.pk)
    assert [entry.target for entry in noted(administrator)] == [f"job/{change.pk}"]


def test_messages_that_were_given_up_are_counted_and_led_to(client: Client) -> None:
    Delivery.objects.create(id="msg_1", rule="hook", channel="webhook", state=Delivery.DEAD)
    page = shown(client)
    assert "1 given up" in page
    assert f"{reverse('notification-deliveries')}?state=dead" in page


class TestPartsThatAreAway:
    """Each part says so by itself, calmly, and the others go on."""

    @pytest.fixture
    def no_opensearch(self, settings: Any) -> Iterator[None]:
        with servers(settings, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}"):
            yield

    @pytest.fixture
    def no_redis(self, settings: Any) -> Iterator[None]:
        with servers(settings, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"):
            yield

    def test_without_opensearch(self, no_opensearch: None, client: Client) -> None:
        page = shown(client)
        assert "OpenSearch cannot be reached" in page
        assert "Nothing is lost" in page
        assert "Not known at the moment." in page
        assert "0 waiting, 0 taken" in page
        assert "IM_PIT_BUDGET" in page

    def test_without_redis(self, no_redis: None, client: Client, administrator: User) -> None:
        fail("jobs.run", "1")
        page = shown(client)
        assert "Redis does not answer." in page
        assert "each process pools its own" in page
        assert "Not known while Redis does not answer." in page
        assert "ValueError: x" in page
        assert f"{django_settings.IM_INDEX_PREFIX}-incidents" in page
        assert "nothing was closed" in post(client, "system-close-pit", "0123456789abcdef")
        assert "nothing was closed" in post(client, "system-end-leases", administrator.pk)

    def test_without_either(self, no_opensearch: None, no_redis: None, client: Client) -> None:
        page = shown(client)
        assert page.count("does not answer</span>") == 2

    def test_a_service_account_that_may_not_ask_for_disks_sees_the_rest(self, client: Client, settings: Any) -> None:
        stored.incidents({"i1": {}, "i2": {}})
        page = shown(client)
        assert re.search(rf"{django_settings.IM_INDEX_PREFIX}-incidents-\d+</code></th><td>green</td><td[^>]*>2<", page)
        assert re.search(r"<dt>Disk</dt><dd>.*\d+ %", page)
        with refusing("/_nodes/") as url, servers(settings, OPENSEARCH_URL=url):
            page = shown(client)
        assert "may not read sizes and disks: " in page
        assert "<dt>Disk</dt>" not in page
        assert re.search(rf"{django_settings.IM_INDEX_PREFIX}-incidents-\d+</code></th><td>green</td><td[^>]*>2<", page)

    def test_a_cluster_that_hangs_holds_the_page_up_for_seconds_only(self, client: Client, settings: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with servers(settings, OPENSEARCH_URL=url):
                began = time.monotonic()
                page = shown(client)
                assert time.monotonic() - began < 10
        assert "Nothing is lost" in page


class TestSettingsInForce:
    """Every variable that the program reads, with what came of it, and never a secret."""

    def test_each_variable_of_the_settings_is_there(self, client: Client) -> None:
        source = (django_settings.BASE_DIR / "imweb/settings.py").read_text()
        names = set(re.findall(r"\"((?:IM|OPENSEARCH|REDIS|DATABASE)_[A-Z_]+)\"", source))
        # What stands for transport is not read on a machine without TLS, such as the tests'.
        names = {name for name in names if not name.startswith(("IM_HSTS_", "IM_SSL_"))}
        assert {"IM_PIT_BUDGET", "IM_NOTIFY_TIMEOUT", "DATABASE_URL"} <= names
        page = shown(client)
        assert [name for name in sorted(names) if f">{name}<" not in page] == []

    def test_what_is_read_in_parts_is_shown_without_its_password(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(env.env.ENVIRON, "IM_EMAIL_URL", "smtp+tls://user:in-clear@mail.example:587")
        monkeypatch.setitem(env.asked, "IM_EMAIL_URL", None)
        assert env.email("IM_EMAIL_URL")["EMAIL_HOST_PASSWORD"] == "in-clear"
        page = shown(client)
        assert "in-clear" not in page
        assert "smtp+tls://…@mail.example:587" in page

    def test_no_secret_is_shown(self, client: Client, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        hidden = "s3cr3t-of-this-test"
        monkeypatch.setenv("IM_NOTIFY_SECRET_SOAR", hidden)
        for name, value in (
            ("IM_EMAIL_URL", f"smtp+tls://user:{hidden}@mail.example:587"),
            ("IM_OIDC_CLIENT_SECRET", hidden),
            ("IM_SECRET_KEY_FALLBACKS", [hidden]),
            ("IM_SOMETHING", f"https://receiver.example/?access_token={hidden}&a=b"),
        ):
            monkeypatch.setitem(env.asked, name, (value, True))
        page = shown(client)
        assert hidden not in page
        assert django_settings.SECRET_KEY not in page
        assert "IM_NOTIFY_SECRET_SOAR" in page
        assert "smtp+tls://…@mail.example:587" in page
        assert "access_token=…&amp;a=b" in page

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("redis://:pw@redis.example:6379/0", "redis://…@redis.example:6379/0"),
            ("smtp+tls://user:p/w,@2@mail.example:587", "smtp+tls://…@mail.example:587"),
            ("redis://redis.example/0?password=pw", "redis://redis.example/0?password=…"),
            (["https://a:b@c.example", "d"], "https://…@c.example, d"),
            (True, "true"),
            (None, ""),
        ],
    )
    def test_passwords_in_addresses_are_left_out(self, value: Any, said: str) -> None:
        assert inforce.shown(value) == said
