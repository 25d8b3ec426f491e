"""What a batch becomes when it arrives."""

from array import array

from relay.arrival import block_of, ending_of, fit
from relay.block import Block
from relay.entry import (
    UNSAID,
    Batch,
    Level,
    Loss,
    Origin,
    Position,
    Reason,
    RunCounted,
    RunEnded,
    RunStarted,
)
from relay.run import Ending
from tests.building import batch, lines_of

OUT, ERR = Origin("app"), Origin("app", level=Level.ERROR)


def levels_of(given: Batch) -> list[Level]:
    return [Level(one) for one in block_of(given, 1000, 1, 5).levels]


def test_all_columns_of_a_batch_are_in_its_block() -> None:
    """Its times are the arrival where the source has none."""
    times, fields = array("q", [7, 8]), lines_of(["{}", ""])
    given = Batch(
        "app",
        "web",
        lines_of("a b"),
        (OUT, ERR),
        b"\0\1",
        times,
        frozenset({1}),
        fields=fields,
    )
    made = block_of(given, 1000, 7, 5)
    assert isinstance(made, Block)
    assert (made.channel, made.first_id, made.first_seq, made.lines) == (
        "web",
        1000,
        7,
        lines_of("a b"),
    )
    assert (made.origins, made.origin_index, made.parts) == (
        (OUT, ERR),
        b"\0\1",
        frozenset({1}),
    )
    assert made.fields == fields
    assert [made.timestamp_at(k) for k in range(2)] == [7, 8]
    assert block_of(batch("web", "a"), 1000, 7, 5).timestamp_at(0) == 5


def test_a_line_that_names_no_level_has_its_origins() -> None:
    """One that does has that."""
    given = Batch("app", "web", lines_of(["a", "b", "WARN c"]), (OUT, ERR), b"\0\1\1")
    assert levels_of(given) == [Level.INFO, Level.ERROR, Level.WARN]


def test_lines_of_some_sources_are_not_searched() -> None:
    """They have their origin's level, be it of one origin or several."""
    lines = lines_of(["WARN a", "WARN b"])
    one = Batch("app", "web", lines, (ERR,), detect_levels=False)
    assert levels_of(one) == [Level.ERROR, Level.ERROR]
    several = Batch("app", "web", lines, (OUT, ERR), b"\1\0", detect_levels=False)
    assert levels_of(several) == [Level.ERROR, Level.INFO]


def test_what_the_source_says_counts_most() -> None:
    """Where it says nothing the line is searched."""
    lines = lines_of(["WARN a", "WARN b", "c"])
    said = bytes([UNSAID, Level.DEBUG, UNSAID])
    assert levels_of(Batch("app", "web", lines, (ERR,), levels=said)) == [
        Level.WARN,
        Level.DEBUG,
        Level.ERROR,
    ]
    all_said = bytes([Level.FATAL] * 3)
    assert levels_of(Batch("app", "web", lines, (ERR,), levels=all_said)) == [Level.FATAL] * 3


def test_an_ending_takes_an_id() -> None:
    """With all that is said of how it ended."""
    change = RunEnded("job", 9, "failed", 3, "SIGKILL")
    assert ending_of(1000, "web", change) == Ending(1000, "web", "job", 9, "failed", 3, "SIGKILL")


def test_values_that_fit_are_left_as_they_are() -> None:
    """Nothing is made anew."""
    given = batch(
        "web",
        "a",
        Origin("äpp", "web-1", "job.1"),
        reader="f",
        position=Position("{}", b"k" * 16, 7),
        runs=(RunStarted("r", 1, pid=9), RunEnded("r", 2, "ended")),
        loss=Loss(Reason.RATE, 3, 3),
    )
    assert fit(given) is given


def test_values_that_nobody_can_have_become_the_nearest() -> None:
    """Of text, names, numbers and losses: one source's fault must not fail the commits of all."""
    most = (1 << 63) - 1
    given = Batch(
        "a\ud800",
        "../x",
        lines_of("a"),
        (Origin("a\ud800", "\udcff.log", "a\0b"),),
        reader="\ud800",
        position=Position("\ud800", b"", 1 << 70),
        runs=(
            RunStarted("a b", 1 << 70, "\ud800", -(1 << 70)),
            RunCounted("r", 1 << 63, 0),
            RunEnded("r", 0, "\ud800", 1 << 64, "\ud800"),
        ),
        loss=Loss(Reason.STORAGE, 1 << 60, -1),
    )
    assert fit(given) == Batch(
        "a?",
        "_..-x",
        lines_of("a"),
        (Origin("a?", "?.log", "a-b"),),
        reader="?",
        position=Position("?", b"", most),
        runs=(
            RunStarted("a-b", most, "?", -most),
            RunCounted("r", most, 0),
            RunEnded("r", 0, "?", most, "?"),
        ),
        loss=Loss(Reason.SOURCE, (1 << 53) - 1, 0),
    )
