"""Queries, run over blocks."""

from dataclasses import replace

import pytest

from relay.block import Block, Column
from relay.entry import Level, Origin, Stream
from relay.errors import QueryError
from relay.lines import Lines
from relay.matcher import ALL, NONE, MatchCache, Matcher
from relay.query import Query
from relay.request import parse

ORIGINS = (
    Origin("docker", "web-1", "web-1.8f3a", Stream.STDOUT),
    Origin("docker", "web-2", "web-2.77aa", Stream.STDERR),
    Origin("files"),
)

ENTRIES = [
    b"GET / 200",
    b"get /admin 403",
    b"",
    b'{"status": 500, "user": {"name": "Zo\xc3\xab"}, "tags": ["a", "b"], "ok": true}',
]


def block(
    entries: list[bytes] = ENTRIES,
    levels: bytes = bytes([Level.INFO, Level.WARN, Level.UNKNOWN, Level.ERROR]),
    origin_index: bytes | None = bytes([0, 1, 2, 0]),
    timestamps: Column | None = None,
    origins: tuple[Origin, ...] = ORIGINS,
) -> Block:
    """Make a block of four entries."""
    return Block(
        channel="web",
        first_id=1,
        first_seq=1,
        lines=Lines.of(entries),
        levels=levels,
        origins=origins,
        origin_index=origin_index,
        arrival_ns=1000,
        timestamps=timestamps,
    )


def selected(parameters: str, of: Block | None = None) -> list[int]:
    """Return the indexes of the entries that ``name=value&…`` selects."""
    pairs = [pair.partition("=")[::2] for pair in parameters.split("&")]
    selection = Matcher(parse(pairs, now_ns=0).query).select(of or block())
    if isinstance(selection, bytes):
        assert set(selection) == {0, 1}
        return [index for index, flag in enumerate(selection) if flag]
    return [0, 1, 2, 3] if selection is ALL else []


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("level=warn,error", [1, 3]),
        ("level=unknown", [2]),
        ("level=fatal", []),
        ("min_level=info", [0, 1, 3]),
        ("min_level=warn&level=warn,info", [1]),
        ("min_level=error&level=info", []),
        ("source=files", [2]),
        ("source=d*", [0, 1, 3]),
        ("instance=web-?", [0, 1, 3]),
        ("instance=*", [0, 1, 3]),
        ("run=web-2.*", [1]),
        ("run=web-2.77aa,web-1.8f3a", [0, 1, 3]),
        ("run=none", []),
        ("stream=stderr", [1]),
        ("stream=stdout", [0, 2, 3]),
        ("stream=system", []),
        ("stream=stdout&source=docker", [0, 3]),
        ("q=GET", [0, 1]),
        ("q=get&q=403", [1]),
        ("q=zoë", [3]),
        ("q=ZOË", [3]),
        ("q=nowhere", []),
        ("regex=^GET", [0]),
        ("regex=(?i)^get&regex=\\d{3}$", [0, 1]),
        ("exclude=GET", [2, 3]),
        ("exclude=/^GET/", [1, 2, 3]),
        ("exclude=get&exclude=status", [2]),
        ("exclude=/./", [2]),
        ("exclude=/^/", []),
        ("q=get&exclude=admin", [0]),
        ("level=info&q=admin", []),
        ("field=status:500", [3]),
        ("field=status:500.0", [3]),
        ("field=status:50", []),
        ("field=status:x", []),
        ("field=user.name:Zoë", [3]),
        ("field=user.name:zoë", []),
        ("field=tags:b", [3]),
        ("field=ok:true", [3]),
        ("field=ok:1", []),
        ("field=user:Zoë", []),
        ("field=status:500&field=ok:false", []),
        ("field=status:500&level=info", []),
        ("since=0.000001", [0, 1, 2, 3]),
        ("since=0.000001001", []),
        ("until=0.000001001", [0, 1, 2, 3]),
        ("until=0.000001", []),
        ("channel=other", [0, 1, 2, 3]),
    ],
)
def test_each_parameter_selects_its_entries(parameters: str, expected: list[int]) -> None:
    """Every condition alone, and several together."""
    assert selected(parameters) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("since=0.000000020", [1, 2, 3]),
        ("until=0.000000020", [0]),
        ("since=0.000000020&until=0.000000030", [1, 3]),
        ("since=0.000000005&until=0.000000031", [0, 1, 2, 3]),
        ("since=0.000000031", []),
        ("until=0.000000010", []),
    ],
)
def test_times_are_those_of_the_entries(parameters: str, expected: list[int]) -> None:
    """From ``since`` on, and before ``until``, in whatever order the entries stand."""
    assert selected(parameters, block(timestamps=Column([10, 20, 30, 25]))) == expected


