"""What each format makes of the same entries, gaps and endings."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from relay.block import Block
from relay.encode import ENCODERS
from relay.encode.objects import TABLE_SIZE, digits, side_by_side, timestamp, timestamps
from relay.entry import Gap, Level, Origin, Reason, Stream
from relay.lines import Lines
from relay.run import Ending
from relay.selection import ALL, NONE
from relay.span import Span
from tests.building import block, lines_of

SSE, NDJSON, TEXT = ENCODERS["sse"], ENCODERS["ndjson"], ENCODERS["text"]

DOCKER = Origin("docker", "web-1", "web-1.8f3a2c")
GET = block(
    ["GET / 200"], 1795255350123456, 184, origin=DOCKER, arrival_ns=1_795_254_450_123_456_789
)

GET_JSON = (
    '{"type":"log","id":1795255350123456,"seq":184,"channel":"web",'
    '"timestamp":"2026-11-21T09:47:30.123456789Z","level":"info","stream":"stdout",'
    '"source":"docker","instance":"web-1","run":"web-1.8f3a2c","message":"GET / 200"}'
)


def whole(given_block: Block) -> Span:
    return Span(given_block, 0, given_block.count)


def objects(encoded: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in encoded.splitlines()]


def test_an_event_as_it_goes_over_the_wire() -> None:
    """Id, type and one line of data."""
    assert SSE.entries(whole(GET), ALL).decode() == (
        f"id: 1795255350123456\nevent: log\ndata: {GET_JSON}\n\n"
    )


def test_the_same_object_in_ndjson() -> None:
    """One rendering of an entry for every format."""
    assert NDJSON.entries(whole(GET), ALL).decode() == GET_JSON + "\n"


def test_plain_text_is_messages_and_nothing_else() -> None:
    """No hello, no heartbeat, no gap unless it is asked for."""
    gap = Gap(9, "web", 1, 9, 3, 3, Reason.EVICTED)
    assert TEXT.entries(whole(block(["a b", "c"])), ALL) == b"a b\nc\n"
    assert TEXT.hello("1", 5, ["web"]) + TEXT.cursor(7) + TEXT.gap(gap) == b""
    assert ENCODERS["text+gaps"].gap(gap) == b"--- gap: 3 entries of web missing (evicted) ---\n"


def test_objects_of_a_stream() -> None:
    """Gaps, endings, heartbeats and the start, each with the id to resume after."""
    gap = Gap(9, "web", 1, 9, None, 2, Reason.SOURCE)
    assert SSE.gap(gap) == (
        b'id: 9\nevent: gap\ndata: {"type":"gap","id":9,"channel":"web","after":1,"until":9,'
        b'"count":null,"at_least":2,"reason":"source"}\n\n'
    )
    ending = Ending(12, "web", "job-1", 1_795_254_450_000_000_000, "failed", 3)
    assert NDJSON.ending(ending) == (
        b'{"type":"complete","id":12,"channel":"web","run":"job-1",'
        b'"timestamp":"2026-11-21T09:47:30.000000000Z","status":"failed","exit_code":3,'
        b'"signal":null}\n'
    )
    assert SSE.cursor(7) == b'id: 7\nevent: cursor\ndata: {"type":"cursor","id":7}\n\n'
    assert SSE.hello("0.1.0", 5, ["web"]) == (
        b"retry: 1000\nid: 5\nevent: hello\n"
        b'data: {"type":"hello","version":"0.1.0","cursor":5,"channels":["web"]}\n\n'
    )


def test_an_error_has_no_id() -> None:
    """A reader that was sent away resumes where it was."""
    assert SSE.error("gone", "no more") == (
        b'event: error\ndata: {"type":"error","code":"gone","message":"no more"}\n\n'
    )


def test_only_what_is_selected() -> None:
    """A mask chooses; ids and seqs stay the entries' own."""
    given_block = block("a b c d", 100, 10)
    encoded = objects(NDJSON.entries(Span(given_block, 1, 4), b"\1\1\0\1"))
    assert [(one["id"], one["seq"], one["message"]) for one in encoded] == [
        (101, 11, "b"),
        (103, 13, "d"),
    ]
    assert TEXT.entries(Span(given_block, 1, 4), b"\1\1\0\1") == b"b\nd\n"
    assert SSE.entries(whole(given_block), NONE) == b""


