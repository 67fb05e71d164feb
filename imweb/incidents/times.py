"""Instants: epoch milliseconds, ISO 8601 and OpenSearch date math, resolved once against a fixed `now`.

OpenSearch evaluates `now` at every search, a point in time or not, so a window given as `now-1d` would slide
between two pages. Everything that leaves this application is therefore an absolute number of milliseconds,
computed here by the rules of OpenSearch's own `JavaDateMathParser`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils.translation import gettext as _

MAX_LENGTH = 128
"""Longest text read as an instant, in characters."""

MIN_MS = -62_135_596_800_000
"""0001-01-01T00:00:00.000Z in epoch milliseconds."""

MAX_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z in epoch milliseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_ISO = re.compile(
    r"(?P<year>\d{4})"
    r"(?:-(?P<month>\d\d)"
    r"(?:-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d)"
    r"(?::(?P<minute>\d\d)"
    r"(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"(?P<offset>Z|[+-]\d\d(?::?\d\d)?)?)?)?)?",
    re.ASCII,
)
_MILLIS = re.compile(r"-?\d{1,15}", re.ASCII)
_STEP = re.compile(r"([+\-/])(\d{0,9})([a-zA-Z])", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?", re.ASCII)

_CLOCK_UNITS = {"h": 3_600_000, "H": 3_600_000, "m": 60_000, "s": 1_000}
_UNITS = "yMwdhHms"


class BadInstant(ValueError):
    """A value that is no instant; `reason` is a sentence for the person who wrote it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Span:
    """A period with both ends in it, in epoch milliseconds."""

    start_ms: int
    end_ms: int


