"""
Nothing lost, nothing repeated: real files, real processes, clients that come and go.

The writer's own record is what is held against what clients got.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TextIO

import pytest

from tests.difference import difference
from tests.e2e.clients import SseClient
from tests.e2e.conftest import Relay, StartRelay

ROTATIONS = 50


class Writer(threading.Thread):
    """Writes numbered lines to a file without a pause, and is told to go on in a new file."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.count = 0
        self.done = threading.Event()
        self._rotate: Callable[[], object] | None = None
        self._rotated = threading.Event()

    def run(self) -> None:
        file = self.path.open("a", buffering=1)
        while not self.done.is_set():
            if self._rotate is not None:
                file.close()
                self._rotate()
                self._rotate = None
                file = self.path.open("a", buffering=1)
                self._rotated.set()
            self.write(file)
        file.write("end\n")
        file.close()

    def write(self, file: TextIO) -> None:
        """Write a line, and rest a little after each hundred."""
        file.write(f"line {self.count} äöü\n")
        self.count += 1
        if self.count % 100 == 0:
            time.sleep(0.001)

    def wait_for(self, more: int) -> None:
        """Wait until so many more lines were written."""
        count = self.count + more
        while self.count < count:
            time.sleep(0.002)

    def rotate(self, how: Callable[[], object]) -> None:
        """Let the writer close its file, do ``how``, and open the file anew."""
        self._rotated.clear()
        self._rotate = how
        assert self._rotated.wait(30)


@pytest.mark.parametrize("way", ["rename", "delete"])
def test_a_file_rotated_under_load(way: str, tmp_path: Path, start_relay: StartRelay) -> None:
    """Fifty rotations; every line once, through a client that is cut again and again."""
    _rotate_under_load(way, tmp_path, start_relay)


@pytest.mark.parametrize("way", ["rename", "delete"])
def test_rotations_while_the_relay_waits_for_a_processor(
    way: str, tmp_path: Path, start_relay: StartRelay
) -> None:
    """Stopped anywhere for up to 50 ms, it finds that several files have come and gone."""
    _rotate_under_load(way, tmp_path, start_relay, random.Random(3))


def _rotate_under_load(
    way: str, tmp_path: Path, start_relay: StartRelay, chance: random.Random | None = None
) -> None:
    path = tmp_path / "app.log"
    path.touch()
    relay = start_relay(
        f'[channel]\nlines = 10_000_000\nbytes = "1GiB"\n'
        f'[sources.app]\ntype = "file"\npath = "{path}"\nstart = "beginning"\nchannel = "app"\n'
    )
    relay.wait(lambda: "app" in [one["name"] for one in relay.get("api/v1/channels")["channels"]])
    client = SseClient(relay.port, "/app/sse?tail=0")
    client.connect()
    writer = Writer(path)
    stopped = (relay, chance, writer.done)
    stopper = threading.Thread(target=_stop_at_random, args=stopped, daemon=True)
    writer.start()
    stopper.start()
    try:
        for number in range(ROTATIONS):
            writer.wait_for(200)
            if way == "rename":
                writer.rotate(partial(path.rename, tmp_path / f"app.log.{number}"))
            else:
                # A file that is deleted before anybody opened it is gone for everyone.
                relay.wait(partial(_has_open, relay, path))
                writer.rotate(path.unlink)
    finally:
        # Else the relay would be stopped while it is ended.
        writer.done.set()
        writer.join()
        stopper.join()
    client.read_until_message("end", random.Random(3))
    client.drop()
    lines = [f"line {number} äöü" for number in range(writer.count)] + ["end"]
    assert (difference(client.messages, lines), client.gaps[:3]) == ("", [])


def _stop_at_random(relay: Relay, chance: random.Random | None, done: threading.Event) -> None:
    """Stop the process and let it go on, as a busy machine would."""
    while chance is not None and not done.is_set():
        relay.process.send_signal(signal.SIGSTOP)
        time.sleep(chance.choice([0.005, 0.02, 0.05]))
        relay.process.send_signal(signal.SIGCONT)
        time.sleep(chance.choice([0.0005, 0.002, 0.01]))


