"""Runs and channels that lines name."""

import re
from array import array
from typing import Any

import pytest

from relay.decode.runs import Runs, picked
from relay.entry import Batch, Loss, Origin, Position, Reason, RunEnded
from relay.lines import Lines

APP = Origin("app")
PATTERN = r"tenant=(?P<tenant>\S*) job=(?P<run>\S+)"
ENDED = RunEnded("own", 1, "succeeded")
LOSS = Loss(Reason.SOURCE, 1, 1)


def batch(channel: str, *lines: str, origins: tuple[Origin, ...] = (APP,), **more: Any) -> Batch:
    """Return a batch with all that can stand after its last line."""
    entries = Lines.of([line.encode() for line in lines])
    more |= {"position": Position("1"), "runs": (ENDED,), "loss": LOSS}
    return Batch("app", channel, entries, origins, **more)


def told(batches: list[Batch]) -> list[tuple[str, str, str | None]]:
    """Return each line with its channel and run."""
    return [
        (each.channel, line, each.origins[each.origin_index[i] if each.origin_index else 0].run)
        for each in batches
        for i, line in enumerate(each.lines.strings())
    ]


def test_a_line_is_of_the_run_that_it_names() -> None:
    """One that names none keeps what its source said."""
    given = batch(
        "jobs",
        "tenant=a job=1",
        "x",
        "tenant=a job=a/b",
        "tenant=b job=1",
        origins=(Origin("app", run="own"),),
    )
    [assigned] = Runs(PATTERN).assign(given, "app")
    assert told([assigned]) == [
        ("jobs", "tenant=a job=1", "1"),
        ("jobs", "x", "own"),
        ("jobs", "tenant=a job=a/b", "a-b"),
        ("jobs", "tenant=b job=1", "1"),
    ]
    assert (assigned.position, assigned.runs, assigned.loss) == (Position("1"), (ENDED,), LOSS)


def test_lines_go_to_the_channels_that_they_name() -> None:
    """Lines that name none go to the fallback; what stands after the last line stays there."""
    given = batch(
        "jobs-{tenant}",
        "tenant=a job=1",
        "x",
        "tenant=b/c job=2",
        "tenant=a job=3",
        "tenant= job=4",
        timestamps=array("q", [1, 2, 3, 4, 5]),
        levels=bytes([1, 2, 3, 4, 5]),
        parts=frozenset([1, 3]),
        fields=Lines.of([b"{}", b"", b"", b'{"a":1}', b""]),
    )
    batches = Runs(PATTERN).assign(given, "app")
    assert told(batches) == [
        ("jobs-a", "tenant=a job=1", "1"),
        ("jobs-a", "tenant=a job=3", "3"),
        ("app", "x", None),
        ("app", "tenant= job=4", "4"),
        ("jobs-b-c", "tenant=b/c job=2", "2"),
    ]
    first, second, last = batches
    assert first.timestamps == array("q", [1, 4])
    assert (first.levels, first.parts) == (bytes([1, 4]), frozenset([1]))
    assert first.fields == Lines.of([b"{}", b'{"a":1}'])
    assert second.parts == frozenset([0])
    for each in (first, second):
        assert (each.position, each.runs, each.loss) == (None, (), None)
    assert (last.position, last.runs, last.loss) == (Position("1"), (ENDED,), LOSS)


def test_what_is_said_of_no_line_goes_to_the_fallback() -> None:
    """Such as a first position, or the end of a run."""
    [assigned] = Runs(PATTERN).assign(batch("{tenant}", origins=()), "app")
    assert (assigned.channel, assigned.runs) == ("app", (ENDED,))
    plain = batch("jobs", origins=())
    assert Runs(PATTERN).assign(plain, "app") == [plain]


def test_more_runs_than_origins_are_several_batches() -> None:
    """At most 256 in each, in order."""
    lines = [f"tenant=a job={number}" for number in range(300)]
    batches = Runs(PATTERN).assign(batch("jobs", *lines), "app")
    assert [len(each.origins) for each in batches] == [256, 44]
    assert told(batches) == [("jobs", f"tenant=a job={n}", f"{n}") for n in range(300)]
    assert [each.position for each in batches] == [None, Position("1")]


def test_picking_all_lines_copies_none() -> None:
    """The columns are the same objects."""
    given = batch("jobs", "a", "b\nc", "d")
    assert picked(given, range(3)).lines is given.lines
    assert picked(given, [0, 2]).lines.strings() == ["a", "d"]
    assert picked(given, [1, 2]).lines.strings() == ["b\nc", "d"]


def test_a_pattern_without_the_group_is_refused() -> None:
    """With one that would have been right."""
    allowed = r"""a pattern with a group named "run", such as 'job=(?P<run>\S+)'"""
    with pytest.raises(ValueError, match=f"^{re.escape(allowed)}$"):
        Runs(r"job=(?P<job>\S+)")
