"""
Real containers, struck while they write: nothing of what they wrote is lost or comes twice.

What a container wrote is its own record's word, never the relay's or the engine's.
"""

import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import Engine
from tests.e2e.conftest import Relay
from tests.e2e.docker_writers import (
    Lives,
    Writer,
    assert_exact,
    begin,
    gaps_in,
    lines_in,
    wait_for_lines,
    wait_for_more,
)
from tests.fakes.engine_proxy import EngineProxy

both = pytest.mark.parametrize("tty", [False, True], ids=["streams", "terminal"])


@both
def test_kills_of_the_relay(lives: Lives, engine: Engine, tmp_path: Path, tty: bool) -> None:
    """Five lives of the relay, each but the last killed while lines come."""
    relay = lives()
    writer = begin(engine, tmp_path, tty=tty)
    for _ in range(4):
        wait_for_more(relay, 5000)
        relay.stop(signal.SIGKILL)
        relay = lives()
    writer.stop()
    assert_exact(relay, writer)


@both
def test_cuts_of_the_connection(lives: Lives, engine: Engine, tmp_path: Path, tty: bool) -> None:
    """Sometimes it ends, sometimes it is an error; and there is never more than one."""
    with EngineProxy(engine.socket).running() as proxy:
        relay = lives(proxy.url)
        writer = begin(engine, tmp_path, tty=tty)
        for cut in range(8):
            wait_for_more(relay, 2500)
            relay.wait(lambda: proxy.open("logs") == 1)
            assert proxy.cut("logs", reset=cut % 2 == 1) == 1
        writer.stop()
        assert_exact(relay, writer)
        assert proxy.most_open == {writer.id: 1}


def test_cuts_inside_frames(lives: Lives, engine: Engine, tmp_path: Path) -> None:
    """Each answer ends after so many bytes, wherever that is."""
    with EngineProxy(engine.socket).running() as proxy:
        proxy.cut_after = 1_000_007
        relay = lives(proxy.url)
        writer = begin(engine, tmp_path, lines=15_000, burst=50)
        wait_for_more(relay, 25_000)
        proxy.cut_after = None
        writer.wait()
        assert_exact(relay, writer)


def test_an_idle_connection_that_is_cut(lives: Lives, engine: Engine, tmp_path: Path) -> None:
    """As proxies do after minutes; what comes next is read as if nothing had been."""
    with EngineProxy(engine.socket).running() as proxy:
        relay = lives(proxy.url)
        pipe = "mkfifo /tmp/in; echo first; while :; do cat /tmp/in; done"
        engine.run("quiet", pipe)
        wait_for_lines(relay, "quiet", 1)
        for number in range(3):
            assert proxy.cut("") >= 2
            engine.docker("exec", "quiet", "sh", "-c", f"echo line {number} > /tmp/in")
            wait_for_lines(relay, "quiet", 2 + number)
        assert lines_in(relay, "quiet") == ["first", "line 0", "line 1", "line 2"]
        assert gaps_in(relay, "quiet") == []


@both
def test_restarts_of_the_container(
    lives: Lives, engine: Engine, tmp_path: Path, tty: bool
) -> None:
    """Each life is a run with its lines and its code; none of them is lost or in two."""
    relay = lives()
    writer = begin(engine, tmp_path, tty=tty, code=3)
    for _ in range(3):
        wait_for_more(relay, 4000)
        engine.docker("restart", "--time", "60", "numbers")
    wait_for_more(relay, 4000)
    writer.stop()
    assert_exact(relay, writer)
    runs = relay.wait(lambda: _ended_runs(relay, 4))
    assert [run["exit_code"] for run in runs] == [3] * 4
    assert [run["status"] for run in runs] == ["failed"] * 4
    assert [run["lines"] for run in runs] == [
        count * len(writer.streams) for count in writer.lives
    ]


def _is_gone(engine: Engine, id_: str) -> bool:
    return id_ not in engine.docker("ps", "--all", "--quiet", "--no-trunc")


def _ended_runs(relay: Relay, count: int) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = relay.get("/api/v1/runs")["runs"]
    own = sorted((run for run in runs if run["source"] == "containers"), key=_started)
    ended = [run for run in own if run["ended"] is not None]
    return ended if len(ended) == len(own) == count else []


def _started(run: dict[str, Any]) -> str:
    return str(run["started"])


def test_containers_that_are_recreated_and_removed_at_once(
    lives: Lives, engine: Engine, tmp_path: Path
) -> None:
    """One channel for all that had the name; each is removed right after its last line."""
    relay = lives()
    record = tmp_path / "record"
    writers = []
    for _ in range(3):
        writer = Writer(engine, "numbers", record, lines=6000, burst=200, options=("--rm",))
        writer.start()
        writers.append(writer)
        relay.wait(partial(_is_gone, engine, writer.id))
    assert_exact(relay, writers[0])
    assert len({writer.id for writer in writers}) == 3
    assert [run["lines"] for run in relay.wait(lambda: _ended_runs(relay, 3))] == [12_000] * 3


@pytest.mark.parametrize("live_restore", [True, False], ids=["live-restore", "stopping"])
def test_restarts_of_the_engine(
    lives: Lives, engine: Engine, tmp_path: Path, live_restore: bool
) -> None:
    """With its containers going on, or ending with it; and killed."""
    engine.stop()
    engine.start(live_restore=live_restore)
    relay = lives()
    writer = begin(engine, tmp_path)
    for number in (signal.SIGTERM, signal.SIGKILL) if live_restore else (signal.SIGTERM,) * 2:
        wait_for_more(relay, 5000)
        engine.stop(number)
        relay.wait(lambda: _source(relay)["last_error"] is not None)
        engine.start(live_restore=live_restore)
        if not live_restore:
            engine.docker("start", "numbers")
    wait_for_more(relay, 5000)
    writer.stop()
    assert_exact(relay, writer)
    assert _source(relay)["state"] == "running"
    engine.stop()
    engine.start()


def _source(relay: Relay) -> dict[str, Any]:
    sources: list[dict[str, Any]] = relay.get("/api/v1/status")["sources"]
    return next(one for one in sources if one["name"] == "containers")


def test_events_that_were_missed(lives: Lives, engine: Engine, tmp_path: Path) -> None:
    """What came and went while nothing was told is found by listing."""
    with EngineProxy(engine.socket).running() as proxy:
        relay = lives(proxy.url)
        Writer(engine, "before", tmp_path / "record", lines=500).start()
        wait_for_lines(relay, "before", 1000)
        proxy.refused.add("events")
        assert proxy.cut("events") == 1
        engine.docker("rm", "--force", "before")
        late = Writer(engine, "late", tmp_path / "record", lines=500)
        late.start()
        late.wait()
        proxy.refused.clear()
        assert_exact(relay, late)
        relay.wait(lambda: sorted(_source(relay)["readers"]) == ["late"])
        assert set(proxy.asked) == {
            "/version",
            "/events",
            "/containers/json",
            "/containers/{id}/json",
            "/containers/{id}/logs",
        }
