"""Points in time as readers write them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.times import ALLOWED_DATE, ALLOWED_TIME, parse_date, parse_time

NOW_NS = 1_795_255_650_000_000_000
"""2026-11-21T10:07:30Z."""

DAY_NS = 86_400_000_000_000


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("2026-11-21T10:07:30Z", 1_795_255_650_000_000_000),
        ("2026-11-21t10:07:30z", 1_795_255_650_000_000_000),
        ("2026-11-21 10:07:30Z", 1_795_255_650_000_000_000),
        ("2026-11-21T11:07:30+01:00", 1_795_255_650_000_000_000),
        ("2026-11-21T11:07:30 01:00", 1_795_255_650_000_000_000),
        ("2026-11-21T04:37:30-05:30", 1_795_255_650_000_000_000),
        ("2026-11-21T10:07:30.5Z", 1_795_255_650_500_000_000),
        ("2026-11-21T10:07:30.123456789Z", 1_795_255_650_123_456_789),
        ("2026-11-21T10:07:30.1234567891Z", 1_795_255_650_123_456_789),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000_000),
        ("2026-11-21", 1_795_219_200_000_000_000),
        ("1970-01-01", 0),
        ("1795255650", 1_795_255_650_000_000_000),
        ("1795255650.25", 1_795_255_650_250_000_000),
        ("0", 0),
        ("10m", 1_795_255_050_000_000_000),
        ("2h30m", 1_795_246_650_000_000_000),
        ("7d", NOW_NS - 7 * DAY_NS),
        ("0s", NOW_NS),
        ("100000d", 0),
        (" 10m ", 1_795_255_050_000_000_000),
    ],
)
def test_a_time_is_read_in_every_form(text: str, expected_ns: int) -> None:
    """RFC 3339, a date, seconds since the epoch and a duration ago name a nanosecond."""
    assert parse_time(text, NOW_NS) == expected_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-21T10:07:30",
        "2026-11-21T10:07Z",
        "2026-02-30",
        "2026-13-01T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:60:00Z",
        "2026-11-21T10:07:61Z",
        "2026-11-21T10:07:30+24:00",
        "2026-11-21T10:07:30+01:60",
        "2026-11-21T10:07:30.Z",
        "1969-12-31",
        "1969-12-31T23:59:59Z",
        "-5",
        "1795255650000",
        "1e9",
        "١٧٩٥",
        "1" * 13,
        "10x",
        "-10m",
        "9" * 400 + "d",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """No zone, no such day or hour, before the epoch, milliseconds, or anything else."""
    with pytest.raises(ValueError, match=f"^{ALLOWED_TIME}$"):
        parse_time(text, NOW_NS)


def test_a_day_starts_at_midnight_utc() -> None:
    """A date is its first nanosecond."""
    assert parse_date("2026-11-21") == 1_795_219_200_000_000_000


def test_only_a_date_is_a_date() -> None:
    """A time is not taken for its day."""
    with pytest.raises(ValueError, match=f"^{ALLOWED_DATE}$"):
        parse_date("2026-11-21T10:07:30Z")


@given(st.integers(0, 253_402_300_799), st.integers(0, 999_999_999))
def test_each_nanosecond_can_be_named(seconds: int, fraction: int) -> None:
    """What is written as RFC 3339 or as seconds is read back exactly."""
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    expected_ns = seconds * 1_000_000_000 + fraction
    assert parse_time(f"{moment}.{fraction:09d}Z", NOW_NS) == expected_ns
    assert parse_time(f"{seconds}.{fraction:09d}", NOW_NS) == expected_ns
