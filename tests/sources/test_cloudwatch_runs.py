"""When the runs that lines name begin, and how they end."""

from array import array
from typing import Any

import pytest

from relay.config.model import ChannelOptions
from relay.entry import Batch, Origin, Position, RunEnded, RunStarted
from relay.hub import Hub
from relay.lines import Lines
from relay.sources.cloudwatch_lambda import InvocationEnded
from relay.sources.cloudwatch_runs import JobRuns, end_pattern

SECOND = 1_000_000_000
NOON = 1_795_262_400 * SECOND


def runs_of(
    pattern: str | None = None, timeout: float | None = None, hub: Hub | None = None
) -> tuple[JobRuns, Hub]:
    """Return the runs of a source."""
    hub = hub or Hub(lambda name: ChannelOptions())
    runs = JobRuns("aws", pattern, timeout)
    runs.connect(hub, 0.0)
    return runs, hub


def lines(*rows: tuple[str, str | None], at: int = 0, instance: str = "s", **more: Any) -> Batch:
    """Return a batch of texts and their runs, a second apart from ``at`` seconds after noon."""
    places = {run: number for number, run in enumerate(dict.fromkeys(run for _, run in rows))}
    return Batch(
        "aws",
        more.pop("channel", "web"),
        Lines.of([text.encode() for text, _ in rows]),
        tuple(Origin("aws", instance, run) for run in places),
        bytes([places[run] for _, run in rows]) if len(places) > 1 else None,
        array("q", [NOON + (at + n) * SECOND for n in range(len(rows))]),
        reader="r",
        **more,
    )


def changes(batches: list[Batch]) -> list[Any]:
    """Return what batches say of runs, and where their lines and positions stand among it."""
    said: list[Any] = []
    for batch in batches:
        said += ["lines"] if batch.lines.count else []
        said += batch.runs
        said += ["position"] if batch.position else []
    return said


async def test_a_run_begins_with_its_first_line() -> None:
    """By that line's time, once, and before its lines."""
    runs, hub = runs_of()
    given = runs.follow([lines(("x", None), ("a", "j-1"), ("b", "j-1"), ("c", "j-2"))], 1.0)
    assert changes(given) == [
        RunStarted("j-1", NOON + SECOND, "s"),
        RunStarted("j-2", NOON + 3 * SECOND, "s"),
        "lines",
    ]
    await hub.publish(given)
    assert changes(runs.follow([lines(("d", "j-1"), at=9)], 2.0)) == ["lines"]


async def test_a_line_in_which_the_pattern_occurs_ends_its_run() -> None:
    """After all lines that came with it, and the position stands behind the end."""
    runs, _ = runs_of(r"exited with (?P<exit_code>\d+)")
    given = runs.follow(
        [
            lines(("a", "j-1"), ("exited with 3", "j-1"), ("b", "j-2")),
            lines(("late", "j-1"), at=5, channel="other", position=Position("5")),
        ],
        1.0,
    )
    ended = RunEnded("j-1", NOON + SECOND, "failed", 3)
    assert changes(given)[-4:] == ["lines", "lines", ended, "position"]
    assert given[-1].reader == "r"


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("job done", RunEnded("j-1", NOON, "ended")),
        ("job done code=0", RunEnded("j-1", NOON, "succeeded", 0)),
        ("job done code=2", RunEnded("j-1", NOON, "failed", 2)),
        ("job done status=ERROR", RunEnded("j-1", NOON, "failed")),
        ("job done status=success code=0", RunEnded("j-1", NOON, "succeeded", 0)),
        ("job done status=skipped", RunEnded("j-1", NOON, "skipped")),
        ("job done status=§§", RunEnded("j-1", NOON, "ended")),
    ],
)
def test_groups_of_the_pattern_say_how_a_run_ended(text: str, ended: RunEnded) -> None:
    """A word that cannot stand as a status is none."""
    runs, _ = runs_of(r"job done(?: status=(?P<status>\S+))?(?: code=(?P<exit_code>\d+))?")
    assert changes(runs.follow([lines((text, "j-1"))], 1.0)) == [
        RunStarted("j-1", NOON, "s"),
        "lines",
        ended,
    ]


async def test_a_group_of_the_pattern_may_name_the_run_that_ends() -> None:
    """A scheduler's line, which is of no run itself; one that is not known is left alone."""
    runs, _ = runs_of(r"(?P<run>j-\d) (?P<status>\w+)")
    runs.follow([lines(("a", "j-1"))], 1.0)
    given = runs.follow([lines(("j-1 failed", None), ("j-7 failed", None))], 2.0)
    assert changes(given) == ["lines", RunEnded("j-1", NOON, "failed")]


async def test_a_report_ends_its_request() -> None:
    """And no other run of its log stream."""
    runs, _ = runs_of()
    runs.follow([lines(("a", "request-0")), lines(("a", "request-1"))], 1.0)
    ended = InvocationEnded("request-1", NOON + 7, "timeout", instance="s")
    given = runs.follow([Batch("aws", "web", runs=(ended,))], 2.0)
    assert changes(given) == [RunEnded("request-1", NOON + 7, "timeout")]


