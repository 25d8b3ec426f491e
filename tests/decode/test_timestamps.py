"""When lines happened."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.decode.timestamps import TimeFinder, formatted, shapes

SECOND_NS = 1_000_000_000


def ns(text: str) -> int:
    """Return an ISO time in UTC, with up to nine digits, as nanoseconds."""
    whole, _, fraction = text.partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * SECOND_NS + int(fraction.ljust(9, "0"))


NOW = ns("2026-11-21 12:00:00")


def found(
    line: str, form: str | None = None, zone: tzinfo | None = UTC, now_ns: int = NOW
) -> int | None:
    """Return the time of one line."""
    given = None if form is None else formatted(form)
    return TimeFinder(zone, given).find([line.encode()], now_ns)[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2026-11-21T09:47:30Z x", "2026-11-21 09:47:30"),
        ("2026-11-21 09:47:30,123 x", "2026-11-21 09:47:30.123"),
        ("2026-11-21T09:47:30.123456789Z", "2026-11-21 09:47:30.123456789"),
        ("[2026-11-21 09:47:30.5] x", "2026-11-21 09:47:30.5"),
        ("2026-11-21T09:47:30+02:00 x", "2026-11-21 07:47:30"),
        ("2026-11-21 09:47:30.5 -0330 x", "2026-11-21 13:17:30.5"),
        ("2026-11-21 09:47:30+02 x", "2026-11-21 07:47:30"),
        ("2026-11-21 09:47:30 +02 x", "2026-11-21 09:47:30"),
        ("2026-11-21 09:47:30 UTC x", "2026-11-21 09:47:30"),
        ("<34>1 2026-11-21T09:47:30Z host", "2026-11-21 09:47:30"),
        ("2026/11/21 09:47:30 [error] 7#7: x", "2026-11-21 09:47:30"),
        ("Nov 21 09:47:30 host x", "2026-11-21 09:47:30"),
        ("<13>Nov  1 09:47:30 host x", "2026-11-01 09:47:30"),
        ("[Sat Nov 21 09:47:30.25 2026] [x]", "2026-11-21 09:47:30.25"),
        ('::1 - me [12/Oct/2026:09:47:30 +0200] "GET /"', "2026-10-12 07:47:30"),
        ('web:80 1.2.3.4 - - [12/Oct/2026:09:47:30 +0000] "', "2026-10-12 09:47:30"),
        ("[12/Oct/2026:09:47:30] x", "2026-10-12 09:47:30"),
        ("E1121 09:47:30.123456       1 x.go:1] y", "2026-11-21 09:47:30.123456"),
        ("1795254450 x", "2026-11-21 09:47:30"),
        ("1795254450.25: x", "2026-11-21 09:47:30.25"),
        ("1795254450123 x", "2026-11-21 09:47:30.123"),
        ("1795254450123456789", "2026-11-21 09:47:30.123456789"),
        ('{"time":"2026-11-21T09:47:30Z"}', "2026-11-21 09:47:30"),
        ('{"a":{"time":1},"@timestamp":"2026-11-21 09:47:30"}', "2026-11-21 09:47:30"),
        ('{"time":"soon","ts":1795254450.25}', "2026-11-21 09:47:30.25"),
        ('{"ts":1795254450123}', "2026-11-21 09:47:30.123"),
        ("2016-12-31T23:59:60Z", "2017-01-01 00:00:00"),
    ],
)
def test_the_usual_shapes_are_found(line: str, expected: str) -> None:
    """At the line's head, and in keys of JSON."""
    assert found(line) == ns(expected)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "at 2026-11-21T09:47:30Z",
        "2026-13-21 09:47:30",
        "2026-02-29 09:47:30",
        "2026-11-21 24:00:00",
        "9999-11-21 09:47:30",
        "1969-11-21 09:47:30",
        "12345678901 x",
        "1795254450.4.5 x",
        "9999999999999999999",
        '{"time":true,"ts":-1795254450}',
        '{"ts":1e400}',
        '{"time": broken',
        "[",
    ],
)
def test_what_is_no_time_is_none(line: str) -> None:
    """Nothing is guessed."""
    assert found(line) is None


@pytest.mark.parametrize(
    ("line", "now", "expected"),
    [
        ("Dec 31 23:59:59 x", "2026-01-01 00:00:10", "2025-12-31 23:59:59"),
        ("Jan  1 00:00:01 x", "2025-12-31 23:59:50", "2026-01-01 00:00:01"),
        ("Jan  2 00:00:01 x", "2025-12-31 23:59:50", "2025-01-02 00:00:01"),
        ("Feb 29 10:00:00 x", "2026-11-21 12:00:00", "2024-02-29 10:00:00"),
        ("E1231 23:00:00.5 1 x", "2026-01-01 00:00:10", "2025-12-31 23:00:00.5"),
    ],
)
def test_a_missing_year_is_the_latest_that_is_not_to_come(
    line: str, now: str, expected: str
) -> None:
    """A clock may be ahead by a day."""
    finder = TimeFinder(UTC)
    finder.find([line.encode()], ns("2030-06-01 00:00:00"))
    assert finder.find([line.encode()], ns(now)) == [ns(expected)]


