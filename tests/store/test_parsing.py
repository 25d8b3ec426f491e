"""What is read from a segment, whole or damaged."""

import json
from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.block import Block, Column, DeclaredLoss
from relay.entry import Gap, Level, Loss, Origin, Reason, Stream
from relay.lines import Lines
from relay.marks import Missing
from relay.run import Ending
from relay.span import Span
from relay.store.parsing import Item, first_id, last_line, parse
from relay.store.segment import Record, hole, render
from tests.building import block
from tests.store.texts import joined, lines, missing, placed, whole

NOON_NS = 1_795_262_400_000_000_000


MAX_NS = (1 << 63) - 1
"""2262-04-11T23:47:16.854775807Z."""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
origins = st.builds(
    Origin,
    names,
    st.none() | names,
    st.none() | names,
    st.sampled_from(Stream),
    st.just(Level.INFO),
)
objects = st.dictionaries(texts, texts | st.integers(-5, 5) | st.just(',"message":"')).map(
    lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
)


@st.composite
def blocks(draw: st.DrawFn, id_: int, seq: int) -> Block:
    count = draw(st.integers(1, 8))
    table = draw(st.lists(origins, min_size=1, max_size=3, unique=True))
    indexes = st.binary(min_size=count, max_size=count).map(
        lambda value: bytes([one % len(table) for one in value])
    )
    times = st.lists(st.integers(-MAX_NS, MAX_NS), min_size=count, max_size=count)
    steps = draw(st.none() | st.lists(st.integers(1, 9), min_size=count, max_size=count))
    ids = None if steps is None else [id_ + sum(steps[:k]) for k in range(count)]
    fields = st.lists(st.just(b"") | objects, min_size=count, max_size=count)
    messages = draw(st.lists(texts, min_size=count, max_size=count))
    return Block(
        "web",
        id_,
        seq,
        Lines.of([text.encode() for text in messages]),
        bytes(draw(st.lists(st.sampled_from(Level), min_size=count, max_size=count))),
        tuple(table),
        draw(st.none() | indexes),
        draw(st.integers(-MAX_NS, MAX_NS)),
        draw(st.none() | times.map(lambda value: Column(array("q", value)))),
        None if ids is None else Column(ids),
        draw(st.frozensets(st.integers(0, count - 1))),
        draw(st.none() | fields.map(Lines.of)),
    )


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    """Draw what may stand in a segment, in the order of ids."""
    drawn: list[Record] = []
    id_, seq = 1, 1
    for kind in draw(st.lists(st.sampled_from(["block", "loss", "hole", "end"]), max_size=6)):
        id_ += draw(st.integers(0, 3))
        if kind == "block":
            made = draw(blocks(id_, seq))
            id_, seq = made.last_id + 1, made.last_seq + 1
            drawn.append(whole(made))
        elif kind == "loss":
            loss = draw(st.sampled_from([Loss(Reason.SOURCE), Loss(Reason.RATE, 5, 5)]))
            drawn.append(DeclaredLoss(id_, "web", loss))
            id_ += 1
        elif kind == "hole":
            count = draw(st.integers(1, 9))
            drawn.append(hole("web", id_, id_ + count, count, Reason.STORAGE))
            id_, seq = id_ + count + 1, seq + count
        else:
            drawn.append(Ending(id_, "web", "job-1", NOON_NS, "succeeded", 0))
            id_ += 1
    return drawn


def again(items: Sequence[Item]) -> list[Record]:
    """Return what was read as what is written."""
    made: list[Record] = []
    for item in items:
        if isinstance(item, Block):
            made.append(whole(item))
        elif isinstance(item, Missing):
            assert item.count is not None
            made.append(hole("web", item.first_id, item.last_id, item.count, item.reason))
        else:
            made.append(item)
    return made


def last_id_of(given_records: list[Record]) -> int:
    last = given_records[-1] if given_records else None
    if isinstance(last, Gap):
        return last.until
    return last.last_id if isinstance(last, Span | DeclaredLoss | Ending) else 0


