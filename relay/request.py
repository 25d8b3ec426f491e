"""What a reader asks for, as one value: which entries, and how they are handed over."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from relay.entry import Level, Stream
from relay.errors import QueryError
from relay.parameters import PARAMETERS, Parameters, parse_whole
from relay.quantities import parse_duration
from relay.query import Query
from relay.times import parse_date, parse_time

__all__ = ["DEFAULT_LIMIT", "MAX_BUCKETS", "MAX_ENTRIES", "Request", "parse", "parse_id"]

DEFAULT_LIMIT = 500
MAX_ENTRIES = 10_000
MAX_CONTEXT = 1000
MAX_NAME_CHARACTERS = 512
"""Of a run, source or instance, which may be a path."""
MAX_WAIT_SECONDS = 60
MAX_BUCKETS = 1000
LEAST_INTERVAL_SECONDS = 0.001
MAX_INTERVAL_SECONDS = 365 * 86_400
MAX_ID = (1 << 53) - 1
"""What a JavaScript number holds exactly."""

MAX_PATTERNS = 16
"""Each costs a scan of every block."""

_LEVELS = {level.word: level for level in Level} | {"warning": Level.WARN}
_STREAMS = {stream.word: stream for stream in Stream}
_CHANNEL = re.compile(r"[A-Za-z0-9._:*?-]{1,128}", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """
    A query and how its entries are handed over; ``None`` where nothing was said.

    Args:
        query: which entries.
        after: a cursor.
        before: only entries with a lesser id.
        tail: the newest entries, at most so many.
        limit: of entries on a page.
        offset: so many entries of the page's query are passed over.
        order: of the page.
        context: so many neighbours before and after each entry.
        wait_seconds: how long an empty page is held back.
        follow: whether a stream goes on where history ends.
        format: short name of a content type.
        batch: entries come as arrays of at most so many.
        gaps: whether plain text shows gaps.
        total: whether all that match are counted.
        compress: whether a download is compressed, by gzip.
        status: whether a WebSocket gives the relay's status too.
        buckets: how many parts of equal length a histogram has.
        interval_ns: how long the parts of a histogram are.
    """

    query: Query
    after: int | None = None
    before: int | None = None
    tail: int | None = None
    limit: int = DEFAULT_LIMIT
    offset: int | None = None
    order: Literal["asc", "desc"] = "asc"
    context: int = 0
    wait_seconds: float | None = None
    follow: bool = True
    format: str | None = None
    batch: int | None = None
    gaps: bool = False
    total: bool = False
    compress: bool = False
    status: bool = False
    buckets: int | None = None
    interval_ns: int | None = None


def parse(pairs: Iterable[tuple[str, str]], *, now_ns: int) -> Request:
    """
    Read a request.

    Args:
        pairs: names and values as they stand in the URL, decoded; those that the path gives
            may be among them.
        now_ns: what ``10m`` ago is counted from, in nanoseconds since the epoch.

    Raises:
        QueryError: a parameter is unknown, wrong, or given too often. Patterns are only
            looked at by the matcher that compiles them.
    """
    given = Parameters(pairs)
    last_event_id = given.whole("last_event_id", 0, MAX_ID)
    after = given.whole("after", 0, MAX_ID)
    return Request(
        query=_query(given, now_ns),
        after=after if last_event_id is None else last_event_id,
        before=given.whole("before", 0, MAX_ID),
        tail=given.whole("tail", 0, MAX_ENTRIES),
        limit=given.whole("limit", 1, MAX_ENTRIES) or DEFAULT_LIMIT,
        offset=given.whole("offset", 0, MAX_ID),
        order="desc" if given.choice("order", {"asc": False, "desc": True}) else "asc",
        context=given.whole("context", 0, MAX_CONTEXT) or 0,
        wait_seconds=_wait_seconds(given),
        follow=given.flag("follow", default=True),
        format=given.one("format"),
        batch=given.whole("batch", 1, MAX_ENTRIES),
        gaps=given.flag("gaps", default=False),
        total=given.flag("total", default=False),
        compress=given.choice("compress", {"gzip": True}) or False,
        status=given.flag("status", default=False),
        buckets=given.whole("buckets", 1, MAX_BUCKETS),
        interval_ns=_interval_ns(given),
    )


def parse_id(parameter: str, value: str) -> int:
    """
    Read an id, such as the header ``Last-Event-ID`` brings.

    Args:
        parameter: what to name in an error.
        value: as read.

    Raises:
        QueryError: it is no id.
    """
    return parse_whole(parameter, value, 0, MAX_ID)


def _wait_seconds(given: Parameters) -> float | None:
    value = given.one("wait")
    if value is None:
        return None
    try:
        seconds = parse_duration(value)
        if seconds <= MAX_WAIT_SECONDS:
            return seconds
    except ValueError:
        pass
    raise QueryError("wait", value, f"a duration of at most {MAX_WAIT_SECONDS}s such as 25s")


def _interval_ns(given: Parameters) -> int | None:
    value = given.one("interval")
    if value is None:
        return None
    if given.one("buckets") is not None:
        raise QueryError("interval", value, "no buckets beside it")
    try:
        seconds = parse_duration(value)
        if LEAST_INTERVAL_SECONDS <= seconds <= MAX_INTERVAL_SECONDS:
            return round(seconds * 1e9)
    except ValueError:
        pass
    raise QueryError("interval", value, "a duration from 1ms to 365d such as 10s")


def _query(given: Parameters, now_ns: int) -> Query:
    channels = _names(given, "channel")
    for name in channels:
        if not _CHANNEL.fullmatch(name):
            raise QueryError("channel", name, PARAMETERS["channel"])
    exclude, exclude_regex = _excluded(given)
    since_ns, until_ns = _times(given, now_ns)
    return Query(
        channels=() if "*" in channels else channels,
        sources=_names(given, "source"),
        instances=_names(given, "instance"),
        runs=_names(given, "run"),
        streams=_unless_all(given.members("stream", _STREAMS), len(Stream)),
        levels=_unless_all(_levels(given), len(Level)),
        text=_canonical(_lower(text) for text in given.all("q", MAX_PATTERNS) if text),
        regex=_canonical(text for text in given.all("regex", MAX_PATTERNS) if text),
        exclude=exclude,
        exclude_regex=exclude_regex,
        fields=_fields(given),
        since_ns=since_ns,
        until_ns=until_ns,
    )


def _names(given: Parameters, name: str) -> tuple[str, ...]:
    names = given.listed(name, PARAMETERS[name])
    for one in names:
        if len(one) > MAX_NAME_CHARACTERS:
            raise QueryError(name, one, f"names of at most {MAX_NAME_CHARACTERS} characters")
    return _canonical(names)


def _canonical(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _unless_all(members: frozenset[T] | None, count: int) -> frozenset[T] | None:
    return None if members is None or len(members) == count else members


def _lower(text: str) -> str:
    # Only of ASCII: others change their length or meaning ("İ", "ß"), and the matcher takes
    # them in any case by itself.
    return text.encode().lower().decode()


def _levels(given: Parameters) -> frozenset[Level] | None:
    levels = given.members("level", _LEVELS)
    known = {word: level for word, level in _LEVELS.items() if level is not Level.UNKNOWN}
    least = given.choice("min_level", known)
    if least is None:
        return levels
    worse = frozenset(level for level in Level if level >= least)
    return worse if levels is None else worse & levels


def _excluded(given: Parameters) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return excluded texts and patterns; ``/…/`` is a pattern."""
    texts, patterns = set(), set()
    for value in given.all("exclude", MAX_PATTERNS):
        if not value:
            raise QueryError("exclude", value, "text, or a pattern between slashes")
        if len(value) > 2 and value[0] == value[-1] == "/":
            patterns.add(value[1:-1])
        else:
            texts.add(_lower(value))
    return _canonical(texts), _canonical(patterns)