DATETIMES = st.datetimes(
    datetime.fromisoformat("1999-01-01"), datetime.fromisoformat("2100-01-01")
)


@given(DATETIMES, DATETIMES)
def test_an_inferred_time_is_never_more_than_a_day_ahead(when: datetime, now: datetime) -> None:
    """And never so long ago that a later year would have done."""
    when = when.replace(microsecond=0)
    line = f"{when:%b %d %H:%M:%S} x"
    now_seconds = int(now.replace(tzinfo=UTC).timestamp())
    time_ns = found(line, now_ns=now_seconds * SECOND_NS)
    assert time_ns is not None or (when.month, when.day) == (2, 29)
    if time_ns is not None:
        ahead = timedelta(seconds=time_ns // SECOND_NS - now_seconds)
        assert ahead <= timedelta(days=1)
        leap = (when.month, when.day) == (2, 29)
        assert ahead > timedelta(days=-8 * 366 if leap else -366)


def test_a_time_without_a_zone_is_in_the_configured_one() -> None:
    """In winter and in summer; one that is named counts."""
    berlin = ZoneInfo("Europe/Berlin")
    assert found("2026-11-21 09:47:30 x", zone=berlin) == ns("2026-11-21 08:47:30")
    assert found("2026-07-21 09:47:30 x", zone=berlin) == ns("2026-07-21 07:47:30")
    assert found("2026-07-21 09:47:30Z x", zone=berlin) == ns("2026-07-21 09:47:30")
    local = datetime.fromisoformat("2026-07-21 09:47:30").timestamp()
    assert found("2026-07-21 09:47:30 x", zone=None) == int(local) * SECOND_NS


@pytest.mark.parametrize(
    ("form", "line", "expected"),
    [
        ("%d.%m.%Y %H:%M:%S.%f", "[web] 21.11.2026 09:47:30.25 x", "2026-11-21 09:47:30.25"),
        ("%D %I:%M %p", "11/21/26 09:47 pm", "2026-11-21 21:47:00"),
        ("%A, %e %B %Y %T %z", "saturday, 21 november 2026 09:47:30 +01:00 x",
         "2026-11-21 08:47:30"),
        ("%Y%j %R", "2026325 09:47", "2026-11-21 09:47:00"),
        ("@%s.%f", "x @1795254450.5", "2026-11-21 09:47:30.5"),
        ("%H:%M:%S", "09:47:30 x", "2026-11-21 09:47:30"),
        ("%F", "on 2026-11-21", "2026-11-21 00:00:00"),
        ("100%% %F", "100% 2026-11-21", "2026-11-21 00:00:00"),
    ],
)  # fmt: skip
def test_a_format_is_found_anywhere(form: str, line: str, expected: str) -> None:
    """The first place in a line where it stands."""
    assert found(line, form) == ns(expected)
    assert found("none", form) is None


KNOWN = "%% %A %B %D %F %H %I %M %R %S %T %Y %a %b %d %e %f %j %m %p %s %y %z"


@pytest.mark.parametrize(
    ("form", "allowed"),
    [
        ("%Q", f'"auto" or a format such as "%d.%m.%Y %H:%M:%S", made of {KNOWN}'),
        ("now", f'"auto" or a format such as "%d.%m.%Y %H:%M:%S", made of {KNOWN}'),
        ("%H %T", "a format that says each thing once"),
        ("%M", "a format with a day, an hour or %s"),
    ],
)
def test_a_format_that_cannot_be_read_is_refused(form: str, allowed: str) -> None:
    """With what would have been right."""
    with pytest.raises(ValueError, match=f"^{re.escape(allowed)}$"):
        formatted(form)


HEADS = [
    "2026-11-21T09:47:30Z ", "[2026-11-21 09:47:30] ", "2026/11/21 09:47:30 ", "1795254450 ",
    "Nov 21 09:47:30 host ", "<13>Nov 21 09:47:30 ", "E1121 09:47:30.1 ", "1795254450123 ",
    "1.2.3.4 - - [12/Oct/2026:09:47:30 +0000] ", "Sat Nov 21 09:47:30 2026 ",
    "[12/Oct/2026:", "x ",
]  # fmt: skip
LINES = st.lists(st.sampled_from(HEADS), max_size=3).map("".join)


@given(LINES)
def test_a_line_is_of_one_shape_at_most(line: str) -> None:
    """So the order in which they are tried does not matter."""
    assert sum(shape.match(line.encode()) is not None for shape in shapes) <= 1


@given(st.lists(LINES, max_size=8))
def test_lines_together_have_the_times_that_each_has_alone(lines: list[str]) -> None:
    """Whatever came before."""
    together = TimeFinder(UTC).find([line.encode() for line in lines], NOW)
    assert together == [found(line) for line in lines]


def test_no_two_shapes_have_as_many_groups() -> None:
    """What was converted is known by its groups alone."""
    sizes = [len(shape.named) for shape in shapes]
    assert len(sizes) == len(set(sizes))
