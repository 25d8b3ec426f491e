"""
A relay with a state directory that is killed: what was shown is still there, in every transport.

The writer's own record is what is held against what clients got.
"""

import asyncio
import json
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.difference import difference
from tests.e2e.clients import SseClient
from tests.e2e.conftest import Relay, StartRelay

LINES = 3000
"""In each life; the ring holds far fewer, so that most come from the disk."""

CONFIG = """
[state]
directory = "{state}"

[channel]
lines = 200
archive = true

[sources.app]
type = "file"
path = "{log}"
start = "beginning"
"""


def append(log: Path, first: int, count: int) -> list[str]:
    """Write numbered lines, and return them."""
    lines = [f"line {number} äöü" for number in range(first, first + count)]
    with log.open("a") as file:
        file.write("".join(line + "\n" for line in lines))
    return lines


def wait_for(relay: Relay, count: int) -> None:
    """Wait until the channel has had so many lines."""

    def is_shown() -> bool:
        channels = relay.get("/api/v1/channels")["channels"]
        return any(one["name"] == "app" and one["last_seq"] >= count for one in channels)

    relay.wait(is_shown)


@pytest.fixture
def lives(start_relay: StartRelay, tmp_path: Path) -> Callable[[], Relay]:
    """Return a function that starts the relay on the same state and log."""
    config = CONFIG.format(state=tmp_path / "state", log=tmp_path / "app.log")
    return lambda: start_relay(config)


def page(relay: Relay, **query: Any) -> dict[str, Any]:
    """Return a page of the channel."""
    text = urllib.parse.urlencode({"channel": "app", **query})
    result: dict[str, Any] = relay.get(f"/api/v1/logs?{text}")
    return result


def pages(relay: Relay, after: int) -> tuple[list[str], int]:
    """Return all messages after a cursor, page by page, and the last cursor."""
    messages: list[str] = []
    while True:
        found = page(relay, after=after, limit=700)
        assert found["gaps"] == []
        messages += [entry["message"] for entry in found["logs"]]
        after = found["cursor"]
        if not found["truncated"]:
            return messages, after


def streamed(relay: Relay, path: str) -> list[dict[str, Any]]:
    """Return the objects of an NDJSON stream that ends where history does."""
    with urllib.request.urlopen(relay.url + path, timeout=30) as response:
        return [json.loads(line) for line in response]


async def over_websocket(relay: Relay, after: int, count: int) -> list[str]:
    """Return the messages that a WebSocket gives after a cursor."""
    url = f"ws://127.0.0.1:{relay.port}/api/v1/logs/ws?channel=app&after={after}"
    messages: list[str] = []
    async with asyncio.timeout(30), connect(url) as socket:
        while len(messages) < count:
            given = json.loads(await socket.recv())
            assert given["type"] in ("hello", "log"), given
            if given["type"] == "log":
                messages.append(given["message"])
    return messages


def test_every_transport_goes_on_after_kills(lives: Callable[[], Relay], tmp_path: Path) -> None:
    """Pages, SSE, NDJSON, WebSocket and short URLs, each by the last id that it was given."""
    log = tmp_path / "app.log"
    relay = lives()
    lines = append(log, 0, LINES)
    wait_for(relay, LINES)
    half, cursor = page(relay, after=0, limit=1000), 0
    sse = SseClient(relay.port, "/app/sse?after=0")
    sse.connect()
    while len([event for event in sse.events if event[0] == "log"]) < LINES // 2:
        sse.read()
    sse.drop()
    cursor = half["cursor"]
    for life in range(1, 4):
        relay.stop(signal.SIGKILL)
        lines += append(log, life * LINES, LINES)
        relay = lives()
        wait_for(relay, len(lines))
    assert difference([entry["message"] for entry in half["logs"]], lines[:1000]) == ""
    assert difference(pages(relay, cursor)[0], lines[1000:]) == ""
    objects = streamed(
        relay, f"api/v1/logs/stream?format=ndjson&channel=app&after={cursor}&follow=0"
    )
    assert [one["type"] for one in objects[:1]] == ["hello"]
    given = [one["message"] for one in objects[1:] if one["type"] != "cursor"]
    assert difference(given, lines[1000:]) == ""
    short = streamed(relay, f"app/json?after={cursor}&follow=0")
    given = [one["message"] for one in short if one["type"] == "log"]
    assert difference(given, lines[1000:]) == ""
    assert [one for one in short if one["type"] == "gap"] == []
    over = asyncio.run(over_websocket(relay, cursor, len(lines) - 1000))
    assert difference(over, lines[1000:]) == ""
    sse.port = relay.port
    sse.connect()
    while sum(kind == "log" for kind, _ in sse.events) < len(lines):
        sse.read()
    sse.drop()
    assert (difference(sse.messages, lines), sse.gaps[:3]) == ("", [])
    seqs = [str(one["seq"]) for kind, one in sse.events if kind == "log"]
    assert difference(seqs, [f"{number}" for number in range(1, len(lines) + 1)]) == ""