@given(records())
def test_what_is_read_renders_to_the_same_bytes(given_records: list[Record]) -> None:
    """Ids, seqs, times, levels, origins, parts, fields and any text come back as they were."""
    text = render(given_records)
    items = parse("web", text)
    assert render(again(items)) == render(
        [record for record in given_records if not isinstance(record, Ending)]
    )
    assert joined(items) == items
    assert last_line("web", text) == (len(text), last_id_of(given_records))


def test_blocks_are_small_enough_to_be_searched() -> None:
    """At most 1,024 entries, about 64 KiB of text and 256 origins each."""
    many = parse("web", lines(3000))
    assert [item.count for item in many if isinstance(item, Block)] == [1024, 1024, 952]
    large = parse("web", render([whole(block(["x" * 40_000] * 4))]))
    assert [item.count for item in large if isinstance(item, Block)] == [1, 1, 1, 1]
    of_each = [block(["x"], 100 + k, 1 + k, origin=Origin(f"s{k}")) for k in range(300)]
    several = parse("web", render([whole(one) for one in of_each]))
    assert [item.count for item in several if isinstance(item, Block)] == [256, 44]
    assert [item.origin_at(0).source for item in several if isinstance(item, Block)] == [
        "s0",
        "s256",
    ]


def test_equal_columns_are_one_value() -> None:
    """Consecutive ids, one origin, one time and no fields cost nothing for each entry."""
    (item,) = parse("web", lines(3))
    assert isinstance(item, Block)
    assert (item.ids, item.origin_index, item.timestamps, item.fields) == (None, None, None, None)


@pytest.mark.parametrize("ns", [-MAX_NS, -1, 1 << 62, MAX_NS])
def test_any_time_that_fits_64_bits_is_read(ns: int) -> None:
    """From 1677 to 2262: what a source was given as a time is given to readers."""
    (item,) = parse("web", render([whole(block(["x"], 100, 1, timestamps=[ns]))]))
    assert isinstance(item, Block)
    assert item.entry(0).timestamp_ns == ns


GAP = (
    b'{"type":"gap","id":102,"channel":"web","after":101,"until":102,"count":1,"at_least":1,'
    b'"reason":"storage"}\n'
)


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b'{"type":"log","id":102,"seq":3,"channel":"web"\n',
        b'{"type":"log"' + bytes(80) + b"\n",
        lines(1, 102, 3).replace(b'"web"', b'"api"'),
        lines(1, 102, 3).replace(b"info", b"loud"),
        lines(1, 102, 3).replace(b"stdout", b"stdin"),
        lines(1, 102, 3).replace(b'"message":"3"', b'"message":3'),
        lines(1, 102, 3).replace(b'"message":"3"', b'"message":"a","b":"c"'),
        lines(1, 102, 3).replace(b'"message":"3"', b'"message":"\xff"'),
        lines(1, 102, 3).replace(b'"message":"3"', b'"message":"\\ud800"'),
        lines(1, 102, 3).replace(b'"source":"app"', b'"source":"\\x"'),
        lines(1, 102, 3).replace(b',"message"', b',"fields":{1},"message"'),
        lines(1, 102, 3).replace(b',"message"', b',"fields":{},{},"message"'),
        lines(1, 102, 3).replace(b"1970-01-01", b"1970-13-01"),
        lines(1, 102, 3).replace(b"1970-01-01", b"9970-01-01"),
        lines(1, 102, 3).replace(
            b"1970-01-01T00:00:00.000102000", b"2262-04-11T23:47:16.854775808"
        ),
        lines(1, 102, 3).replace(b'"id":102', b'"id":99'),
        lines(1, 102, 3).replace(b'"id":102', b'"id":902'),
        lines(1, 102, 3).replace(b'"seq":3', b'"seq":1'),
        lines(1, 102, 3).replace(b'"seq":3', b'"seq":33'),
        b'{"type":"gap","id":102}\n',
        GAP.replace(b'"count":1', b'"count":2'),
        GAP.replace(b'"id":102', b'"id":-1').replace(b"storage", b"source"),
        GAP.replace(b'"after":101', b'"after":""'),
        GAP.replace(b"storage", b"hunger"),
        GAP.replace(b"web", b"api"),
    ],
)
def test_a_damaged_line_is_missing_and_costs_no_other(line: bytes) -> None:
    """Its neighbours are read, and between them one entry is missing."""
    text = lines(2) + line + lines(2, 103, 4)
    items = joined(parse("web", text))
    assert placed(items) == [(100, 1, "1"), (101, 2, "2"), (103, 4, "4"), (104, 5, "5")]
    assert [item for item in items if not isinstance(item, Block)] == [missing(102, 102, 1)]