def _has_open(relay: Relay, path: Path) -> bool:
    """Ask the system, not the relay, whether the relay has the file open."""
    wanted = path.stat()
    for link in Path(f"/proc/{relay.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            if os.path.samestat(link.stat(), wanted):
                return True
    return False


def test_a_process_that_prints_a_million_lines(start_relay: StartRelay) -> None:
    """All of them, in order, in a ring that holds them."""
    code = "import sys\\nfor n in range(1000000): sys.stdout.write('%d\\\\n' % n)"
    relay = start_relay(
        "[channel]\nlines = 2_000_000\n"
        'bytes = "1GiB"\n'
        f'[sources.count]\ntype = "process"\nrestart = "never"\n'
        f'command = ["{sys.executable}", "-c", "{code}"]\n'
    )
    (run,) = relay.wait(
        lambda: [one for one in relay.get("api/v1/runs")["runs"] if one["ended"]], seconds=60
    )
    assert (run["status"], run["exit_code"], run["lines"]) == ("succeeded", 0, 1_000_000)
    body = subprocess.run(
        ["curl", "-sN", f"{relay.url}count/raw?follow=0&since=1"],
        check=True,
        capture_output=True,
        timeout=60,
    ).stdout
    expected = [f"{number}" for number in range(1_000_000)]
    assert difference(body.decode().splitlines(), expected) == ""


def test_a_flood_never_grows_memory_beyond_the_ring(start_relay: StartRelay) -> None:
    """The process is held back, whoever reads."""
    relay = start_relay(
        '[channel]\nlines = 10_000\nbytes = "4MiB"\n'
        '[sources.flood]\ntype = "process"\ncommand = "yes \'some line of a flood\'"\n'
    )
    relay.wait(lambda: relay.get("api/v1/status")["sources"][0]["lines"] > 500_000)
    early = relay.rss_bytes
    relay.wait(lambda: relay.get("api/v1/status")["sources"][0]["lines"] > 5_000_000)
    assert relay.rss_bytes < early + 24 * 1024 * 1024


CLIENTS = 200
DROPPING_LINES = 20_000


def test_clients_that_drop_and_resume_at_random(tmp_path: Path, start_relay: StartRelay) -> None:
    """Two hundred clients, cut inside events and characters: each line once for each."""
    path = tmp_path / "app.log"
    path.touch()
    relay = start_relay(
        f'[channel]\nlines = 1_000_000\n[sources.app]\ntype = "file"\npath = "{path}"\n'
        'channel = "app"\n'
    )
    relay.wait(lambda: "app" in [one["name"] for one in relay.get("api/v1/channels")["channels"]])
    expected = [f"línea {number} 日本語 🚀" for number in range(DROPPING_LINES)]
    asyncio.run(_drop_and_resume(relay.port, path, expected))


async def _drop_and_resume(port: int, path: Path, expected: list[str]) -> None:
    clients = [_Dropping(port, random.Random(number)) for number in range(CLIENTS)]
    readers = [asyncio.create_task(client.run(expected[-1])) for client in clients]
    async with asyncio.timeout(60):
        while not all(client.last_id for client in clients):
            await asyncio.sleep(0.01)
        with path.open("ab", buffering=0) as file:
            for start in range(0, len(expected), 100):
                text = "".join([line + "\n" for line in expected[start : start + 100]])
                file.write(text.encode())
                await asyncio.sleep(0.002)
    async with asyncio.timeout(120):
        await asyncio.gather(*readers)
    for client in clients:
        assert (difference(client.messages, expected), client.gaps[:3]) == ("", [])
    cuts = [cut for client in clients for cut in client.cuts]
    assert sum(cut == "character" for cut in cuts) > 20
    assert sum(cut == "event" for cut in cuts) > 200


class _Dropping:
    """A client that cuts its connection at random places and resumes by its last id."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self.port = port
        self.chance = chance
        self.last_id = ""
        self.messages: list[str] = []
        self.gaps: list[str] = []
        self.cuts: list[str] = []

    async def run(self, last: str) -> None:
        while not (self.messages and self.messages[-1] == last):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            resume = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
            writer.write(
                f"GET /app/sse?tail=0 HTTP/1.0\r\nHost: localhost\r\n{resume}\r\n".encode()
            )
            await reader.readuntil(b"\r\n\r\n")
            await self.read(reader, self.chance.randrange(1, 1_500_000), last)
            writer.transport.abort()

    async def read(self, reader: asyncio.StreamReader, most: int, last: str) -> None:
        """Read so many bytes, then stop wherever that is."""
        buffer = b""
        while most > 0:
            data = await reader.read(min(most, self.chance.randrange(1, 50_000)))
            most -= len(data)
            *events, buffer = (buffer + data).split(b"\n\n")
            for event in events:
                self.take(event.decode())
            if not data or (self.messages and self.messages[-1] == last):
                return
        if buffer:
            try:
                buffer.decode()
                self.cuts.append("event")
            except UnicodeDecodeError:
                self.cuts.append("character")

    def take(self, event: str) -> None:
        fields = dict(line.partition(": ")[::2] for line in event.split("\n"))
        self.last_id = fields["id"]
        if fields["event"] == "log":
            self.messages.append(json.loads(fields["data"])["message"])
        elif fields["event"] == "gap":
            self.gaps.append(fields["data"])


def test_stdin_is_relayed_and_its_run_completes(tmp_path: Path, start_relay: StartRelay) -> None:
    """``some-command | relay -``; the relay serves on after the end."""
    read_end, write_end = os.pipe()
    relay = start_relay("", "-", stdin=read_end)
    os.close(read_end)
    os.write(write_end, b"one\ntwo\nthree")
    os.close(write_end)
    (run,) = relay.wait(lambda: [one for one in relay.get("api/v1/runs")["runs"] if one["ended"]])
    assert (run["status"], run["lines"]) == ("ended", 3)
    logs = relay.get("api/v1/channels/stdin/logs")["logs"]
    assert [one["message"] for one in logs] == ["one", "two", "three"]
    assert relay.stop() == 0
