"""Pushed NDJSON: what a line may say, and how bad ones are told."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.decode.ndjson import Entries, LineError, NdjsonDecoder, RefusedLine, json_lines
from relay.entry import UNSAID, Level, Stream

NOW_NS = 1_795_255_350_000_000_000


def decode(*lines: str, max_line_bytes: int = 256) -> Entries:
    """Decode lines that come at once."""
    text = "".join(line + "\n" for line in lines)
    return NdjsonDecoder(max_line_bytes).feed(text.encode(), NOW_NS)


def reason(line: str) -> str:
    """Return why a line is refused."""
    (error,) = decode(line).errors
    assert error.line == 1
    return error.reason


def test_only_messages() -> None:
    """What no line says has no column."""
    entries = decode('{"message":"a"}', '{"message":"b\\nc"}', '{"message":""}')
    assert entries.lines.split() == [b"a", b"b\nc", b""]
    assert (entries.timestamps, entries.levels) == (None, None)
    assert (entries.fields, entries.places) == (None, None)
    assert (entries.parts, entries.rejected) == (frozenset(), 0)


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        ('"2026-11-21T09:47:30.123456789Z"', 1_795_254_450_123_456_789),
        ('"2026-11-21T10:47:30+01:00"', 1_795_254_450_000_000_000),
        ("1795254450", 1_795_254_450_000_000_000),
        ('"1795254450"', 1_795_254_450_000_000_000),
        ("1795254450.5", 1_795_254_450_500_000_000),
        ("1795254450123", 1_795_254_450_123_000_000),
        ("1795254450123456", 1_795_254_450_123_456_000),
        ("1795254450123456789", 1_795_254_450_123_456_789),
        ("null", NOW_NS),
        ("0", 0),
    ],
)
def test_timestamps(value: str, ns: int) -> None:
    """RFC 3339, or a number whose size tells its unit; a line without has the present."""
    entries = decode(f'{{"message":"a","timestamp":{value}}}', '{"message":"b","timestamp":1}')
    assert entries.timestamps is not None
    assert list(entries.timestamps) == [ns, 1_000_000_000]


@pytest.mark.parametrize(
    ("value", "level"),
    [
        ('"error"', Level.ERROR),
        ('"WARNING"', Level.WARN),
        ('"crit"', Level.FATAL),
        ("20", Level.DEBUG),
        ("60", Level.FATAL),
        ('"unknown"', UNSAID),
        ("null", UNSAID),
    ],
)
def test_levels(value: str, level: int) -> None:
    """Words in any case and pino's numbers."""
    entries = decode(f'{{"message":"a","level":{value}}}', '{"message":"b","level":"info"}')
    assert entries.levels == bytes([level, Level.INFO])
    assert entries.fields is None


@pytest.mark.parametrize("value", ['"loud"', "33", "true", '{"a":1}'])
def test_a_level_that_is_none_stays_among_the_fields(value: str) -> None:
    """Nothing that was said is lost."""
    entries = decode(f'{{"message":"a","level":{value}}}')
    assert entries.levels == bytes([UNSAID])
    assert entries.fields is not None
    assert entries.fields.split() == [b'{"level":%s}' % value.encode()]


def test_places_and_parts() -> None:
    """Run, instance and stream of each line."""
    entries = decode(
        '{"message":"a","run":"r","instance":"i","stream":"stderr","part":true}', '{"message":"b"}'
    )
    assert entries.places == [("r", "i", Stream.STDERR), (None, None, None)]
    assert entries.parts == frozenset([0])


def test_fields_and_other_keys() -> None:
    """Keys that mean nothing to us join the fields, which beat them."""
    entries = decode(
        '{"message":"a","user":1,"k":2,"fields":{"k":3}}',
        '{"message":"b"}',
        '{"message":"c","id":5}',
        '{"type":"log","id":5,"seq":1,"channel":"x","source":"y","message":"d"}',
    )
    assert entries.fields is not None
    assert entries.fields.split() == [b'{"user":1,"k":3}', b"", b'{"id":5}', b""]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nonsense", "expected JSON, got 'nonsense'"),
        ("[1]", "expected an object, got [1]"),
        ("{}", "message: expected text, got nothing"),
        ('{"message":1}', "message: expected text, got 1"),
        ('{"message":"a","stream":[]}', "stream: expected one of stdout, stderr, system, got []"),
        (
            '{"message":"a","run":"/"}',
            (
                "run: expected 1 to 128 ASCII letters, digits, '.', '_', ':', '-', "
                "the first a letter, a digit or '_', got \"/\""
            ),
        ),
        (
            '{"message":"a","instance":1}',
            "instance: expected text of at most 256 characters, got 1",
        ),
        ('{"message":"a","fields":1}', "fields: expected an object, got 1"),
        (
            '{"message":"a","timestamp":"noon"}',
            (
                "timestamp: expected a time with its zone such as 2026-11-21T09:47:30Z, or "
                'seconds, ms, µs or ns since the epoch, got "noon"'
            ),
        ),
        ('"%s"' % ("x" * 100), f'expected an object, got "{"x" * 59}…'),
    ],
)
def test_bad_lines(line: str, sentence: str) -> None:
    """Each is told what was expected and what was read."""
    assert reason(line) == sentence


