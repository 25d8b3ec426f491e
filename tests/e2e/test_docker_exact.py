"""
Real containers, struck while they write: nothing of what they wrote is lost or comes twice.

What a container wrote is its own record's word, never the relay's or the engine's.
"""

import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import Engine
from tests.e2e.conftest import Relay, StartRelay
from tests.e2e.docker_writers import CONFIG, Writer, gaps_in, lines_in, wait_for_lines
from tests.fakes.engine_proxy import EngineProxy

LEAST_RATE = 5_000
"""Lines a second that a container must have written for a test to count."""

Lives = Callable[..., Relay]


@pytest.fixture
def lives(start_relay: StartRelay, engine: Engine, tmp_path: Path) -> Lives:
    """Return a function that starts the relay on the same state and engine."""

    def start(host: str = "", more: str = "") -> Relay:
        state = tmp_path / "state"
        return start_relay(CONFIG.format(state=state, host=host or engine.url, more=more))

    return start


def assert_exact(relay: Relay, writer: Writer, channel: str | None = None) -> None:
    """Hold what the relay has against what the container wrote, for each stream."""
    channel = channel or writer.name
    written = {stream: writer.written(stream) for stream in writer.streams}
    total = sum(len(lines) for lines in written.values())
    assert total
    others = sum(one.startswith("container ") for one in lines_in(relay, channel, "container "))
    wait_for_lines(relay, channel, total + others)
    for stream, lines in written.items():
        assert lines_in(relay, channel, f"{writer.name} {stream} ") == lines
    assert gaps_in(relay, channel) == []


def begin(engine: Engine, tmp_path: Path, *, tty: bool = False, **more: Any) -> Writer:
    """Return a container that writes on, with a terminal or without, until it is stopped."""
    kinds: dict[str, Any] = {"streams": ("out", "err"), "burst": 100}
    if tty:
        kinds = {"streams": ("out",), "burst": 180, "options": ("--tty",)}
    writer = Writer(engine, "numbers", tmp_path / "record", **(kinds | more))
    writer.start()
    return writer


def assert_fast(writer: Writer, began: float) -> None:
    """See that what was asserted was asserted under load."""
    lines = sum(writer.lives) * len(writer.streams)
    assert lines / (time.monotonic() - began) > LEAST_RATE


def wait_for_more(relay: Relay, count: int, channel: str = "numbers") -> None:
    """Wait until a channel has so many lines more."""
    wait_for_lines(relay, channel, _last_seq(relay, channel) + count)


both = pytest.mark.parametrize("tty", [False, True], ids=["streams", "terminal"])


@both
def test_kills_of_the_relay(lives: Lives, engine: Engine, tmp_path: Path, tty: bool) -> None:
    """Five lives of the relay, each but the last killed while lines come."""
    relay = lives()
    began = time.monotonic()
    writer = begin(engine, tmp_path, tty=tty)
    for _ in range(4):
        wait_for_more(relay, 5000)
        relay.stop(signal.SIGKILL)
        relay = lives()
    writer.stop()
    assert_fast(writer, began)
    assert_exact(relay, writer)


@both
def test_cuts_of_the_connection(lives: Lives, engine: Engine, tmp_path: Path, tty: bool) -> None:
    """Sometimes it ends, sometimes it is an error; and there is never more than one."""
    with EngineProxy(engine.socket).running() as proxy:
        relay = lives(proxy.url)
        began = time.monotonic()
        writer = begin(engine, tmp_path, tty=tty)
        for cut in range(8):
            wait_for_more(relay, 2500)
            relay.wait(lambda: proxy.open("logs") == 1)
            assert proxy.cut("logs", reset=cut % 2 == 1) == 1
        writer.stop()
        assert_fast(writer, began)
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


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_rotation_under_load(lives: Lives, engine: Engine, tmp_path: Path, driver: str) -> None:
    """
    Every few seconds the engine begins a new file, and repeats some of the old one.

    No faster: a follower that lags while files of 1 MB come and go is not told by the engine of
    one that it skips (README, "Docker").
    """
    options = ("--log-driver", driver, "--log-opt", "max-size=4m", "--log-opt", "max-file=9")
    relay = lives()
    began = time.monotonic()
    writer = begin(engine, tmp_path, options=options)
    for _ in range(2):
        wait_for_more(relay, 30_000)
        relay.stop(signal.SIGKILL)
        relay = lives()
    writer.stop()
    assert_fast(writer, began)
    assert_exact(relay, writer)


def test_what_was_rotated_away_is_one_gap(lives: Lives, engine: Engine, tmp_path: Path) -> None:
    """While the relay was down more was written than the engine keeps."""
    options = ("--log-opt", "max-size=500k", "--log-opt", "max-file=2")
    relay = lives()
    writer = begin(engine, tmp_path, options=options)
    wait_for_more(relay, 5000)
    relay.stop(signal.SIGKILL)
    time.sleep(3)
    relay = lives()
    wait_for_more(relay, 5000)
    writer.stop()
    for stream in writer.streams:
        last = writer.written(stream)[-1]
        relay.wait(partial(lines_in, relay, "numbers", last))
    gap, *others = gaps_in(relay, "numbers")
    assert (gap["reason"], gap["count"], others) == ("source", None, [])
    for stream in writer.streams:
        lines, written = lines_in(relay, "numbers", f" {stream} "), writer.written(stream)
        first = next(at for at, line in enumerate(lines) if line != written[at])
        assert lines[first:] == written[first - len(lines) :]


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


def _last_seq(relay: Relay, channel: str) -> int:
    known = relay.get("/api/v1/channels")["channels"]
    return next((int(one["last_seq"]) for one in known if one["name"] == channel), 0)