def _fields(given: Parameters) -> tuple[tuple[str, str], ...]:
    pairs = set()
    for value in given.all("field", MAX_PATTERNS):
        key, colon, wanted = value.partition(":")
        if not key or not colon:
            raise QueryError("field", value, "key:value")
        pairs.add((key, wanted))
    return tuple(sorted(pairs))


def _times(given: Parameters, now_ns: int) -> tuple[int | None, int | None]:
    """Return ``since`` and ``until``; ``date`` is both."""
    since, until, day = given.one("since"), given.one("until"), given.one("date")
    if day is not None:
        if since is not None or until is not None:
            raise QueryError("date", day, "neither since nor until beside it")
        start = _moment("date", day, now_ns)
        return start, start + 86_400_000_000_000
    since_ns = None if since is None else _moment("since", since, now_ns)
    until_ns = None if until is None else _moment("until", until, now_ns)
    if since_ns is not None and until is not None and until_ns is not None and until_ns < since_ns:
        raise QueryError("until", until, f"a time that is not before since={since}")
    return since_ns, until_ns


def _moment(name: str, value: str, now_ns: int) -> int:
    try:
        return parse_date(value) if name == "date" else parse_time(value, now_ns)
    except ValueError as error:
        raise QueryError(name, value, str(error)) from None