@pytest.mark.parametrize("value", ["true", "-1", "1e30", "[]", '"2026-11-21"', '"10m"', "1e999"])
def test_times_that_are_none(value: str) -> None:
    """A time before the epoch, without its zone, or beyond 64 bits is refused."""
    assert decode(f'{{"message":"a","timestamp":{value}}}').rejected == 1


def test_what_is_nested_too_deep() -> None:
    """It is refused as a line, not met as a fault."""
    deep = f'{{"message":"a","x":{"[" * 500}1{"]" * 500}}}'
    entries = decode(deep, max_line_bytes=4096)
    assert [error.reason for error in entries.errors] == ["expected less deeply nested objects"]


def test_bad_lines_among_good_ones() -> None:
    """They are counted and the first named; blank lines are passed over."""
    decoder = NdjsonDecoder(64)
    first = decoder.feed(b'{"message":"a"}\n\n \nbad\n{"message":"b"}\n' + b"x" * 99, NOW_NS)
    assert first.lines.split() == [b"a", b"b"]
    assert first.errors == (RefusedLine(4, "expected JSON, got 'bad'"),)
    second = decoder.feed(b'\n{"message":"c"}\n' + b"bad\n" * 20, NOW_NS)
    assert second.lines.split() == [b"c"]
    assert second.rejected == 21
    assert second.errors[:2] == (
        RefusedLine(6, "expected at most 64 bytes, got more"),
        RefusedLine(8, "expected JSON, got 'bad'"),
    )
    assert len(second.errors) == 10


ENTRY = st.fixed_dictionaries(
    {"message": st.text(st.characters(exclude_categories=["Cs"]), max_size=8)},
    optional={
        "level": st.sampled_from(["info", "error", "loud"]),
        "timestamp": st.integers(0, 10**18),
        "stream": st.sampled_from(["stdout", "stderr"]),
        "run": st.sampled_from(["a", "b"]),
        "k": st.integers(),
    },
)
LINE = st.one_of(
    ENTRY.map(lambda entry: json.dumps(entry).encode()),
    st.binary(max_size=8).map(lambda data: data.replace(b"\n", b"")),
    st.sampled_from(
        [b"", b'{"message":"x"},{"message":"y"}', b'{"message":"x', b'"}', b"[", b"]"]
    ),
)


def rows(entries: Entries) -> list[Any]:
    """Return each entry with all that is said of it."""
    count = entries.lines.count
    nothing = [None] * count
    return list(
        zip(
            entries.lines.split(),
            entries.timestamps or [NOW_NS] * count,
            entries.levels or bytes([UNSAID]) * count,
            entries.fields.split() if entries.fields else [b""] * count,
            entries.places or [(None, None, None) for _ in nothing],
            strict=True,
        )
    )


@given(st.lists(LINE, max_size=12), st.lists(st.integers(0, 400), max_size=6), st.booleans())
def test_pieces_do_not_matter(lines: list[bytes], cuts: list[int], ended: bool) -> None:
    """Whole, in pieces or line by line: the same entries and the same bad lines."""
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    wanted, bad = [], []
    for number, line in enumerate(lines, 1):
        alone = NdjsonDecoder(1 << 20).feed(line + b"\n", NOW_NS)
        wanted += rows(alone)
        bad += [RefusedLine(number, error.reason) for error in alone.errors]
    decoder = NdjsonDecoder(1 << 20)
    got: list[Any] = []
    errors: list[RefusedLine] = []
    rejected = 0
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(bounds)]
    for entries in [*(decoder.feed(piece, NOW_NS) for piece in pieces), decoder.finish(NOW_NS)]:
        got += rows(entries)
        errors += entries.errors
        rejected += entries.rejected
    assert got == wanted
    assert rejected == len(bad)
    assert set(errors) <= set(bad)


def test_json_bodies_become_lines() -> None:
    """One object or an array of them."""
    assert json_lines(b' {"a" : 1} ') == b'{"a":1}\n'
    assert json_lines(b'[{"a":"\\n"},\n2]') == b'{"a":"\\n"}\n2\n'
    with pytest.raises(LineError, match=r"^expected an object or an array of objects, got 1$"):
        json_lines(b"1")
