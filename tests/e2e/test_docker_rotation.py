"""
Real containers whose engine rotates their logs: fast, under load, and away.

What a container wrote is its own record's word; what is still there of it the engine's own files'.
"""

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

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
    wait_for_more,
)


def limits(size: str, files: int, driver: str = "json-file") -> tuple[str, ...]:
    """Return the options by which the engine keeps so many files of so many bytes."""
    return (
        *("--log-driver", driver, "--log-opt", f"max-size={size}"),
        *("--log-opt", f"max-file={files}"),
    )


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_rotation_under_load(lives: Lives, engine: Engine, tmp_path: Path, driver: str) -> None:
    """
    Each second the engine begins a new file, and the relay is killed beside it.

    With the driver ``local`` a file that the engine skipped may be noticed late.
    """
    relay = lives()
    writer = begin(engine, tmp_path, more=limits("1m", 20, driver))
    for _ in range(2):
        wait_for_more(relay, 30_000)
        relay.stop(signal.SIGKILL)
        relay = lives()
    wait_for_more(relay, 20_000)
    writer.stop()
    assert_exact(relay, writer, in_order=driver == "json-file")


@pytest.mark.parametrize("tty", [False, True], ids=["streams", "terminal"])
def test_what_the_engine_s_follower_skips_is_read(
    lives: Lives, engine: Engine, tmp_path: Path, tty: bool
) -> None:
    """The relay stands still while files come and go: all that is still there comes, in order."""
    relay = lives()
    writer = begin(engine, tmp_path, tty=tty, more=limits("1m", 30))
    for _ in range(2):
        wait_for_more(relay, 20_000)
        with standing_still(relay):
            wait_for_files(engine, writer, 3)
    writer.stop()
    assert_exact(relay, writer)


@pytest.mark.parametrize("files", [1, 2, 3])
def test_what_the_engine_has_thrown_away_is_one_gap(
    lives: Lives, engine: Engine, tmp_path: Path, files: int
) -> None:
    """And nothing else is missing: by the files that the engine has left."""
    relay = lives()
    writer = begin(engine, tmp_path, more=limits("1m", files))
    wait_for_more(relay, 10_000)
    with standing_still(relay):
        wait_for_files(engine, writer, files + 3)
        writer.stop()
        left = {stream: set(left_of(engine, writer, stream, files)) for stream in writer.streams}
    assert writer.rate > LEAST_RATE
    for stream in writer.streams:
        relay.wait(partial(lines_in, relay, "numbers", writer.written(stream)[-1]))
    gap, *others = gaps_in(relay, "numbers")
    assert (gap["reason"], gap["count"], others) == ("source", None, [])
    for stream in writer.streams:
        lines, written = lines_in(relay, "numbers", f" {stream} "), writer.written(stream)
        first = next(at for at, line in enumerate(lines) if line != written[at])
        missing = written[first : first + len(written) - len(lines)]
        assert lines == written[:first] + written[first + len(missing) :]
        assert missing
        assert not left[stream].intersection(missing)


@contextmanager
def standing_still(relay: Relay) -> Iterator[None]:
    """Stop the relay while the context lasts: it holds the engine's follower back."""
    relay.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        relay.process.send_signal(signal.SIGCONT)


def log_of(engine: Engine, writer: Writer) -> Path:
    """Return the engine's newest file of a container."""
    return Path(engine.docker("inspect", "--format", "{{.LogPath}}", writer.id))


def wait_for_files(engine: Engine, writer: Writer, count: int) -> None:
    """Wait until the engine has begun so many files."""
    path = log_of(engine, writer)
    seen = path.stat().st_ino
    deadline = time.monotonic() + 60
    while count:
        assert time.monotonic() < deadline
        if (now := inode_of(path)) not in (None, seen):
            seen, count = now, count - 1
        time.sleep(0.01)


def inode_of(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def left_of(engine: Engine, writer: Writer, stream: str, count: int) -> list[str]:
    """Return the lines of a stream in the files that the engine still has and gives out."""
    path = log_of(engine, writer)
    # Where it keeps one, another is left behind that it never looks at.
    files = [path, *(Path(f"{path}.{number}") for number in range(1, count))]
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    wanted = re.compile(rf"numbers {stream} .*")
    return [text for one in records if wanted.fullmatch(text := one["log"].rstrip("\n"))]