async def test_a_report_ends_the_jobs_that_ran_in_its_invocation() -> None:
    """Where lines name jobs, and the request is nobody's run."""
    runs, _ = runs_of()
    given = runs.follow(
        [
            lines(("a", "j-1"), ("b", "j-2")),
            lines(("c", "j-3"), instance="other"),
            Batch("aws", "web", runs=(InvocationEnded("request", NOON, "failed", instance="s"),)),
        ],
        1.0,
    )
    ends = [one for one in changes(given) if isinstance(one, RunEnded)]
    assert ends == [RunEnded("j-1", NOON, "failed"), RunEnded("j-2", NOON, "failed")]


async def test_a_late_line_does_not_bring_back_its_run_and_a_new_one_does() -> None:
    """By the time of the line, not of its coming."""
    runs, hub = runs_of("done")
    await hub.publish(runs.follow([lines(("a", "j"), ("done", "j"), at=5)], 1.0))
    assert hub.runs["j"].status == "ended"
    late = runs.follow([lines(("late", "j"), at=4)], 2.0)
    assert changes(late) == ["lines"]
    await hub.publish(late)
    assert hub.runs["j"].status == "ended"
    new = runs.follow([lines(("new", "j"), at=20)], 3.0)
    assert changes(new) == [RunStarted("j", NOON + 20 * SECOND, "s"), "lines"]
    await hub.publish(new)
    assert hub.runs["j"].status == "running"


async def test_a_run_that_is_silent_for_too_long_ends() -> None:
    """Nobody knows how."""
    runs, hub = runs_of(timeout=60.0)
    await hub.publish(runs.follow([lines(("a", "j-1"), ("b", "j-2"))], 1.0))
    await hub.publish(runs.follow([lines(("c", "j-2"))], 50.0))
    assert runs.overdue(60.9, NOON) == []
    ends = runs.overdue(61.0, NOON)
    assert changes(ends) == [RunEnded("j-1", NOON, "ended")]
    assert runs.overdue(61.0, NOON) == []


async def test_silence_counts_while_somebody_hears() -> None:
    """What was said while AWS could not be asked is still to come."""
    runs, hub = runs_of(timeout=60.0)
    await hub.publish(runs.follow([lines(("a", "j"))], 1.0))
    runs.excuse(50.0)
    assert runs.overdue(109.9, NOON) == []
    assert changes(runs.overdue(110.0, NOON)) == [RunEnded("j", NOON, "ended")]


async def test_runs_of_an_earlier_life_go_on() -> None:
    """They end as others do, and by silence from the start on."""
    runs, hub = runs_of("done", 60.0)
    await hub.publish(runs.follow([lines(("a", "j-1"), ("b", "j-2"), ("c", "j-3"))], 1.0))
    await hub.publish([Batch("aws", "web", runs=(RunEnded("j-3", NOON, "ended"),))])
    again, _ = runs_of("done", 60.0, hub)
    assert sorted(again.under_way()) == [("s", "j-1"), ("s", "j-2")]
    assert changes(again.follow([lines(("done", "j-1"))], 5.0)) == [
        "lines",
        RunEnded("j-1", NOON, "ended"),
    ]
    assert changes(again.overdue(60.0, NOON)) == [RunEnded("j-2", NOON, "ended")]


async def test_the_newest_run_of_a_log_stream_is_given_last() -> None:
    """It is what its environment works at, where an older one's report never came."""
    runs, hub = runs_of()
    await hub.publish(runs.follow([lines(("a", "new"), at=9), lines(("b", "old"), at=1)], 1.0))
    assert list(runs_of(hub=hub)[0].under_way()) == [("s", "old"), ("s", "new")]


async def test_the_newest_log_streams_of_a_run_are_known() -> None:
    """One that never ends may come from ever more of them."""
    runs, hub = runs_of()
    for number in [*range(1000), 0, 1000]:
        await hub.publish(runs.follow([lines(("a", "j"), instance=f"s{number}")], 1.0))
    streams = [stream for stream, _ in runs.under_way()]
    assert (len(streams), streams[0], streams[-2:]) == (1000, "s2", ["s0", "s1000"])


async def test_a_run_of_another_source_is_not_ours() -> None:
    """A name that is pushed as well is its pusher's to end."""
    runs, hub = runs_of("done")
    await hub.publish([Batch("push", "web", runs=(RunStarted("j", NOON),))])
    assert changes(runs.follow([lines(("done", "j"))], 1.0)) == ["lines"]


async def test_whoever_knows_may_end_a_run() -> None:
    """In its own channel, where that is known."""
    runs, hub = runs_of()
    await hub.publish(runs.follow([lines(("a", "j"), channel="jobs")], 1.0))
    ended = RunEnded("j", NOON, "succeeded")
    said = runs.completed(ended, "x")
    assert said == [Batch("aws", "jobs", runs=(ended,))]
    # It is under way until its end is published.
    assert list(runs.under_way()) == [("s", "j")]
    assert runs.follow(said, 2.0) == said
    assert list(runs.under_way()) == []
    assert runs.completed(ended, "x") == [Batch("aws", "x", runs=(ended,))]


async def test_runs_of_which_nothing_is_held_are_forgotten() -> None:
    """Else a source that never says how jobs end would grow for ever."""
    runs, hub = runs_of()
    await hub.publish(runs.follow([lines(("a", "j"))], 1.0))
    hub.forget("web")
    assert hub.runs == {}
    runs.overdue(61.0, NOON)
    assert list(runs.under_way()) == []


def test_a_pattern_that_cannot_be_used_is_told() -> None:
    """As the user wrote it."""
    with pytest.raises(ValueError, match="a pattern") as caught:
        end_pattern("(")
    assert str(caught.value) == "a pattern (missing ): ()"
