"""
What containers of the tests write, and what the relay has of it.

A writer's lines are numbered, for each stream and life by itself. What it wrote is known without
asking the relay: it is told how much to write, or notes it in a file of the host's.
"""

import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from tests.docker_engine import Engine

if TYPE_CHECKING:
    from tests.e2e.conftest import Relay, StartRelay

__all__ = [
    "LEAST_RATE",
    "Lives",
    "Writer",
    "assert_exact",
    "begin",
    "gaps_in",
    "lines_in",
    "lives",
    "wait_for_lines",
    "wait_for_more",
]

LEAST_RATE = 5_000
"""Lines a second that a container must have written for a test to count."""

Lives = Callable[..., "Relay"]


CONFIG = """
[state]
directory = "{state}"

[channel]
lines = 1_000_000
bytes = "256MiB"

[sources.containers]
type = "docker"
host = "{host}"
{more}
"""

# In bursts, so that one of the shell's own programs sets the pace: about 8,000 lines a second.
SCRIPT = """
trap 'over=1' TERM
over= ; n=0 ; bursts=0
note() {{ read now idle < /proc/uptime; echo $n $now >> /record/{name}.pace; }}
note
while [ -z "$over" ] && [ $n -lt {lines} ]; do
    stop=$((n + {burst}))
    while [ $n -lt $stop ]; do
        echo "{name} out $n the quick brown fox jumps over the lazy dog"
        {err}
        n=$((n + 1))
    done
    bursts=$((bursts + 1))
    [ $((bursts % 8)) = 0 ] && note
    usleep {pause}
done
note
echo $n >> /record/{name}
exit {code}
"""


@dataclass
class Writer:
    """
    A container that writes numbered lines.

    Args:
        engine: where it runs.
        name: of the container, and in its lines.
        record: directory on the host in which it notes, at its end, how far it came.
        lines: how many it writes on each stream, if it is not told to end before.
        streams: ``out``, or ``out`` and ``err``.
        burst: lines between two pauses.
        pause_us: of a pause.
        options: of ``docker run``.
        code: with which it ends.
    """

    engine: Engine
    name: str
    record: Path
    lines: int = 1_000_000
    streams: tuple[str, ...] = ("out", "err")
    burst: int = 50
    pause_us: int = 10_000
    options: tuple[str, ...] = ()
    code: int = 0
    id: str = field(init=False, default="")

    def start(self) -> None:
        """Run it."""
        self.record.mkdir(exist_ok=True)
        err = f'echo "{self.name} err $n it happens" >&2' if "err" in self.streams else ":"
        script = SCRIPT.format(
            name=self.name,
            lines=self.lines,
            err=err,
            burst=self.burst,
            pause=self.pause_us,
            code=self.code,
        )
        mount = f"{self.record}:/record"
        self.id = self.engine.run(self.name, script, "--volume", mount, *self.options)

    def stop(self) -> None:
        """Let it end by itself, after the lines that it is at."""
        self.engine.docker("stop", "--time", "60", self.name)

    @property
    def lives(self) -> list[int]:
        """How many lines each of its lives wrote on each stream, by its own record."""
        file = self.record / self.name
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    @property
    def rate(self) -> float:
        """
        Lines a second that it wrote on all its streams, by its own record.

        The median of some tenths of a second each: it waits while its engine is down.
        """
        file = self.record / f"{self.name}.pace"
        paces = [line.split() for line in file.read_text().splitlines()]
        notes = [(int(count), float(seconds)) for count, seconds in paces]
        rates = [
            (after - before) * len(self.streams) / max(ended - began, 0.01)
            for (before, began), (after, ended) in pairwise(notes)
            if after > before
        ]
        return median(rates)

    def written(self, stream: str) -> list[str]:
        """Return all that it wrote on a stream."""
        text = {"out": "the quick brown fox jumps over the lazy dog", "err": "it happens"}[stream]
        return [
            f"{self.name} {stream} {number} {text}"
            for count in self.lives
            for number in range(count)
        ]

    def wait(self) -> None:
        """Wait until it has ended by itself."""
        assert self.engine.wait(self.name) == self.code


def _page(relay: "Relay", channel: str) -> Iterator[dict[str, Any]]:
    query = urllib.parse.urlencode(
        {"channel": channel, "after": 0, "follow": 0, "format": "ndjson"}
    )
    with urllib.request.urlopen(f"{relay.url}api/v1/logs/stream?{query}", timeout=60) as response:
        for line in response:
            yield json.loads(line)


def lines_in(relay: "Relay", channel: str, word: str = "") -> list[str]:
    """Return the messages of a channel, in order, that have a word in them."""
    found = (one for one in _page(relay, channel) if one["type"] == "log")
    return [one["message"] for one in found if word in one["message"]]


def gaps_in(relay: "Relay", channel: str) -> list[dict[str, Any]]:
    """Return what the relay declares to be missing."""
    return [one for one in _page(relay, channel) if one["type"] == "gap"]


def wait_for_lines(relay: "Relay", channel: str, count: int) -> None:
    """Wait until a channel has had so many lines."""

    def has_them() -> bool:
        known = relay.get("/api/v1/channels")["channels"]
        return any(one["name"] == channel and one["last_seq"] >= count for one in known)

    relay.wait(has_them, 60)


@pytest.fixture
def lives(start_relay: "StartRelay", engine: Engine, tmp_path: Path) -> Lives:
    """Return a function that starts the relay on the same state and engine."""

    def start(host: str = "", more: str = "") -> "Relay":
        state = tmp_path / "state"
        return start_relay(CONFIG.format(state=state, host=host or engine.url, more=more))

    return start


def assert_exact(
    relay: "Relay", writer: Writer, channel: str | None = None, *, in_order: bool = True
) -> None:
    """
    Hold what the relay has against what the container wrote, fast, for each stream.

    Args:
        relay: that reads the container.
        writer: the container.
        channel: of its lines; ``None``: the container's name.
        in_order: whether the lines must also come in their order.
    """
    channel = channel or writer.name
    ordered = list if in_order else sorted
    written = {stream: writer.written(stream) for stream in writer.streams}
    total = sum(len(lines) for lines in written.values())
    assert writer.rate > LEAST_RATE
    others = sum(one.startswith("container ") for one in lines_in(relay, channel, "container "))
    wait_for_lines(relay, channel, total + others)
    for stream, lines in written.items():
        found = lines_in(relay, channel, f"{writer.name} {stream} ")
        assert ordered(found) == ordered(lines)
    assert gaps_in(relay, channel) == []


def begin(
    engine: Engine,
    tmp_path: Path,
    name: str = "numbers",
    *,
    tty: bool = False,
    more: tuple[str, ...] = (),
    **others: Any,
) -> Writer:
    """Return a container that writes on, with a terminal or without, until it is stopped."""
    kinds: dict[str, Any] = {"streams": ("out", "err"), "burst": 200, "options": more}
    if tty:
        kinds = {"streams": ("out",), "burst": 300, "options": ("--tty", *more)}
    writer = Writer(engine, name, tmp_path / "record", **(kinds | others))
    writer.start()
    return writer


def wait_for_more(relay: "Relay", count: int, channel: str = "numbers") -> None:
    """Wait until a channel has so many lines more."""
    wait_for_lines(relay, channel, _last_seq(relay, channel) + count)


def _last_seq(relay: "Relay", channel: str) -> int:
    known = relay.get("/api/v1/channels")["channels"]
    return next((int(one["last_seq"]) for one in known if one["name"] == channel), 0)
