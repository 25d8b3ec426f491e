"""What is written to a segment."""

from relay.block import Block, DeclaredLoss
from relay.entry import Loss, Reason, RunCounted, RunStarted
from relay.run import Counted, Ending, Start
from relay.store.parsing import parse
from relay.store.segment import (
    CHUNK_BYTES,
    MAX_PIECES,
    chunks,
    hole,
    prepared,
    render,
    render_pieces,
)
from tests.building import block
from tests.store.texts import lines, missing, whole

NOON_NS = 1_795_262_400_000_000_000


def test_lines_as_they_stand_in_a_segment() -> None:
    """The objects that go over the wire; starts and counts of runs are in the index alone."""
    text = render(
        [
            Start("web", "app", RunStarted("job-1", 5)),
            whole(block(["GET / 200"], 100, 7, arrival_ns=NOON_NS)),
            DeclaredLoss(101, "web", Loss(Reason.SOURCE, None, 3)),
            hole("web", 102, 109, 4, Reason.RESTART),
            Counted("web", RunCounted("job-1", 1)),
            Ending(110, "web", "job-1", NOON_NS, "failed", 3),
        ]
    )
    log, source, restart, complete = text.decode().splitlines()
    assert log == (
        '{"type":"log","id":100,"seq":7,"channel":"web",'
        '"timestamp":"2026-11-21T12:00:00.000000000Z","level":"info","stream":"stdout",'
        '"source":"app","message":"GET / 200"}'
    )
    assert source == (
        '{"type":"gap","id":101,"channel":"web","after":100,"until":101,"count":null,'
        '"at_least":3,"reason":"source"}'
    )
    assert restart == (
        '{"type":"gap","id":109,"channel":"web","after":101,"until":109,"count":4,'
        '"at_least":4,"reason":"restart"}'
    )
    assert complete == (
        '{"type":"complete","id":110,"channel":"web","run":"job-1",'
        '"timestamp":"2026-11-21T12:00:00.000000000Z","status":"failed","exit_code":3,'
        '"signal":null}'
    )
    entry, loss, gone = parse("web", text)
    assert isinstance(entry, Block)
    assert entry.entry(0) == block(["GET / 200"], 100, 7, arrival_ns=NOON_NS).entry(0)
    assert loss == DeclaredLoss(101, "web", Loss(Reason.SOURCE, None, 3))
    assert gone == missing(102, 109, 4, Reason.RESTART)


def test_some_blocks_are_rendered_beforehand() -> None:
    """All of each, until there is enough text; what is no block is not."""
    first, second, third = [whole(block(["x" * 99], 100 + k, 7 + k)) for k in range(3)]
    loss = DeclaredLoss(103, "web", Loss(Reason.SOURCE))
    texts = prepared([loss, first, second, third], 101, lambda name: True)
    assert texts == {one.block.key: render([one]) for one in (first, second)}
    assert render_pieces([first, loss, third], texts) == [
        texts[first.block.key],
        render([loss]),
        render([third]),
    ]


def test_there_are_never_more_pieces_than_one_call_writes() -> None:
    """Many small ones are joined."""
    records = [whole(block(["a"], 100 + k, 7 + k)) for k in range(MAX_PIECES + 1)]
    assert len(render_pieces(records[1:])) == MAX_PIECES
    assert render_pieces(records) == [render(records)]


def test_chunks_end_with_a_line() -> None:
    """Each holds whole lines, and ends where the next multiple of 256 KiB is passed."""
    text = lines(5000, step=2)
    cut = list(chunks(text))
    assert b"".join(cut) == text
    assert all(chunk.endswith(b"}\n") for chunk in cut)
    assert [len(chunk) // 1000 for chunk in cut] == [262, 262, 262, 20]
    assert len(text) > 2 * CHUNK_BYTES
    assert list(chunks(b"")) == []
    assert list(chunks(b"no newline")) == [b"no newline"]
