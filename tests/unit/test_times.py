"""Instants: what is read, how it is rounded, and what is refused."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imweb.incidents import times
from tests.examples import examples

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
HAVANA = ZoneInfo("America/Havana")
NOW = "2026-03-18T14:35:27.123Z"


def ms(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def parse(value: str | int, tz=UTC, round_up: bool = False) -> str:
    return times.to_iso(times.parse_instant(value, now_ms=ms(NOW), tz=tz, round_up=round_up))


@pytest.mark.parametrize(
    ("value", "down", "up"),
    [
        (1_760_000_000_123, "2025-10-09T08:53:20.123Z", "2025-10-09T08:53:20.123Z"),
        ("1760000000123", "2025-10-09T08:53:20.123Z", "2025-10-09T08:53:20.123Z"),
        ("-1", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("2026", "2026-01-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z"),
        ("2026-02", "2026-02-01T00:00:00.000Z", "2026-02-28T23:59:59.999Z"),
        ("2026-02-03", "2026-02-03T00:00:00.000Z", "2026-02-03T23:59:59.999Z"),
        ("2026-02-03T10", "2026-02-03T10:00:00.000Z", "2026-02-03T10:59:59.999Z"),
        ("2026-02-03T10:05", "2026-02-03T10:05:00.000Z", "2026-02-03T10:05:59.999Z"),
        ("2026-02-03 10:05:30", "2026-02-03T10:05:30.000Z", "2026-02-03T10:05:30.999Z"),
        ("2026-02-03T10:05:30.5", "2026-02-03T10:05:30.500Z", "2026-02-03T10:05:30.500Z"),
        ("2026-02-03T10:05:30,123456789Z", "2026-02-03T10:05:30.123Z", "2026-02-03T10:05:30.123Z"),
        ("2026-02-03T10:05:30+0130", "2026-02-03T08:35:30.000Z", "2026-02-03T08:35:30.999Z"),
        ("2026-02-03T10-05", "2026-02-03T15:00:00.000Z", "2026-02-03T15:59:59.999Z"),
        ("now", NOW, NOW),
        ("now-1d", "2026-03-17T14:35:27.123Z", "2026-03-17T14:35:27.123Z"),
        ("now-d", "2026-03-17T14:35:27.123Z", "2026-03-17T14:35:27.123Z"),
        ("now/y", "2026-01-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z"),
        ("now/M", "2026-03-01T00:00:00.000Z", "2026-03-31T23:59:59.999Z"),
        ("now/w", "2026-03-16T00:00:00.000Z", "2026-03-22T23:59:59.999Z"),
        ("now/d", "2026-03-18T00:00:00.000Z", "2026-03-18T23:59:59.999Z"),
        ("now/h", "2026-03-18T14:00:00.000Z", "2026-03-18T14:59:59.999Z"),
        ("now/H", "2026-03-18T14:00:00.000Z", "2026-03-18T14:59:59.999Z"),
        ("now/m", "2026-03-18T14:35:00.000Z", "2026-03-18T14:35:59.999Z"),
        ("now/1s", "2026-03-18T14:35:27.000Z", "2026-03-18T14:35:27.999Z"),
        ("now-1d/d", "2026-03-17T00:00:00.000Z", "2026-03-17T23:59:59.999Z"),
        ("now/d+8h", "2026-03-18T08:00:00.000Z", "2026-03-19T07:59:59.999Z"),
        ("now-1M+1y-2w+3d-4h+5m-6s", "2027-02-07T10:40:21.123Z", "2027-02-07T10:40:21.123Z"),
        ("2026-01-01||+1M/d", "2026-02-01T00:00:00.000Z", "2026-02-01T23:59:59.999Z"),
        ("2026-01-31||+1M", "2026-02-28T00:00:00.000Z", "2026-02-28T00:00:00.000Z"),
        ("2024-02-29||+1y", "2025-02-28T00:00:00.000Z", "2025-02-28T00:00:00.000Z"),
        ("1760000000123||/d", "2025-10-09T00:00:00.000Z", "2025-10-09T23:59:59.999Z"),
        ("9999-12-31", "9999-12-31T00:00:00.000Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_reads_as_opensearch_does(value: str | int, down: str, up: str) -> None:
    assert parse(value) == down
    assert parse(value, round_up=True) == up


@pytest.mark.parametrize(
    ("value", "tz", "down", "up"),
    [
        # No offset: the given zone. With one: that.
        ("2026-07-01", BERLIN, "2026-06-30T22:00:00.000Z", "2026-07-01T21:59:59.999Z"),
        ("2026-07-01T00:00Z", BERLIN, "2026-07-01T00:00:00.000Z", "2026-07-01T00:00:59.999Z"),
        # Rounding a text with an offset still happens in the zone.
        ("2026-07-01T23:00:00Z||/d", BERLIN, "2026-07-01T22:00:00.000Z", "2026-07-02T21:59:59.999Z"),
        # The day clocks go forward has 23 hours, the day they go back 25.
        ("2026-03-29", BERLIN, "2026-03-28T23:00:00.000Z", "2026-03-29T21:59:59.999Z"),
        ("2026-10-25", BERLIN, "2026-10-24T22:00:00.000Z", "2026-10-25T22:59:59.999Z"),
        ("2026-10-25T12:00||/d", BERLIN, "2026-10-24T22:00:00.000Z", "2026-10-25T22:59:59.999Z"),
        # Days keep the wall clock, hours the real distance.
        ("2026-03-28T12:00||+1d", BERLIN, "2026-03-29T10:00:00.000Z", "2026-03-29T10:00:00.000Z"),
        ("2026-03-28T12:00||+24h", BERLIN, "2026-03-29T11:00:00.000Z", "2026-03-29T11:00:00.000Z"),
        # 02:30 does not exist: it moves on by the gap.
        ("2026-03-28T02:30||+1d", BERLIN, "2026-03-29T01:30:00.000Z", "2026-03-29T01:30:00.000Z"),
        ("2026-03-08T02:30:00", NEW_YORK, "2026-03-08T07:30:00.000Z", "2026-03-08T07:30:00.999Z"),
        # 01:30 twice: the first pass, unless the step came from standard time.
        ("2026-11-01T01:30:00", NEW_YORK, "2026-11-01T05:30:00.000Z", "2026-11-01T05:30:00.999Z"),
        ("2026-11-02T01:30||-1d", NEW_YORK, "2026-11-01T06:30:00.000Z", "2026-11-01T06:30:00.000Z"),
        ("2026-11-01T06:30Z||/h", NEW_YORK, "2026-11-01T06:00:00.000Z", "2026-11-01T06:59:59.999Z"),
        ("2026-11-01T05:30Z||/h", NEW_YORK, "2026-11-01T05:00:00.000Z", "2026-11-01T05:59:59.999Z"),
        # Midnight itself is repeated, or skipped.
        ("2026-11-01T12:00||/d", HAVANA, "2026-11-01T04:00:00.000Z", "2026-11-02T04:59:59.999Z"),
        ("2026-03-08T12:00||/d", HAVANA, "2026-03-08T05:00:00.000Z", "2026-03-09T03:59:59.999Z"),
        ("2026-01-01", timezone(timedelta(hours=-8)), "2026-01-01T08:00:00.000Z", "2026-01-02T07:59:59.999Z"),
    ],
)
def test_rounds_in_the_time_zone(value: str, tz, down: str, up: str) -> None:
    assert parse(value, tz) == down
    assert parse(value, tz, round_up=True) == up


@pytest.mark.parametrize(
    "value",
    [
        *["", " ", "yesterday", "nowish", "now-", "now-1", "now-1x", "now/2d", "now/", "now 1d", "now--1d", "now-1d/"],
        *["2026-1-1", "2026-13-01", "2026-02-30", "2026-01-01T25", "2026-01-01T10:61", "26-01-01", "2026-01-01T"],
        *["||+1d", "2026-01-01|+1d", "2026-01-01+01:00", "2026-01-01T10:00+19:00", "٢٠٢٦"],
        *["9" * 15, "now+9999y", "now-999999999y", "now+999999999d", "1" * 400, "0000", "now-1234567890d"],
        *[10**18, -(10**18), True, None, 1.5, [], "2026-01-01T10:00+01:75"],
    ],
)
def test_refuses_with_a_sentence(value: object) -> None:
    with pytest.raises(times.BadInstant) as caught:
        times.parse_instant(value, now_ms=ms(NOW), tz=UTC)  # type: ignore[arg-type]
    assert len(caught.value.reason) > 10


def test_the_reason_names_what_was_expected() -> None:
    with pytest.raises(times.BadInstant, match=r'"soon" is no time; expected a date such as "2026-01-31"'):
        parse("soon")
    with pytest.raises(times.BadInstant, match=r'cannot read "-1x" in "now-1x"; expected steps'):
        parse("now-1x")
    with pytest.raises(times.BadInstant, match=r'"2026-02-30" is no date of the calendar'):
        parse("2026-02-30")


def test_an_empty_step_list_is_the_anchor() -> None:
    assert parse("2026-01-01||", round_up=True) == "2026-01-01T00:00:00.000Z"


def test_span_covers_what_is_named() -> None:
    span = times.parse_span("2026-01-05", now_ms=0, tz=BERLIN)
    assert (times.to_iso(span.start_ms), times.to_iso(span.end_ms)) == (
        "2026-01-04T23:00:00.000Z",
        "2026-01-05T22:59:59.999Z",
    )


def test_replace_now_leaves_absolute_values() -> None:
    assert times.replace_now("2026-01-05", now_ms=0, tz=UTC) == "2026-01-05"
    assert times.replace_now(5, now_ms=0, tz=UTC) == 5
    assert times.replace_now("now-1d/d", now_ms=ms(NOW), tz=BERLIN) == ms("2026-03-16T23:00:00Z")
    assert times.replace_now("now/d", now_ms=ms(NOW), tz=BERLIN, round_up=True) == ms("2026-03-18T22:59:59.999Z")
    with pytest.raises(times.BadInstant):
        times.replace_now("now-1q", now_ms=0, tz=UTC)


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "Z", "+01:00", "-0330", "+05"])
def test_reads_a_zone(name: str) -> None:
    assert times.parse_zone(name).utcoffset(datetime(2026, 1, 1)) is not None  # noqa: DTZ001  # asked in wall time


@pytest.mark.parametrize(
    "name", ["", "Mars/Base", "America", "../../etc/passwd", "/etc/passwd", "+19:00", "\0", "x" * 999]
)
def test_refuses_a_zone(name: str) -> None:
    with pytest.raises(times.BadInstant):
        times.parse_zone(name)


def test_shows_an_instant_in_a_zone() -> None:
    assert times.to_iso(ms(NOW), BERLIN) == "2026-03-18T15:35:27.123+01:00"
    assert times.to_iso(times.MIN_MS, NEW_YORK) == "0001-01-01T00:00:00.000Z"


@examples(60)
@given(st.integers(0, times.MAX_MS), st.sampled_from([BERLIN, NEW_YORK, HAVANA, UTC]))
def test_iso_round_trip(instant: int, tz) -> None:
    assert times.parse_instant(times.to_iso(instant, tz), now_ms=0, tz=UTC) == instant


@examples(60)
@given(
    st.integers(0, 4_000_000_000_000),
    st.sampled_from("yMwdhms"),
    st.sampled_from([BERLIN, NEW_YORK, HAVANA, ZoneInfo("Australia/Lord_Howe"), UTC]),
)
def test_rounding_encloses_the_instant(instant: int, unit: str, tz) -> None:
    text = f"{times.to_iso(instant)}||/{unit}"
    down = times.parse_instant(text, now_ms=0, tz=tz)
    up = times.parse_instant(text, now_ms=0, tz=tz, round_up=True)
    assert down <= instant <= up
    assert times.parse_instant(f"{times.to_iso(down)}||/{unit}", now_ms=0, tz=tz) == down


@examples(150)
@given(st.text(max_size=40) | st.text("now-+/|0129dMyTZ:. ", max_size=20))
def test_any_text_is_an_instant_or_bad(text: str) -> None:
    with contextlib.suppress(times.BadInstant):
        assert times.MIN_MS <= times.parse_instant(text, now_ms=ms(NOW), tz=BERLIN) <= times.MAX_MS