def test_pages_look_back_over_the_seam(lives: Callable[[], Relay], tmp_path: Path) -> None:
    """The newest, those before an id, an offset, neighbours, totals: from disk and ring alike."""
    log = tmp_path / "app.log"
    relay = lives()
    lines = append(log, 0, LINES)
    wait_for(relay, LINES)
    relay.stop(signal.SIGKILL)
    relay = lives()
    lines += append(log, LINES, 300)
    wait_for(relay, len(lines))
    newest = page(relay, tail=1000)
    assert difference([entry["message"] for entry in newest["logs"]], lines[-1000:]) == ""
    assert newest["total"] == len(lines)
    older = page(relay, before=newest["logs"][0]["id"], limit=500)
    assert difference([entry["message"] for entry in older["logs"]], lines[-1500:-1000]) == ""
    skipped = page(relay, offset=100, limit=10)
    assert [entry["message"] for entry in skipped["logs"]] == lines[100:110]
    backward = page(relay, order="desc", limit=5)
    assert [entry["message"] for entry in backward["logs"]] == lines[:-6:-1]
    found = page(relay, q="line 1234 ", context=2)
    assert [entry["message"] for entry in found["logs"]] == lines[1232:1237]
    counted = page(relay, q="line 12", total=1, limit=1)
    assert counted["total"] == sum("line 12" in line for line in lines)
    histogram = relay.get("/api/v1/logs/histogram?channel=app")
    assert histogram["total"] == len(lines)


def test_archived_lines_are_read_without_us(lives: Callable[[], Relay], tmp_path: Path) -> None:
    """Segments are NDJSON, plain or by zstd: with each line once, in order."""
    log = tmp_path / "app.log"
    relay = lives()
    lines = append(log, 0, 100_000)
    wait_for(relay, len(lines))
    relay.wait(lambda: list((tmp_path / "state").rglob("*.zst")))
    assert relay.stop() == 0
    files = sorted((tmp_path / "state" / "channels" / "app").rglob("*.ndjson*"))
    assert len(files) > 1
    messages: list[str] = []
    for file in files:
        reader = "zstdcat" if file.suffix == ".zst" else "cat"
        text = subprocess.run([reader, file], capture_output=True, check=True).stdout
        messages += [json.loads(line)["message"] for line in text.splitlines()]
    assert difference(messages, lines) == ""


def test_a_second_relay_is_refused(lives: Callable[[], Relay], tmp_path: Path) -> None:
    """In words, with exit code 2."""
    relay = lives()
    second = subprocess.run(
        [sys.executable, "-m", "relay", "serve", "-c", str(tmp_path / "relay.toml")],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert second.returncode == 2
    assert second.stderr.splitlines()[-1] == (
        f"{tmp_path}/relay.toml: state.directory: {tmp_path}/state is used by another relay, "
        f"pid {relay.process.pid}"
    )


def test_a_relay_that_is_stopped_goes_on(lives: Callable[[], Relay], tmp_path: Path) -> None:
    """By a signal: the next life has all that was shown, and nothing twice."""
    log = tmp_path / "app.log"
    lines = []
    for life in range(3):
        relay = lives()
        lines += append(log, life * 500, 500)
        wait_for(relay, len(lines))
        assert relay.stop() == 0
    relay = lives()
    channel = relay.get("/api/v1/channels/app")
    assert (channel["held_lines"], channel["memory_lines"]) == (len(lines), 0)
    assert channel["oldest"] <= channel["newest"]
    assert difference(pages(relay, 0)[0], lines) == ""
    assert relay.get("/api/v1/status")["store"]["recovered"] == []
