r"""
When a line happened, by its own word: a timestamp at its head, or where a format says.

The shapes that are found by themselves exclude one another, so a line's time does not depend on
what other lines look like; the shape that the line before had is tried first. A time without a
zone is in the zone that is configured, by default the host's own, since programs that leave the
zone out (syslog, Python, PostgreSQL's default) write local time. A missing year is the one that
makes the time latest without its being more than a day from now; what is no time (month 13) is
no timestamp.

Cost, for lines of 100 bytes: 0.8 to 1.5 µs a line, each second's text is converted once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import orjson

__all__ = ["AUTO", "TimeFinder", "formatted", "shapes"]

AUTO = "auto"

SECOND_NS = 1_000_000_000
MAX_NS = (1 << 63) - 1
DAY_SECONDS = 86_400
MAX_CACHED = 4096

_MONTHS = {
    name: number
    for number, name in enumerate(
        b"jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1
    )
}

HEAD = rb"(?:<\d{1,3}>(?:\d )?)?\[?"
"""What may stand before: a syslog priority, a bracket."""

CLOCK = rb"(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)"
FRACTION = rb"(?:[.,](?P<f>\d{1,9})\d*)?"
ZONE = rb"(?: ?(?P<z>Z|UTC|GMT|[+-]\d\d:?\d\d)(?![A-Za-z\d])|(?P<h>[+-]\d\d)(?![\d:]))?"
MONTH = rb"(?P<b>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
WEEKDAY = rb"(?:[A-Z][a-z][a-z],? )?"

NO_OTHER = (
    rb"(?!\[?\d{4}[-/]|<|[IWEF]\d{4} |\[?\d{10}|"
    rb"(?:[A-Z][a-z][a-z],? )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) )"
)
"""How lines of the other shapes begin: what they quote is not their time."""


@dataclass(frozen=True, slots=True)
class Shape:
    """
    How a time is written.

    Args:
        match: finds it in a line; groups are named after strptime's letters.
        named: which groups there are; it has no others.
        fraction: the index of the second's fraction among them; ``None``: there is none.
        long: of what is no text of seconds, but a number that holds the fraction too.
    """

    match: "Callable[[bytes], re.Match[bytes] | None]"
    named: tuple[str, ...]
    fraction: int | None
    long: int | None


def _shape(pattern: bytes, *, anywhere: bool = False) -> Shape:
    compiled = re.compile(pattern)
    method = compiled.search if anywhere else compiled.match
    named = tuple(compiled.groupindex)
    fraction, long = (named.index(name) if name in named else None for name in "fe")
    return Shape(method, named, fraction, long)


shapes: tuple[Shape, ...] = (
    # ISO 8601, RFC 3339; nginx's error log and Go's log have slashes.
    _shape(
        HEAD + rb"(?P<Y>\d{4})(?:-(?P<m>\d\d)-(?P<d>\d\d)[T _]|/(?P<m2>\d\d)/(?P<d2>\d\d) )"
        + CLOCK + FRACTION + ZONE
    ),
    # RFC 3164, and with a year behind or before it.
    _shape(
        HEAD + WEEKDAY + MONTH + rb" +(?P<d>\d{1,2}) " + CLOCK + FRACTION
        + rb"(?: (?P<Y>(?:19|20)\d\d)\b)?"
    ),
    # Apache's and nginx's access log, behind up to five words: host, client, user.
    _shape(
        NO_OTHER + rb"(?:[^ \[]+ ){0,5}\[(?P<d>\d\d)/" + MONTH + rb"/(?P<Y>\d{4}):"
        + CLOCK + FRACTION + ZONE
    ),
    # klog and glog.
    _shape(rb"[IWEF](?P<m>\d\d)(?P<d>\d\d) " + CLOCK + FRACTION),
    # Seconds, milliseconds, microseconds or nanoseconds since the epoch.
    _shape(
        rb"\[?(?:(?P<s>\d{10})" + FRACTION + rb"|(?P<e>\d{13}|\d{16}|\d{19}))(?![\w./-]|:\d)"
    ),
)  # fmt: skip
"""What is found by itself; a line is of one of these shapes at most."""

_KEYS = ("timestamp", "@timestamp", "time", "ts")
"""Of a line that is a JSON object, the first that has a time."""


class TimeFinder:
    """
    Read the times of lines.

    Args:
        zone: of times that name none; ``None``: the host's own.
        given: the shape to look for; ``None``: any of :data:`shapes`, and keys of JSON.
    """

    def __init__(self, zone: tzinfo | None = None, given: Shape | None = None) -> None:
        self._zone = zone
        self._is_auto = given is None
        self._shapes = list(shapes) if given is None else [given]
        self._cache: dict[tuple[bytes | None, ...], int | None] = {}
        self._now_ns = 0

    def find(self, entries: list[bytes], now_ns: int) -> list[int | None]:
        """
        Return each line's time.

        Args:
            entries: the lines.
            now_ns: from which a missing year is inferred.

        Returns:
            Nanoseconds since the epoch; ``None`` for a line that has no time.
        """
        if now_ns != self._now_ns or len(self._cache) > MAX_CACHED:
            # A missing year may be another one now.
            self._cache.clear()
        self._now_ns = now_ns
        return [self._time(entry) for entry in entries]

    def _time(self, entry: bytes) -> int | None:
        for shape in self._shapes:
            match = shape.match(entry)
            if match is not None:
                if shape is not self._shapes[0]:
                    self._shapes.remove(shape)
                    self._shapes.insert(0, shape)
                return self._ns(shape, match.groups())
        if self._is_auto and entry.startswith(b"{"):
            return self._json_time(entry)
        return None

    def _ns(self, shape: Shape, parts: tuple[bytes | None, ...]) -> int | None:
        if shape.long is not None and (long := parts[shape.long]) is not None:
            return _in_range(int(long.ljust(19, b"0")))
        fraction: bytes | None = None
        key, at = parts, shape.fraction
        if at is not None and (fraction := parts[at]) is not None:
            key = (*parts[:at], None, *parts[at + 1 :])
        # Which shape it is need not be said: no two have as many groups.
        try:
            seconds = self._cache[key]
        except KeyError:
            named = dict(zip(shape.named, key, strict=True))
            seconds = self._cache[key] = self._seconds(named)
        if seconds is None:
            return None
        return _in_range(seconds * SECOND_NS + (int(fraction.ljust(9, b"0")) if fraction else 0))

    def _seconds(self, parts: dict[str, bytes | None]) -> int | None:
        """Return seconds since the epoch; ``None`` where there is no such time."""
        given = {name: value for name, value in parts.items() if value is not None}
        if "s" in given:
            return int(given["s"])
        zone = _zone(given.get("z") or given.get("h")) or self._zone
        try:
            month, day = _month_and_day(given, self._now(zone))
            clock = _clock(given)
            year = _year(given)
            if year is not None:
                return _epoch(year, month, day, clock, zone)
            return self._latest(month, day, clock, zone)
        except (ValueError, OverflowError):
            return None

    def _now(self, zone: tzinfo | None) -> datetime:
        return datetime.fromtimestamp(self._now_ns // SECOND_NS, UTC).astimezone(zone)

    def _latest(self, month: int, day: int, clock: timedelta, zone: tzinfo | None) -> int | None:
        this_year = self._now(zone).year
        for year in range(this_year + 1, this_year - 9, -1):
            try:
                seconds = _epoch(year, month, day, clock, zone)
            except ValueError:  # The 29th of February, mostly.
                continue
            if seconds <= self._now_ns // SECOND_NS + DAY_SECONDS:
                return seconds
        return None

    def _json_time(self, entry: bytes) -> int | None:
        try:
            document = orjson.loads(entry)
        except orjson.JSONDecodeError:
            return None
        for key in _KEYS:
            ns = self._json_value(document.get(key))
            if ns is not None:
                return ns
        return None

    def _json_value(self, value: Any) -> int | None:
        if isinstance(value, str) and not value.startswith("{"):
            return self._time(value.encode(errors="replace"))
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e19:
            return None
        # A double holds microseconds of today's seconds; the number of digits tells the unit.
        for digits, unit_ns in ((10, SECOND_NS), (13, 1_000_000), (16, 1_000), (19, 1)):
            if len(str(int(value))) == digits:
                whole, fraction = divmod(value, 1)
                return _in_range(
                    int(whole) * unit_ns + round(fraction * 1_000_000) * unit_ns // 1_000_000
                )
        return None


def _in_range(ns: int) -> int | None:
    """Return a time that is not before 1970 and fits into 64 bits."""
    return ns if 0 <= ns <= MAX_NS else None


def _zone(text: bytes | None) -> tzinfo | None:
    """Return the zone that a time names."""
    if text is None:
        return None
    if text[:1] not in b"+-":
        return UTC
    digits = text[1:].replace(b":", b"").ljust(4, b"0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return timezone(timedelta(minutes=-minutes if text[:1] == b"-" else minutes))


def _month_and_day(given: dict[str, bytes], today: datetime) -> tuple[int, int]:
    name = given.get("b")
    if "j" in given:
        first = datetime(_year(given) or today.year, 1, 1, tzinfo=UTC)
        date = first + timedelta(days=int(given["j"]) - 1)
        return date.month, date.day
    month = _MONTHS[name[:3].lower()] if name else int(given.get("m") or given.get("m2") or 0)
    day = int(given.get("d") or given.get("d2") or 0)
    if not month and not day:
        # A format without a date: today's.
        return today.month, today.day
    return month or 1, day or 1


def _clock(given: dict[str, bytes]) -> timedelta:
    """Return the time of the day."""
    hour = int(given.get("H", b"0"))
    if "I" in given:
        hour = int(given["I"]) % 12 + 12 * (given.get("p", b"").lower() == b"pm")
    minute, second = int(given.get("M", b"0")), int(given.get("S", b"0"))
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError("no time of a day")
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _year(given: dict[str, bytes]) -> int | None:
    if "Y" in given:
        return int(given["Y"])
    if "y" in given:
        # As strptime does, after POSIX.
        return int(given["y"]) + (1900 if int(given["y"]) > 68 else 2000)
    return None


def _epoch(year: int, month: int, day: int, clock: timedelta, zone: tzinfo | None) -> int:
    # A leap second is the first of the next minute: added, it cannot be out of range. Without
    # a zone a datetime is taken as local time.
    return int((datetime(year, month, day, tzinfo=zone) + clock).timestamp())


_DIRECTIVES = {
    "Y": rb"(?P<Y>\d{4})",
    "y": rb"(?P<y>\d\d)",
    "m": rb"(?P<m>\d{1,2})",
    "b": rb"(?i:(?P<b>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))",
    "B": rb"(?i:(?P<b>january|february|march|april|may|june|july|august|september|october"
    rb"|november|december))",
    "d": rb"(?P<d>\d{1,2})",
    "e": rb" ?(?P<d>\d{1,2})",
    "j": rb"(?P<j>\d{1,3})",
    "a": rb"(?i:mon|tue|wed|thu|fri|sat|sun)",
    "A": rb"(?i:monday|tuesday|wednesday|thursday|friday|saturday|sunday)",
    "H": rb"(?P<H>\d{1,2})",
    "I": rb"(?P<I>\d{1,2})",
    "p": rb"(?i:(?P<p>am|pm))",
    "M": rb"(?P<M>\d{1,2})",
    "S": rb"(?P<S>\d{1,2})",
    "f": rb"(?P<f>\d{1,9})",
    "z": rb"(?P<z>Z|UTC|GMT|[+-]\d\d:?\d\d)",
    "s": rb"(?P<s>\d{1,11})(?!\d)",
    "%": rb"%",
}
_SHORT = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "D": "%m/%d/%y", "R": "%H:%M"}


def formatted(text: str) -> Shape:
    """
    Return the shape that a format describes, wherever it stands in a line.

    Args:
        text: as for strptime; ``%f`` takes up to nine digits, ``%s`` are seconds since the epoch.

    Raises:
        ValueError: what was expected, as a noun phrase.
    """
    whole = re.sub(r"%([FTDR])", lambda short: _SHORT[short[1]], text)
    pieces = re.split(r"%(.?)", whole, flags=re.DOTALL)
    unknown = [f"%{letter}" for letter in pieces[1::2] if letter not in _DIRECTIVES]
    if len(pieces) == 1 or unknown:
        known = " ".join(f"%{letter}" for letter in sorted({*_DIRECTIVES, *_SHORT}))
        raise ValueError(f'"{AUTO}" or a format such as "%d.%m.%Y %H:%M:%S", made of {known}')
    pattern = b"".join(
        _DIRECTIVES[piece] if number % 2 else re.escape(piece.encode())
        for number, piece in enumerate(pieces)
    )
    try:
        shape = _shape(rb"(?<!\d)" + pattern, anywhere=True)
    except re.error:
        raise ValueError("a format that says each thing once") from None
    if set(shape.named).isdisjoint({"H", "I", "s", "d", "j"}):
        raise ValueError("a format with a day, an hour or %s")
    return shape
