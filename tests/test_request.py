"""Reading what a reader asks for."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.entry import Level, Stream
from relay.errors import QueryError
from relay.parameters import PARAMETERS
from relay.query import Query
from relay.request import Request, parse, parse_id

NOW_NS = 1_795_255_650_000_000_000
"""2026-11-21T10:07:30Z."""


def read(*pairs: tuple[str, str]) -> Request:
    """Read a request now."""
    return parse(pairs, now_ns=NOW_NS)


def refusal(*pairs: tuple[str, str]) -> str:
    """Return why a request is wrong."""
    with pytest.raises(QueryError) as caught:
        read(*pairs)
    return str(caught.value)


def test_nothing_asks_for_everything() -> None:
    """All parameters may be left out."""
    assert read() == Request(Query())
    assert read().limit == 500
    assert read().follow


def test_every_parameter_is_read() -> None:
    """Each lands in its place, as a typed value."""
    request = read(
        ("channel", "web,api-*"),
        ("source", "docker"),
        ("instance", "web-1"),
        ("run", "job-1.*"),
        ("stream", "stderr"),
        ("level", "warn,error"),
        ("q", "Refused"),
        ("regex", r"\d+"),
        ("exclude", "Health"),
        ("exclude", "/^#/"),
        ("field", "http.status:500:1"),
        ("since", "2026-11-21T10:00:00Z"),
        ("until", "10s"),
        ("after", "17"),
        ("before", "99"),
        ("tail", "10"),
        ("limit", "20"),
        ("offset", "30"),
        ("order", "desc"),
        ("context", "3"),
        ("wait", "25s"),
        ("follow", "0"),
        ("format", "ndjson"),
        ("batch", "100"),
        ("gaps", "1"),
        ("total", "true"),
    )
    assert request == Request(
        query=Query(
            channels=("api-*", "web"),
            sources=("docker",),
            instances=("web-1",),
            runs=("job-1.*",),
            streams=frozenset([Stream.STDERR]),
            levels=frozenset([Level.WARN, Level.ERROR]),
            text=("refused",),
            regex=(r"\d+",),
            exclude=("health",),
            exclude_regex=("^#",),
            fields=(("http.status", "500:1"),),
            since_ns=1_795_255_200_000_000_000,
            until_ns=NOW_NS - 10_000_000_000,
        ),
        after=17,
        before=99,
        tail=10,
        limit=20,
        offset=30,
        order="desc",
        context=3,
        wait_seconds=25.0,
        follow=False,
        format="ndjson",
        batch=100,
        gaps=True,
        total=True,
    )


def test_the_order_of_parameters_does_not_matter() -> None:
    """Equal requests are equal values, so that answers are shared."""
    pairs = [("channel", "b"), ("channel", "a,b"), ("q", "X"), ("q", "y"), ("level", "WARNING")]
    assert {read(*order) for order in permutations(pairs)} == {
        read(("level", "warn"), ("channel", "a , b"), ("q", "Y"), ("q", "x"))
    }


@pytest.mark.parametrize(
    "pairs",
    [
        [("channel", "*")],
        [("channel", "web,*")],
        [("q", "")],
        [("regex", "")],
        [("stream", "stdout,stderr,system")],
        [("level", "unknown,trace,debug,info,warn,error,fatal")],
    ],
)
def test_what_restricts_nothing_is_no_condition(pairs: list[tuple[str, str]]) -> None:
    """Such a request has the canonical form of one that says nothing."""
    assert read(*pairs).query == Query()


def test_a_least_level_takes_in_what_is_worse() -> None:
    """``unknown`` never satisfies it, and both conditions hold together."""
    worse = frozenset([Level.ERROR, Level.FATAL])
    assert read(("min_level", "Error")).query.levels == worse
    assert read(("min_level", "trace")).query.levels == frozenset(Level) - {Level.UNKNOWN}
    both = read(("min_level", "error"), ("level", "info,fatal")).query.levels
    assert both == frozenset([Level.FATAL])


def test_a_date_is_a_day() -> None:
    """From its first moment to that of the next day, UTC."""
    query = read(("date", "2026-11-21")).query
    assert (query.since_ns, query.until_ns) == (
        1_795_219_200_000_000_000,
        1_795_305_600_000_000_000,
    )


def test_last_event_id_beats_after() -> None:
    """What EventSource brings is newer than what stood in its URL."""
    assert read(("after", "5"), ("last_event_id", "9")).after == 9
    assert read(("after", "5")).after == 5


def test_an_id_is_read_by_itself() -> None:
    """As it comes in a header."""
    assert parse_id("Last-Event-ID", "1795255350123456") == 1_795_255_350_123_456
    with pytest.raises(QueryError) as caught:
        parse_id("Last-Event-ID", "abc")
    assert str(caught.value) == (
        "Last-Event-ID: expected a whole number from 0 to 9007199254740991, got 'abc'"
    )


LEVELS = "trace, debug, info, warn, error, fatal, warning"
TIME = (
    "a time with its zone such as 2026-11-21T09:47:30Z, a date such as 2026-11-21, "
    "seconds since the epoch, or how long ago such as 10m or 2h30m"
)
NAMES = "names or globs, separated by commas"


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (
            [("chanel", "web")],
            "chanel: expected a known parameter, perhaps 'channel', got 'web'",
        ),
        (
            [("zzz", "1")],
            f"zzz: expected one of the parameters {', '.join(PARAMETERS)}, got '1'",
        ),
        ([("limit", "1"), ("limit", "2")], "limit: expected one value, got '1, 2'"),
        ([("limit", "0")], "limit: expected a whole number from 1 to 10000, got '0'"),
        ([("limit", "10001")], "limit: expected a whole number from 1 to 10000, got '10001'"),
        ([("limit", "-1")], "limit: expected a whole number from 1 to 10000, got '-1'"),
        ([("limit", "1.5")], "limit: expected a whole number from 1 to 10000, got '1.5'"),
        ([("limit", "٣")], "limit: expected a whole number from 1 to 10000, got '٣'"),
        ([("limit", "")], "limit: expected a whole number from 1 to 10000, got ''"),
        (
            [("after", "9" * 20)],
            f"after: expected a whole number from 0 to 9007199254740991, got '{'9' * 20}'",
        ),
        ([("tail", "x")], "tail: expected a whole number from 0 to 10000, got 'x'"),
        ([("context", "1001")], "context: expected a whole number from 0 to 1000, got '1001'"),
        ([("batch", "0")], "batch: expected a whole number from 1 to 10000, got '0'"),
        ([("follow", "maybe")], "follow: expected one of 1, 0, true, false, got 'maybe'"),
        ([("order", "up")], "order: expected one of asc, desc, got 'up'"),
        (
            [("wait", "61s")],
            "wait: expected a duration of at most 60s such as 25s, got '61s'",
        ),
        ([("wait", "25")], "wait: expected a duration of at most 60s such as 25s, got '25'"),
        (
            [("level", "warn,loud")],
            f"level: expected one or more of unknown, {LEVELS}, separated by commas, got 'loud'",
        ),
        (
            [("level", "")],
            f"level: expected one or more of unknown, {LEVELS}, separated by commas, got ''",
        ),
        ([("min_level", "unknown")], f"min_level: expected one of {LEVELS}, got 'unknown'"),
        (
            [("stream", "x")],
            "stream: expected one or more of stdout, stderr, system, separated by commas, got 'x'",
        ),
        ([("channel", "a b")], f"channel: expected channels: {NAMES}, got 'a b'"),
        ([("channel", "a,,b")], f"channel: expected channels: {NAMES}, got 'a,,b'"),
        ([("exclude", "")], "exclude: expected text, or a pattern between slashes, got ''"),
        ([("field", "status")], "field: expected key:value, got 'status'"),
        ([("field", ":1")], "field: expected key:value, got ':1'"),
        ([("q", "a")] * 17, "q: expected at most 16 values, got 'a'"),
        (
            [("run", ",".join(["a"] * 101))],
            "run: expected at most 100 values, got 'a'",
        ),
        ([("q", "\ud800")], r"q: expected text that can be written as UTF-8, got '\ud800'"),
        ([("q", "a" * 4097)], f"q: expected at most 4096 characters, got '{'a' * 100}…'"),
        (
            [("since", "noon")],
            f"since: expected {TIME}, got 'noon'",
        ),
        (
            [("since", "10m"), ("until", "20m")],
            "until: expected a time that is not before since=10m, got '20m'",
        ),
        (
            [("date", "today")],
            "date: expected a date from 1970 on such as 2026-11-21, got 'today'",
        ),
        (
            [("date", "2026-11-21"), ("since", "10m")],
            "date: expected neither since nor until beside it, got '2026-11-21'",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(
    pairs: list[tuple[str, str]], sentence: str
) -> None:
    """The parameter, what was read, and what would have been right."""
    assert refusal(*pairs) == sentence


def test_two_slashes_are_text() -> None:
    """There is no pattern between them."""
    assert read(("exclude", "//")).query.exclude == ("//",)


@given(st.lists(st.tuples(st.sampled_from([*PARAMETERS]), st.text(max_size=12)), max_size=4))
def test_any_request_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    """A hashable value, the same in any order, or an error that names one of the parameters."""
    assert outcome(pairs) in {*dict(pairs), outcome(pairs[::-1])}


def outcome(pairs: list[tuple[str, str]]) -> object:
    """Return the request, or the name of the parameter that is wrong."""
    try:
        return read(*pairs)
    except QueryError as error:
        return error.parameter