@given(records(), st.data())
def test_no_bytes_make_it_raise(given_records: list[Record], data: st.DataObject) -> None:
    """Whatever is overwritten, removed or put in between: ids and seqs of what is read grow."""
    text = bytearray(render(given_records))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))
    items = parse("web", bytes(text))
    entries = placed(items)
    assert entries == sorted(set(entries))
    assert [seq for _, seq, _ in entries] == sorted({seq for _, seq, _ in entries})
    assert bool(render(again(items))) == bool(items)
    length, _ = last_line("web", bytes(text))
    assert length <= len(text)


def test_a_seq_that_comes_again_is_left_out() -> None:
    """Behind a loss too: what is read grows."""
    loss = DeclaredLoss(112, "web", Loss(Reason.RATE, 9, 9))
    items = parse("web", lines(2) + render([loss]) + lines(1, 113, 2) + lines(1, 114, 3))
    assert placed(items) == [(100, 1, "1"), (101, 2, "2")]
    items = parse("web", lines(2) + render([loss, loss]) + lines(1, 113, 3))
    assert [item.last_id for item in items] == [101, 112, 113]


def test_the_first_id_of_a_chunk() -> None:
    """Of any line that has one."""
    assert first_id(lines(2)) == 100
    assert first_id(b"torn\n" + render([DeclaredLoss(7, "web", Loss(Reason.RATE, 9, 9))])) == 7
    assert first_id(b"torn\n\0\0\0") is None


ENDING = render([Ending(110, "web", "job-1", NOON_NS, "failed", 3)])
GONE = render([hole("web", 105, 109, 4, Reason.RESTART)])


@pytest.mark.parametrize("tail", [b"", b"{", bytes(5000), lines(1, 111, 9)[:-1], b"x\n" * 50])
def test_a_torn_tail_is_told_from_whole_lines(tail: bytes) -> None:
    """Cut, zeroed or overwritten: what is whole ends before it."""
    text = lines(2) + GONE + ENDING
    assert last_line("web", text + tail) == (len(text), 110)


def test_damage_in_the_middle_keeps_what_follows() -> None:
    """Only the tail is cut: what is whole is served."""
    text = lines(2) + bytes(300) + b"\n" + lines(1, 105, 6)
    assert last_line("web", text) == (len(text), 105)


@pytest.mark.parametrize("text", [b"", b"\n", bytes(9), lines(1)[:-1], lines(1)[1:], ENDING[1:]])
def test_nothing_whole(text: bytes) -> None:
    """Of a text without a whole line nothing is kept."""
    assert last_line("web", text) == (0, 0)


def test_every_cut_of_a_text_ends_at_a_line() -> None:
    """Cut at any byte, or filled with zeros from there on, what is whole is what was before."""
    pieces = [lines(1), GONE, ENDING, lines(1, 120, 6)]
    text = b"".join(pieces)
    ends = [len(b"".join(pieces[:k])) for k in range(5)]
    for cut in range(len(text) + 1):
        expected = max(end for end in ends if end <= cut)
        assert last_line("web", text[:cut])[0] == expected
        assert last_line("web", text[:cut].ljust(len(text), b"\0"))[0] == expected