def test_columns_of_an_entry() -> None:
    """Level, stream, own timestamp, parts: each entry has its own."""
    given_block = Block(
        "web",
        100,
        1,
        lines_of("a b"),
        bytes([Level.ERROR, Level.UNKNOWN]),
        (Origin("app"), Origin("app", stream=Stream.STDERR)),
        bytes([0, 1]),
        timestamps=block("a b", timestamps=[1, 1_000_000_002]).timestamps,
        ids=block("a b", ids=[100, 200]).ids,
        parts=frozenset([1]),
    )
    first, second = objects(NDJSON.entries(whole(given_block), ALL))
    assert first == {
        "type": "log",
        "id": 100,
        "seq": 1,
        "channel": "web",
        "timestamp": "1970-01-01T00:00:00.000000001Z",
        "level": "error",
        "stream": "stdout",
        "source": "app",
        "message": "a",
    }
    assert second == {
        "type": "log",
        "id": 200,
        "seq": 2,
        "channel": "web",
        "timestamp": "1970-01-01T00:00:01.000000002Z",
        "level": "unknown",
        "stream": "stderr",
        "source": "app",
        "part": True,
        "message": "b",
    }


messages = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=20)


@given(messages)
@example(["a\\nb", "c"])
@example(["a\x7fb", "", "\\"])
@example(["", ""])
def test_any_text_comes_out_as_it_was(texts: list[str]) -> None:
    """Quotes, newlines, controls and every script; one line of data each."""
    encoded = NDJSON.entries(whole(block(texts)), ALL)
    assert [one["message"] for one in objects_by_newline(encoded)] == texts
    events = SSE.entries(whole(block(texts)), ALL).split(b"\n\n")
    assert [json.loads(event.split(b"data: ", 1)[1])["message"] for event in events[:-1]] == texts


def objects_by_newline(encoded: bytes) -> list[dict[str, object]]:
    """Split at the newline alone: ``splitlines`` knows others, which JSON leaves as they are."""
    return [json.loads(line) for line in encoded[:-1].split(b"\n")]


@given(st.lists(st.integers(0, 4_000_000_000_000_000_000), max_size=9))
def test_many_times_are_as_each_alone(moments: list[int]) -> None:
    """Formatting in bulk changes nothing."""
    assert timestamps(moments) == [timestamp(moment) for moment in moments]


def test_fields_stand_before_the_message() -> None:
    """As the JSON that came; entries without fields have none."""
    fields = Lines.of([b'{"a":1}', b""])
    given_block = Block("web", 100, 1, lines_of("a b"), b"\3\3", (DOCKER,), fields=fields)
    first, second = objects(NDJSON.entries(whole(given_block), ALL))
    assert list(first)[-2:] == ["fields", "message"]
    assert first["fields"] == {"a": 1}
    assert "fields" not in second


@given(st.integers(1, 10**16), st.integers(1, 3 * TABLE_SIZE))
def test_numbers_in_bulk_are_as_each_alone(first: int, count: int) -> None:
    """Also where all of their digits change."""
    numbers = range(first, first + count)
    cells = digits(numbers, b";\n")
    assert side_by_side(cells, b";\n") == b"".join([b"%d;\n" % one for one in numbers])


@given(st.lists(st.integers(1, 10**16), min_size=1, unique=True).map(sorted))
def test_numbers_with_others_between_are_as_each_alone(numbers: list[int]) -> None:
    """As the ids of a packed block are."""
    cells = digits(numbers, b";\n")
    assert side_by_side(cells, b";\n") == b"".join([b"%d;\n" % one for one in numbers])


@given(
    st.lists(st.text(), min_size=1, max_size=20),
    st.integers(TABLE_SIZE - 9, TABLE_SIZE + 9) | st.integers(1, 10**16),
    st.integers(1, 2 * TABLE_SIZE),
    st.booleans(),
)
def test_all_of_a_span_is_as_each_entry_selected_alone(
    texts: list[str], first_id: int, first_seq: int, is_packed: bool
) -> None:
    """There are two ways to put entries together, and one result."""
    ids = [first_id + 3 * number for number in range(len(texts))] if is_packed else None
    given_block = block(texts, first_id, first_seq, ids=ids)
    for encoder in (SSE, NDJSON):
        alone = [
            encoder.entries(Span(given_block, number, number + 1), bytes([1] * given_block.count))
            for number in range(given_block.count)
        ]
        assert encoder.entries(whole(given_block), ALL) == b"".join(alone)
