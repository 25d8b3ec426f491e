"""
WebSockets and event streams as other people's clients see them.

Each client is cut again and again while a file is written, and resumes by the last id that it
has: every line comes once, in order. Compression is asked for and not, and never given.
"""

import asyncio
import json
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse
from playwright.sync_api import sync_playwright
from websockets.asyncio.client import connect

from tests.e2e.browsing import CHROMIUM, FLAGS
from tests.e2e.conftest import PATIENCE_SECONDS, Relay, StartRelay

NODE = Path(__file__).parents[1] / "node"

LINES = 20_000
CUTS = 5

EXPECTED = [f'línea {number} 日本語 🚀 \t"quoted"' for number in range(LINES)] + ["end"]

IDLE_BYTES = 22 * 1024
"""What a client may cost that is given nothing; 20.1 KB are measured."""


@dataclass
class Got:
    """What a client was given over all of its connections."""

    messages: list[str] = field(default_factory=list)
    gaps: int = 0
    connections: int = 0
    extensions: str = ""

    def take(self, one: Any) -> None:
        """Take an object, or an array of entries."""
        if isinstance(one, list):
            for entry in one:
                self.take(entry)
        elif one["type"] == "log":
            self.messages.append(one["message"])
        else:
            self.gaps += one["type"] == "gap"

    @property
    def is_whole(self) -> bool:
        return self.messages[-1:] == ["end"]

    def is_exact(self) -> None:
        """Assert that every line came once, over connections that were cut."""
        assert self.messages == EXPECTED
        assert (self.gaps, self.connections) == (0, CUTS + 1)


@pytest.fixture
def written(tmp_path: Path, start_relay: StartRelay) -> Iterator[Relay]:
    """Return a relay that reads a file which is being written."""
    path = tmp_path / "app.log"
    path.touch()
    relay = start_relay(
        f'[channel]\nlines = 1_000_000\n[sources.app]\ntype = "file"\npath = "{path}"\n'
        'channel = "app"\nstart = "beginning"\n'
    )
    writer = threading.Thread(target=_write, args=(path,))
    writer.start()
    yield relay
    writer.join()


def _write(path: Path) -> None:
    with path.open("ab", buffering=0) as file:
        for start in range(0, len(EXPECTED), 100):
            text = "".join([line + "\n" for line in EXPECTED[start : start + 100]])
            file.write(text.encode())
            time.sleep(0.01)


@pytest.mark.parametrize("batch", ["", "&batch=100"])
@pytest.mark.parametrize("compression", ["deflate", None])
async def test_the_websockets_package(written: Relay, compression: str | None, batch: str) -> None:
    """Python's."""
    got, last, chance = Got(), 0, random.Random(5)
    url = f"ws://127.0.0.1:{written.port}/app/ws?{batch}"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not got.is_whole:
            patience = chance.randrange(1, 30) if got.connections < CUTS else LINES * 2
            got.connections += 1
            async with connect(f"{url}&after={last}", compression=compression) as client:
                assert client.response is not None
                got.extensions += client.response.headers.get("Sec-WebSocket-Extensions", "")
                while patience and not got.is_whole:
                    one = json.loads(await client.recv(decode=False))
                    got.take(one)
                    last = (one[-1] if isinstance(one, list) else one).get("id", last)
                    patience -= 1
                if patience == 0:
                    client.transport.abort()
    got.is_exact()
    assert got.extensions == ""


