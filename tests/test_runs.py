"""What happens to runs."""

import pytest

from relay.block import Block
from relay.entry import Origin, RunCounted, RunStarted, Stream
from relay.lines import Lines
from relay.run import Counted, Ending, Run, Start
from relay.runs import count_run, end_run, ending_in, enter_runs, leave_run, start_run
from relay.span import Span


def ended() -> Run:
    """Return a run of which all is known."""
    run = Run("job", "app", 7, "web-1", 4, 9, "failed", 3, "SIGKILL", 20, 5)
    run.last_ids, run.offset, run.offset_bytes = {"web": 18, "db": 19}, 6, 2
    return run


def test_a_run_that_starts_has_nothing_yet() -> None:
    """It is in its channel from the id before its first entry on."""
    runs: dict[str, Run] = {}
    start = Start("web", "app", RunStarted("job", 7, "web-1", 4))
    assert start_run(runs, start, 17) == []
    assert runs == {"job": Run("job", "app", 7, "web-1", 4, last_ids={"web": 17})}


def test_a_start_of_a_run_that_is_under_way_says_nothing_new() -> None:
    """But for a channel that it had not entered."""
    runs = {"job": Run("job", "app", 7, pid=4, lines=2, last_ids={"web": 17})}
    assert start_run(runs, Start("web", "other", RunStarted("job", 8, pid=5)), 20) == []
    assert start_run(runs, Start("db", "other", RunStarted("job", 8, pid=5)), 20) == []
    assert runs["job"] == Run("job", "app", 7, pid=4, lines=2, last_ids={"web": 17, "db": 20})


@pytest.mark.parametrize(("anew", "offset"), [(False, (6, 2)), (True, (0, 0))])
def test_a_name_that_comes_again_takes_its_ending_back(
    anew: bool, offset: tuple[int, int]
) -> None:
    """In all channels that it was in; lines are counted on, or anew where that is said."""
    runs = {"job": ended()}
    start = Start("api", "app", RunStarted("job", 30, anew=anew))
    assert start_run(runs, start, 29) == ["web", "db"]
    last_ids = {"web": 18, "db": 19, "api": 29}
    expected = Run("job", "app", 7, "web-1", 4, lines=5, last_ids=last_ids)
    expected.offset, expected.offset_bytes = offset
    assert runs == {"job": expected}


def test_a_count_is_of_a_run_that_is_known() -> None:
    """One that was forgotten meanwhile does not come back by it."""
    runs = {"job": Run("job", "app", 7)}
    count_run(runs, Counted("web", RunCounted("job", 12, 3)))
    count_run(runs, Counted("web", RunCounted("gone", 12, 3)))
    assert runs == {"job": Run("job", "app", 7, offset=12, offset_bytes=3)}


def mixed() -> Block:
    """Return a block of ids 101 to 105: two runs, one of them from two streams, and none."""
    return Block(
        channel="web",
        first_id=101,
        first_seq=1,
        lines=Lines.of([b"a", b"b", b"c", b"d", b"e"]),
        levels=bytes(5),
        origins=(
            Origin("app", "one", "job"),
            Origin("app", "one", "job", Stream.STDERR),
            Origin("app"),
            Origin("cron", None, "old"),
        ),
        origin_index=bytes([0, 1, 2, 3, 0]),
        arrival_ns=50,
    )


def test_lines_are_counted_to_their_runs() -> None:
    """Runs that nobody started begin with their lines."""
    runs = {"old": Run("old", "cron", 7, lines=1, last_ids={"web": 90, "db": 91})}
    entered = enter_runs(runs, Span(mixed(), 0, 5))
    assert [run.id for run in entered] == ["job", "job", "old"]
    assert runs == {
        "old": Run("old", "cron", 7, lines=2, last_ids={"web": 105, "db": 91}),
        "job": Run("job", "app", 50, "one", lines=3, last_ids={"web": 105}),
    }


def test_only_the_lines_of_the_span_are_counted() -> None:
    """Of many origins, and of one."""
    runs: dict[str, Run] = {}
    enter_runs(runs, Span(mixed(), 1, 3))
    assert (runs["job"].lines, runs["job"].last_ids) == (1, {"web": 103})
    lines = Lines.of([b"a", b"b", b"c"])
    block = Block("web", 201, 6, lines, bytes(3), (Origin("app", run="one"),), arrival_ns=60)
    enter_runs(runs, Span(block, 1, 3))
    assert runs["one"] == Run("one", "app", 60, lines=2, last_ids={"web": 203})


def test_an_ending_says_how_a_run_ended() -> None:
    """It is an entry of its channel only where there is none."""
    runs = {"job": Run("job", "app", 7, lines=2, last_ids={"web": 18})}
    run = end_run(runs, Ending(20, "web", "job", 9, "failed", 3, "SIGKILL"))
    expected = Run("job", "app", 7, None, None, 9, "failed", 3, "SIGKILL", 20, 2, {"web": 18})
    assert (run, runs) == (expected, {"job": expected})
    end_run(runs, Ending(21, "web", "never", 9, "ended"))
    assert runs["never"] == Run(
        "never", "", 9, ended_ns=9, status="ended", ending_id=21, last_ids={"web": 21}
    )


def test_a_run_is_forgotten_with_its_last_channel() -> None:
    """Not before, and not by a channel that it never was in."""
    runs = {"job": ended()}
    leave_run(runs, "job", "api")
    leave_run(runs, "job", "web")
    assert runs["job"].last_ids == {"db": 19}
    leave_run(runs, "job", "db")
    leave_run(runs, "job", "db")
    assert runs == {}


def test_each_channel_of_a_run_tells_its_ending() -> None:
    """From what is known of the run, after a restart; one under way has none."""
    assert ending_in(ended(), "db") == Ending(20, "db", "job", 9, "failed", 3, "SIGKILL")
    assert ending_in(Run("job", "app", 7), "db") is None
