"""
Real containers, struck while they write: nothing of what they wrote is lost or comes twice.

What a container wrote is its own record's word, never the relay's or the engine's.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import Engine
from tests.e2e.conftest import Relay
from tests.e2e.docker_writers import (
    LEAST_RATE,
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

ENDLESS = 5_000_000
"""Numbers in a line of 39 MB: half of it is more than the 1,024 parts that are asked for first."""

PIECE_BYTES = 256 * 1024
"""In which it comes."""

BURST = 5_000
"""Lines that are written within a moment."""

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
        for cut in range(5):
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
        writer = begin(engine, tmp_path, lines=15_000, burst=100)
        wait_for_more(relay, 25_000)
        proxy.cut_after = None
        writer.wait()
        assert_exact(relay, writer)


@both
def test_an_idle_connection_that_is_cut(lives: Lives, engine: Engine, tty: bool) -> None:
    """As proxies do after minutes; what comes next, at once, is read as if nothing had been."""
    with EngineProxy(engine.socket).running() as proxy:
        relay = lives(proxy.url)
        pipe = "mkfifo /tmp/in; echo 0; while :; do cat /tmp/in; done"
        engine.run("quiet", pipe, *(["--tty"] if tty else []))
        wait_for_lines(relay, "quiet", 1)
        for number in range(3):
            assert proxy.cut("") >= 2
            lines = f"seq {number * BURST + 1} {(number + 1) * BURST}"
            engine.docker("exec", "quiet", "sh", "-c", f"{lines} > /tmp/in")
            wait_for_lines(relay, "quiet", (number + 1) * BURST + 1)
        assert lines_in(relay, "quiet") == [str(number) for number in range(3 * BURST + 1)]
        assert gaps_in(relay, "quiet") == []


@both
def test_a_kill_inside_an_endless_line(
    lives: Lives, engine: Engine, tmp_path: Path, tty: bool
) -> None:
    """Its pieces are recognised by their place in it, and it goes on where it was left."""
    half = ENDLESS // 2
    script = f"""
    seq 1 {half} | tr '\\n' ' '
    while [ ! -e /record/go ]; do usleep 50000; done
    seq {half + 1} {ENDLESS} | tr '\\n' ' '; echo; echo after
    """
    record = tmp_path / "record"
    record.mkdir()
    text = "".join(f"{number} " for number in range(1, ENDLESS + 1))
    # So many are told before its end is there; the last one is still held.
    told = len("".join(f"{number} " for number in range(1, half + 1))) // PIECE_BYTES
    relay = lives()
    options = ("--volume", f"{record}:/record", *(["--tty"] if tty else []))
    engine.run("endless", script, *options)
    wait_for_lines(relay, "endless", told - 1)
    relay.stop(signal.SIGKILL)
    relay = lives()
    (record / "go").touch()
    relay.wait(lambda: lines_in(relay, "endless", "after"))
    *pieces, after = lines_in(relay, "endless")
    assert after == "after"
    assert [len(piece) for piece in pieces[:-1]] == [PIECE_BYTES] * (len(pieces) - 1)
    assert "".join(pieces).rstrip("\r") == text
    assert gaps_in(relay, "endless") == []


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


@both
def test_containers_that_are_recreated_and_removed_at_once(
    lives: Lives, engine: Engine, tmp_path: Path, tty: bool
) -> None:
    """One channel for all that had the name; each is removed right after its last line."""
    relay = lives()
    writers = []
    for _ in range(3):
        writer = begin(engine, tmp_path, tty=tty, lines=6000, more=("--rm",))
        writers.append(writer)
        relay.wait(partial(_is_gone, engine, writer.id))
    assert_exact(relay, writers[0])
    assert len({writer.id for writer in writers}) == 3
    count = 6000 * len(writers[0].streams)
    assert [run["lines"] for run in relay.wait(lambda: _ended_runs(relay, 3))] == [count] * 3


@both
@pytest.mark.parametrize("live_restore", [True, False], ids=["live-restore", "stopping"])
def test_restarts_of_the_engine(
    lives: Lives, engine: Engine, tmp_path: Path, live_restore: bool, tty: bool
) -> None:
    """With its containers going on, or ending with it: all that it has comes once."""
    with restarting(engine, live_restore=live_restore):
        relay = lives()
        writer = begin(engine, tmp_path, tty=tty)
        for _ in range(1 if live_restore else 2):
            restart(relay, engine, signal.SIGTERM, live_restore=live_restore)
            if not live_restore:
                engine.docker("start", "numbers")
        wait_for_more(relay, 5000)
        writer.stop()
        if live_restore:
            assert_as_kept(relay, engine, writer)
        else:
            assert_exact(relay, writer)
        assert _source(relay)["state"] == "running"


@both
def test_an_engine_that_is_killed(lives: Lives, engine: Engine, tmp_path: Path, tty: bool) -> None:
    """All that it has comes once; what it had in its hands when it was killed nobody has."""
    with restarting(engine, live_restore=True):
        relay = lives()
        writer = begin(engine, tmp_path, tty=tty)
        restart(relay, engine, signal.SIGKILL, live_restore=True)
        wait_for_more(relay, 5000)
        writer.stop()
        assert_as_kept(relay, engine, writer)


def assert_as_kept(relay: Relay, engine: Engine, writer: Writer) -> None:
    """
    Hold what the relay has against what the engine has, of a container that outlived it.

    An engine that ends so, also when it is asked to, drops what it has read and not written yet:
    up to some thousand lines of a container that never pauses (measured without a relay).
    """
    assert writer.rate > LEAST_RATE
    done = engine.try_docker("logs", writer.name)
    kept = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    for stream in writer.streams:
        own = [line for line in kept if f" {stream} " in line]
        relay.wait(partial(lines_in, relay, writer.name, own[-1]))
        assert lines_in(relay, writer.name, f" {stream} ") == own
        assert len(writer.written(stream)) - len(own) < 4000
    assert gaps_in(relay, writer.name) == []


@contextmanager
def restarting(engine: Engine, *, live_restore: bool) -> Iterator[None]:
    """Let the engine keep its containers over its own end, or not, while the context lasts."""
    engine.stop()
    engine.start(live_restore=live_restore)
    yield
    engine.stop()
    engine.start()


def restart(relay: Relay, engine: Engine, number: int, *, live_restore: bool) -> None:
    """End the engine by a signal while lines come, and start it again."""
    wait_for_more(relay, 5000)
    engine.stop(number)
    relay.wait(lambda: _source(relay)["last_error"] is not None)
    engine.start(live_restore=live_restore)


def _source(relay: Relay) -> dict[str, Any]:
    sources: list[dict[str, Any]] = relay.get("/api/v1/status")["sources"]
    return next(one for one in sources if one["name"] == "containers")


@both
def test_events_that_were_missed(lives: Lives, engine: Engine, tmp_path: Path, tty: bool) -> None:
    """What came and went while nothing was told is found by listing."""
    with EngineProxy(engine.socket).running() as proxy:
        relay = lives(proxy.url)
        before = begin(engine, tmp_path, "before", tty=tty, lines=3000)
        wait_for_lines(relay, "before", 3000 * len(before.streams))
        before.wait()
        relay.wait(lambda: _ended_runs(relay, 1))
        proxy.refused.add("events")
        assert proxy.cut("events") == 1
        engine.docker("rm", "--force", "before")
        late = begin(engine, tmp_path, "late", tty=tty, lines=3000)
        late.wait()
        proxy.refused.clear()
        assert_exact(relay, late)
        assert_exact(relay, before)
        relay.wait(lambda: sorted(_source(relay)["readers"]) == ["late"])
        assert set(proxy.asked) == {
            "/version",
            "/events",
            "/containers/json",
            "/containers/{id}/json",
            "/containers/{id}/logs",
        }
