"""Which run lines are of, and how runs ended, whatever was told of them."""

from dataclasses import replace

import pytest

from relay.entry import RunEnded
from relay.sources.docker_facts import Container, Death, Event, ended, run_id
from relay.sources.docker_lives import Life, Lives

SECOND = 1_000_000_000
APP = Container(
    "a" * 64, "web-1", "nginx", {}, "running", created_ns=1 * SECOND, started_ns=2 * SECOND
)


def event(action: str, time_ns: int, **labels: str) -> Event:
    return Event(APP.id, action, time_ns, labels)


def test_all_lines_of_a_first_run_are_its_own() -> None:
    """Also such as come before what the engine calls its start."""
    lives = Lives()
    lives.see(APP)
    assert lives.border() == 0
    assert lives.advance() == Life(run_id(APP, 2 * SECOND), 2 * SECOND, 0)
    assert lives.run == run_id(APP, 2 * SECOND)


def test_a_run_has_the_same_id_in_another_life_of_the_relay() -> None:
    """It is made of the container and its start, in a channel's characters."""
    assert run_id(APP, 7) == run_id(APP, 7) == "web-1.a80e9e2e2e"
    assert run_id(APP, 8) != run_id(APP, 7)
    assert run_id(replace(APP, name="a b"), 7) == "a-b.a80e9e2e2e"


def test_a_death_that_was_told_is_the_border() -> None:
    """All of a run's lines are before it, and all of the next one's after."""
    lives = Lives(Life("old", 2 * SECOND, 0))
    lives.note(event("die", 9 * SECOND, exitCode="3"))
    lives.see(replace(APP, started_ns=10 * SECOND, finished_ns=8 * SECOND))
    assert lives.border() == 9 * SECOND
    assert lives.end(0) == RunEnded("old", 9 * SECOND, "failed", 3)
    assert lives.end(0) is None


def test_a_death_that_is_told_late_is_the_border_too() -> None:
    """The next run was seen already; till then the death is missed."""
    lives = Lives(Life("old", 2 * SECOND, 0))
    facts = replace(APP, started_ns=10 * SECOND, finished_ns=8 * SECOND)
    lives.see(facts)
    assert lives.misses_death(facts)
    lives.note(event("die", 8 * SECOND + 1, exitCode="3"))
    assert not lives.misses_death(facts)
    assert lives.border() == 8 * SECOND + 1
    assert lives.end(0) == RunEnded("old", 8 * SECOND + 1, "failed", 3)


def test_without_it_the_border_is_between_end_and_start() -> None:
    """And nobody knows how the run ended."""
    lives = Lives(Life("old", 2 * SECOND, 0))
    facts = replace(APP, started_ns=10 * SECOND, finished_ns=8 * SECOND)
    assert lives.misses_death(facts)
    lives.see(facts)
    assert lives.border() == 9 * SECOND
    assert lives.end(0) == RunEnded("old", 8 * SECOND, "ended")


def test_runs_that_came_and_went_between_are_runs_too() -> None:
    """As events have told of them."""
    lives = Lives(Life("old", 2 * SECOND, 0))
    for action, at in (("die", 3), ("start", 4), ("die", 5), ("start", 6)):
        lives.note(event(action, at * SECOND, exitCode="1"))
    lives.see(replace(APP, started_ns=6 * SECOND - 1000, finished_ns=5 * SECOND))
    assert [life.from_ns for life in lives.next] == [3 * SECOND, 5 * SECOND]
    assert [life.started_ns for life in lives.next] == [4 * SECOND, 6 * SECOND - 1000]


def test_a_start_after_the_clock_was_set_back_is_a_new_run() -> None:
    """It is earlier than that of the run before, which ended as was told last."""
    lives = Lives(Life("old", 7200 * SECOND, 0))
    lives.see(replace(APP, started_ns=7200 * SECOND))
    assert not lives.next
    lives.note(event("die", 3600 * SECOND, exitCode="3"))
    facts = replace(APP, started_ns=3601 * SECOND, finished_ns=3600 * SECOND)
    lives.see(facts)
    assert [life.started_ns for life in lives.next] == [3601 * SECOND]
    assert lives.is_known_dead
    assert lives.end(0) == RunEnded("old", 7200 * SECOND, "failed", 3)
    assert lives.advance().run == run_id(APP, 3601 * SECOND)
    lives.see(facts)
    assert not lives.next
    ended_facts = replace(facts, state="exited", finished_ns=3605 * SECOND, exit_code=4)
    lives.see(ended_facts)
    assert not lives.next
    assert lives.end(0) == RunEnded(run_id(APP, 3601 * SECOND), 3605 * SECOND, "failed", 4)


def test_events_that_come_twice_are_one() -> None:
    """The engine tells again what it remembers."""
    lives = Lives()
    for _ in range(3):
        lives.note(event("start", 2 * SECOND + 9))
        lives.note(event("die", 5 * SECOND, exitCode="0"))
        lives.see(replace(APP, state="exited", finished_ns=4 * SECOND))
    assert len(lives.next) == 1


def test_a_container_that_lived_for_a_moment_ends_after_its_start() -> None:
    """The engine takes note of the start when it has ended already."""
    lives = Lives()
    facts = replace(APP, state="exited", started_ns=3 * SECOND, finished_ns=3 * SECOND - 500)
    lives.see(facts)
    assert lives.border() == 0
    lives.advance()
    assert lives.end(0) == RunEnded(run_id(APP, 3 * SECOND), 3 * SECOND, "succeeded", 0)


@pytest.mark.parametrize(
    ("death", "expected"),
    [
        (Death(5, 0), RunEnded("r", 5, "succeeded", 0)),
        (Death(5, 7), RunEnded("r", 5, "failed", 7)),
        (Death(5, 137), RunEnded("r", 5, "killed", 137, "SIGKILL")),
        (Death(5, 143), RunEnded("r", 5, "killed", 143, "SIGTERM")),
        (Death(5, 255), RunEnded("r", 5, "failed", 255)),
        (Death(5, 137, oom=True), RunEnded("r", 5, "oom", 137, "SIGKILL")),
        (Death(5, None), RunEnded("r", 5, "ended")),
    ],
)
def test_codes_in_words(death: Death, expected: RunEnded) -> None:
    """128 and more is a signal's, as shells have it."""
    assert ended("r", death) == expected