def test_one_origin_decides_for_a_whole_block() -> None:
    """A block without an index of origins is of the first."""
    assert selected("source=docker", block(origin_index=None)) == [0, 1, 2, 3]
    assert selected("source=files", block(origin_index=None)) == []


def test_a_field_may_have_a_name_with_dots() -> None:
    """A dotted key is found as it stands, and as a path."""
    entries = [b'{"a.b": 1}', b' {"a": {"b": 1}}', b'{"a": {"x": {"b": 1}}}', b'x {"a.b": 1}']
    assert selected("field=a.b:1", block(entries)) == [0, 1]


def test_what_is_no_json_object_has_no_fields() -> None:
    """Broken JSON, a list and plain text are passed over."""
    entries = [b'{"a": 1', b'[{"a": 1}]', b"a: 1", b'{"b": {"a": null}, "a": null}']
    assert selected("field=a:null", block(entries)) == [3]


def test_fields_besides_the_line_count_as_its_own() -> None:
    """Those that its source found; a condition may hold in either, several in both together."""
    given = Block(
        channel="web",
        first_id=1,
        first_seq=1,
        lines=Lines.of([b"plain", b'{"a": 1}', b'{"a": 1}', b"other a"]),
        levels=bytes(4),
        origins=ORIGINS,
        fields=Lines.of([b'{"a":"1","b":"2"}', b"", b'{"b":"2"}', b'{"c":"1"}']),
    )
    assert selected("field=a:1", given) == [0, 1, 2]
    assert selected("field=b:2", given) == [0, 2]
    assert selected("field=a:1&field=b:2", given) == [0, 2]
    assert selected("field=c:2", given) == []
    assert selected("field=d:2", given) == []


def test_text_is_not_found_across_entries() -> None:
    """A text that holds a newline lies in one entry or not at all."""
    assert selected("q=a\nb", block([b"a", b"b", b"a\nb", b"b"])) == [2]


def test_a_wrong_pattern_is_refused_by_the_name_of_its_parameter() -> None:
    """The error of an excluded pattern names ``exclude``."""
    with pytest.raises(QueryError) as caught:
        Matcher(Query(exclude_regex=("a(?=b)",)))
    assert str(caught.value) == "exclude: expected a pattern without look-around (?=, got 'a(?=b)'"


def test_equal_queries_share_one_run_per_block() -> None:
    """However they were spelt, and whoever asks."""
    cache = MatchCache()
    first, second = block(), block()
    query = parse([("level", "warn,error"), ("q", "GET")], now_ns=0).query
    same = parse([("q", "get"), ("level", "ERROR"), ("level", "warning")], now_ns=5).query
    assert cache.select(first, query) == bytes([0, 1, 0, 0])
    assert cache.select(first, same) == bytes([0, 1, 0, 0])
    assert cache.runs == 1
    cache.select(second, same)
    cache.select(first, replace(query, text=()))
    assert cache.runs == 3


def test_a_query_of_channels_alone_runs_nothing() -> None:
    """Every entry of the channels is wanted, and nothing is kept."""
    cache = MatchCache()
    assert cache.select(block(), Query(channels=("web",))) is ALL
    assert cache.runs == 0
    assert cache.bytes == 0


def test_a_query_that_nothing_satisfies_selects_nothing() -> None:
    """An empty set of levels is a condition."""
    assert MatchCache().select(block(), Query(levels=frozenset())) is NONE


def test_the_cache_forgets_what_was_used_least_recently() -> None:
    """Its size stays within its bound, and what is asked for again stays."""
    query = Query(levels=frozenset([Level.WARN]))
    cache = MatchCache(max_bytes=600 + 2 * query.size_bytes)
    blocks = [block(), block(), block()]
    cache.select(blocks[0], query)
    cache.select(blocks[1], query)
    cache.select(blocks[0], query)
    cache.select(blocks[2], query)
    assert cache.bytes <= cache.max_bytes
    assert cache.runs == 3
    cache.select(blocks[0], query)
    assert cache.runs == 3
    cache.select(blocks[1], query)
    assert cache.runs == 4


def test_a_prepared_matcher_is_used_while_it_is_held() -> None:
    """Whoever prepares the same query again gets the same one."""
    cache = MatchCache()
    query = Query(regex=("a+",))
    matcher = cache.prepare(query)
    assert cache.prepare(Query(regex=("a+",))) is matcher