def parse_instant(value: str | int, *, now_ms: int, tz: tzinfo, round_up: bool = False) -> int:
    """Epoch milliseconds of `value`; raises BadInstant.

    `value` is epoch milliseconds, ISO 8601 (in `tz` when it has no offset), `now`, or either with date math.
    `round_up` gives the last millisecond of what the value names (a day, `now/d`), as OpenSearch does for `lte` and
    `gt`; a number of milliseconds names nothing wider than itself.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise BadInstant(_expected(value))
    if isinstance(value, int):
        return _bounded(value)
    text = value.strip()
    if not text or len(text) > MAX_LENGTH:
        raise BadInstant(_expected(text))
    if is_relative(text):
        return _math(text[3:], now_ms, tz, round_up, text)
    anchor, separator, steps = text.partition("||")
    if separator:
        return _math(steps, _absolute(anchor.strip(), tz, round_up=False), tz, round_up, text)
    return _absolute(text, tz, round_up=round_up)


def parse_span(value: str | int, *, now_ms: int, tz: tzinfo) -> Span:
    """The whole period that `value` names: `2026-01-05` is that day in `tz`; raises BadInstant."""
    start = parse_instant(value, now_ms=now_ms, tz=tz)
    return Span(start, max(start, parse_instant(value, now_ms=now_ms, tz=tz, round_up=True)))


def is_relative(value: object) -> bool:
    """True for text whose meaning moves with the clock: `now`, `now-1d/d`."""
    return isinstance(value, str) and value.strip().startswith("now")


def replace_now(value: str | int, *, now_ms: int, tz: tzinfo, round_up: bool = False) -> str | int:
    """`value` with `now` fixed to `now_ms`: epoch milliseconds for relative text, all else as it was.

    Raises BadInstant when the date math cannot be read.
    """
    if not is_relative(value):
        return value
    return parse_instant(value, now_ms=now_ms, tz=tz, round_up=round_up)


@lru_cache(maxsize=1024)
def parse_zone(name: str) -> tzinfo:
    """The time zone of an IANA name (`Europe/Berlin`) or an offset (`+01:00`, `Z`); raises BadInstant."""
    if name in ("Z", "UTC"):
        return UTC
    offset = _OFFSET.fullmatch(name)
    if offset:
        return _fixed_offset(name)
    try:
        return ZoneInfo(name)
    # OSError: zoneinfo opens the folder for a name such as "America".
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        shown = name[:64]
        reason = _('"%(name)s" is no time zone; expected a name such as "Europe/Berlin" or an offset such as "+01:00"')
        raise BadInstant(reason % {"name": shown}) from error


def to_iso(instant_ms: int, tz: tzinfo = UTC) -> str:
    """ISO 8601 with milliseconds and offset, `2026-01-05T10:00:00.000+01:00` (`Z` for UTC)."""
    try:
        aware = _at(instant_ms, tz)
    except OverflowError:  # The zone's wall clock would leave the calendar; UTC's does not.
        aware = _at(instant_ms, UTC)
    text = aware.isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def _expected(value: object) -> str:
    shown = str(value)[:64]
    reason = _(
        '"%(value)s" is no time; expected a date such as "2026-01-31" or "2026-01-31T10:00:00Z", '
        'epoch milliseconds, or date math such as "now-1d/d" or "2026-01-31||+1M/d"'
    )
    return reason % {"value": shown}


def _bounded(instant_ms: int) -> int:
    if not MIN_MS <= instant_ms <= MAX_MS:
        raise BadInstant(_("the time lies outside the years 1 to 9999"))
    return instant_ms


def _absolute(text: str, tz: tzinfo, *, round_up: bool) -> int:
    parts = _ISO.fullmatch(text)
    if parts is None:
        # As in OpenSearch's default format: four digits are a year, every other run of digits milliseconds.
        if _MILLIS.fullmatch(text):
            return _bounded(int(text))
        raise BadInstant(_expected(text))
    fraction = (parts["fraction"] or "").ljust(9, "0")
    try:
        # Wall time first: which instant it is depends on the zone, and some wall times exist twice or not at all.
        local = datetime(  # noqa: DTZ001
            int(parts["year"]),
            int(parts["month"] or 1),
            int(parts["day"] or 1),
            int(parts["hour"] or 0),
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
            int(fraction[:3]) * 1000,
        )
        zone = _fixed_offset(parts["offset"]) if parts["offset"] else tz
        start = _ms(_resolve(local, zone))
        if not round_up or parts["fraction"]:
            return _bounded(start)
        return _bounded(_last(local, _finest(parts), zone))
    except (ValueError, OverflowError) as error:
        if isinstance(error, BadInstant):
            raise
        reason = _('"%(value)s" is no date of the calendar between the years 1 and 9999')
        raise BadInstant(reason % {"value": text}) from error


def _finest(parts: "re.Match[str]") -> str:
    """The smallest unit that the text names, which is what rounding up fills."""
    for group, unit in (("second", "s"), ("minute", "m"), ("hour", "h"), ("day", "d"), ("month", "M")):
        if parts[group]:
            return unit
    return "y"


def _fixed_offset(text: str) -> tzinfo:
    match = _OFFSET.fullmatch(text)
    if match is None:
        return UTC
    sign, hours, minutes = match.groups(default="00")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    # Java's ZoneOffset, and so OpenSearch, stops at 18 hours.
    if offset > timedelta(hours=18) or int(minutes) > 59:
        raise BadInstant(_('"%(value)s" is no offset from UTC; expected -18:00 to +18:00') % {"value": text})
    return timezone(-offset if sign == "-" else offset)


def _math(steps: str, start_ms: int, tz: tzinfo, round_up: bool, whole: str) -> int:
    """Apply `+1M/d` to an instant, one step after the other."""
    instant_ms, position = _bounded(start_ms), 0
    while position < len(steps):
        step = _STEP.match(steps, position)
        if step is None or step[3] not in _UNITS or (step[1] == "/" and step[2] not in ("", "1")):
            reason = _(
                'cannot read "%(rest)s" in "%(value)s"; expected steps such as "-1d", "+2h" or "/d" '
                "with one of the units y, M, w, d, h, m, s"
            )
            raise BadInstant(reason % {"rest": steps[position:][:32], "value": whole[:64]})
        position = step.end()
        operator, digits, unit = step.groups()
        try:
            if operator == "/":
                instant_ms = _round(instant_ms, unit, tz, round_up)
            else:
                count = int(digits or "1")
                instant_ms = _shift(instant_ms, -count if operator == "-" else count, unit, tz)
        except (OverflowError, ValueError) as error:
            raise BadInstant(_("the time lies outside the years 1 to 9999")) from error
        _bounded(instant_ms)
    return instant_ms


def _shift(instant_ms: int, count: int, unit: str, tz: tzinfo) -> int:
    """Hours and less count real time; days and more keep the wall clock, as Java's ZonedDateTime."""
    if unit in _CLOCK_UNITS:
        return instant_ms + count * _CLOCK_UNITS[unit]
    aware = _at(instant_ms, tz)
    local = aware.replace(tzinfo=None, fold=0)
    if unit in "dw":
        moved = local + timedelta(days=count * (7 if unit == "w" else 1))
    else:
        moved = _add_months(local, count * (12 if unit == "y" else 1))
    return _ms(_resolve(moved, tz, aware.utcoffset()))