def node(script: str, *arguments: str) -> Got:
    """Return what a client of Node's was given."""
    if not (NODE / "node_modules").is_dir() or shutil.which("node") is None:
        pytest.skip("needs the packages of tests/node, which `make test` installs")
    done = subprocess.run(
        ["node", str(NODE / script), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Got(**json.loads(done.stdout))


@pytest.mark.parametrize("batch", ["", "&batch=100"])
@pytest.mark.parametrize("compress", ["yes", "no"])
def test_the_ws_package(written: Relay, compress: str, batch: str) -> None:
    """Node's."""
    url = f"ws://127.0.0.1:{written.port}/app/ws?{batch}"
    got = node("ws-client.js", url, compress, str(CUTS))
    got.is_exact()
    assert got.extensions == ""


IN_THE_BROWSER = """
async ([path, cuts]) => {
  const got = { messages: [], gaps: 0, connections: 0, extensions: "" };
  let last = 0;
  const take = (one) => {
    if (Array.isArray(one)) return one.forEach(take);
    if (one.type === "log") got.messages.push(one.message);
    if (one.type === "gap") got.gaps += 1;
    if (one.id) last = one.id;
  };
  const connect = (patience) => new Promise((resolve) => {
    const socket = new WebSocket(`ws://${location.host}/${path}&after=${last}`);
    got.connections += 1;
    socket.onopen = () => (got.extensions += socket.extensions);
    socket.onclose = resolve;
    socket.onmessage = (event) => {
      take(JSON.parse(event.data));
      patience -= 1;
      if (patience === 0 || got.messages.at(-1) === "end") {
        socket.onmessage = null;
        socket.close();
      }
    };
  });
  while (got.messages.at(-1) !== "end") {
    await connect(got.connections < cuts ? 1 + Math.floor(Math.random() * 30) : Infinity);
  }
  return got;
}
"""


@pytest.mark.parametrize("batch", ["", "&batch=100"])
def test_chromium(written: Relay, batch: str) -> None:
    """A browser, which always asks for compression; from a page under our own policy."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(written.url)
        got = Got(**page.evaluate(IN_THE_BROWSER, [f"app/ws?{batch}", CUTS]))
        browser.close()
    got.is_exact()
    assert got.extensions == ""


def test_the_eventsource_package(written: Relay) -> None:
    """Node's, over server-sent events; it resumes by itself."""
    got = node("eventsource-client.js", f"{written.url}app/sse?after=0", str(CUTS))
    got.is_exact()


def test_the_httpx_sse_package(written: Relay) -> None:
    """Python's, over server-sent events."""
    got, last, chance = Got(), "0", random.Random(7)
    with httpx.Client(timeout=PATIENCE_SECONDS) as client:
        while not got.is_whole:
            patience = chance.randrange(1, 2000) if got.connections < CUTS else LINES * 2
            got.connections += 1
            headers = {"Last-Event-ID": last}
            with connect_sse(client, "GET", f"{written.url}app/sse", headers=headers) as source:
                for event in source.iter_sse():
                    got.take(event.json())
                    last = event.id
                    patience -= 1
                    if patience == 0 or got.is_whole:
                        break
    got.is_exact()


def test_the_status_as_others_see_it(start_relay: StartRelay) -> None:
    """The whole comes first, as an event that a package for them reads."""
    relay = start_relay('[sources.sleep]\ntype = "process"\ncommand = "echo hello; sleep 1000"\n')
    with (
        httpx.Client(timeout=PATIENCE_SECONDS) as client,
        connect_sse(client, "GET", f"{relay.url}api/v1/status/stream") as source,
    ):
        event = next(source.iter_sse())
    whole = event.json()
    assert (event.event, whole["type"], whole["whole"]) == ("status", "status", True)
    assert "sleep" in [one["name"] for one in whole["sources"]]


HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def test_an_idle_client_costs_little(start_relay: StartRelay) -> None:
    """No task, timer or compressor beyond what reading takes."""
    relay = start_relay("")
    first = [_idle(relay.port) for _ in range(200)]
    early = relay.rss_bytes
    rest = [_idle(relay.port) for _ in range(600)]
    assert (relay.rss_bytes - early) / len(rest) < IDLE_BYTES
    for one in first + rest:
        one.close()


def _idle(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(HANDSHAKE)
    heard = b""
    while b'"hello"' not in heard:
        heard += client.recv(1 << 16)
    return client
