"""
Points in time as readers write them, as nanoseconds since the epoch.

Source: RFC 3339, section 5.6; DESIGN section 6, ``since`` and ``until``.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone

from relay.quantities import parse_duration

__all__ = ["ALLOWED_DATE", "ALLOWED_TIME", "parse_date", "parse_rfc_3339", "parse_time"]

ALLOWED_TIME = (
    "a time with its zone such as 2026-11-21T09:47:30Z, a date such as 2026-11-21, "
    "seconds since the epoch, or how long ago such as 10m or 2h30m"
)
"""What :func:`parse_time` takes, for error messages."""

ALLOWED_DATE = "a date from 1970 on such as 2026-11-21"
"""What :func:`parse_date` takes."""

_SECOND_NS = 1_000_000_000
_END_SECONDS = 253_402_300_800
"""The first second of the year 10000. Milliseconds since the epoch lie beyond it."""

_MAX_CHARACTERS = 64

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
# In a URL "+" means a space: "+01:00" that was not escaped arrives as " 01:00".
_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+ -])(\d\d):(\d\d))",
    re.ASCII,
)
_SECONDS = re.compile(r"(\d{1,12})(?:\.(\d+))?", re.ASCII)


def parse_time(text: str, now_ns: int) -> int:
    """
    Return the nanoseconds since the epoch that ``text`` names; never below 0.

    Args:
        text: RFC 3339 with a zone, a date (its first moment, UTC), seconds since the epoch
            with or without a fraction, or a duration before now. What is finer than a
            nanosecond is cut off.
        now_ns: the present, nanoseconds since the epoch.

    Raises:
        ValueError: ``text`` is none of these; says :data:`ALLOWED_TIME`.
    """
    try:
        return _parse(text.strip(), now_ns)
    except ValueError:
        raise ValueError(ALLOWED_TIME) from None


def _parse(text: str, now_ns: int) -> int:
    if len(text) > _MAX_CHARACTERS:
        raise ValueError(text)
    if _DATE.fullmatch(text):
        return _parse_day(text)
    if found := _SECONDS.fullmatch(text):
        return _in_range(int(found[1]), found[2])
    if found := _RFC_3339.fullmatch(text):
        return _parse_rfc_3339(found)
    return max(0, now_ns - int(parse_duration(text) * _SECOND_NS))


def parse_rfc_3339(text: str) -> int:
    """
    Return the nanoseconds since the epoch that an RFC 3339 time with its zone names.

    Raises:
        ValueError: ``text`` is none, or lies before 1970.
    """
    found = _RFC_3339.fullmatch(text)
    if not found or len(text) > _MAX_CHARACTERS:
        raise ValueError(text)
    return _parse_rfc_3339(found)


def parse_date(text: str) -> int:
    """
    Return the first nanosecond of the day ``text`` (``2026-11-21``), UTC.

    Raises:
        ValueError: ``text`` is no date from 1970 on; says :data:`ALLOWED_DATE`.
    """
    try:
        return _parse_day(text.strip())
    except ValueError:
        raise ValueError(ALLOWED_DATE) from None


def _parse_day(text: str) -> int:
    found = _DATE.fullmatch(text)
    if not found:
        raise ValueError(text)
    day = date(int(found[1]), int(found[2]), int(found[3]))
    return _in_range((day - date(1970, 1, 1)).days * 86_400, None)


def _parse_rfc_3339(found: "re.Match[str]") -> int:
    day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = found.groups()
    zone = UTC
    if sign:
        if int(offset_minutes) > 59:
            raise ValueError(found[0])
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
        zone = timezone(-offset if sign == "-" else offset)
    # A leap second is written :60, which datetime does not know.
    if int(second) > 60:
        raise ValueError(found[0])
    start = datetime.fromisoformat(f"{day}T{hour}:{minute}:00").replace(tzinfo=zone)
    since_epoch = start - datetime(1970, 1, 1, tzinfo=UTC)
    return _in_range(since_epoch.days * 86_400 + since_epoch.seconds + int(second), fraction)


def _in_range(seconds: int, fraction: str | None) -> int:
    if not 0 <= seconds < _END_SECONDS:
        raise ValueError(seconds)
    return seconds * _SECOND_NS + int((fraction or "").ljust(9, "0")[:9])