def _round(instant_ms: int, unit: str, tz: tzinfo, round_up: bool) -> int:
    """The first (or last) millisecond of the unit around an instant, in the time zone."""
    aware = _at(instant_ms, tz)
    local = aware.replace(tzinfo=None, fold=0)
    floor = _FLOOR[unit](local)
    # Within an hour that a clock change repeats, the same pass is kept; a day begins at its earliest midnight.
    offset = aware.utcoffset() if unit in _CLOCK_UNITS else None
    if not round_up:
        return _ms(_resolve(floor, tz, offset))
    if unit in _CLOCK_UNITS:
        return _ms(_resolve(floor, tz, offset)) + _CLOCK_UNITS[unit] - 1
    return _last(floor, unit, tz)


def _last(floor: datetime, unit: str, tz: tzinfo) -> int:
    """The last millisecond of the unit that begins at `floor`; what runs past the year 9999 ends there."""
    try:
        return _ms(_resolve(_NEXT[unit](floor), tz)) - 1
    except (OverflowError, ValueError):
        return MAX_MS


def _add_months(local: datetime, months: int) -> datetime:
    """Move by calendar months; a day that the month lacks becomes its last one."""
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    for day in range(local.day, 27, -1):
        try:
            return local.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return local.replace(year=year, month=month + 1)


def _midnight(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


_FLOOR: dict[str, Callable[[datetime], datetime]] = {
    "y": lambda local: _midnight(local).replace(month=1, day=1),
    "M": lambda local: _midnight(local).replace(day=1),
    "w": lambda local: _midnight(local) - timedelta(days=local.weekday()),
    "d": _midnight,
    "h": lambda local: local.replace(minute=0, second=0, microsecond=0),
    "H": lambda local: local.replace(minute=0, second=0, microsecond=0),
    "m": lambda local: local.replace(second=0, microsecond=0),
    "s": lambda local: local.replace(microsecond=0),
}
_NEXT: dict[str, Callable[[datetime], datetime]] = {
    "y": lambda local: _add_months(local, 12),
    "M": lambda local: _add_months(local, 1),
    "w": lambda local: local + timedelta(days=7),
    "d": lambda local: local + timedelta(days=1),
    "h": lambda local: local + timedelta(hours=1),
    "m": lambda local: local + timedelta(minutes=1),
    "s": lambda local: local + timedelta(seconds=1),
}


def _at(instant_ms: int, tz: tzinfo) -> datetime:
    return (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(tz)


def _ms(aware: datetime) -> int:
    return (aware - _EPOCH) // _MILLISECOND


def _resolve(local: datetime, tz: tzinfo, preferred: timedelta | None = None) -> datetime:
    """The instant of a wall-clock time: one that a clock change skips moves on by the gap, one that it repeats is the
    first pass unless `preferred`, the offset before the step, is that of the second (java.time's ofLocal)."""
    first, second = local.replace(tzinfo=tz, fold=0), local.replace(tzinfo=tz, fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    repeated = before is not None and after is not None and before > after
    return (second if repeated and preferred == after else first).astimezone(UTC)
