"""What an event of CloudWatch Logs costs, and what AWS's libraries take."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bench import pages
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import Server, Setup, floor, free_port, get, relay, start_relay
from bench.workspace import Workspace

LINES_A_PAGE = 10_000
"""Of the file of other rows, for each page of this one."""

PATIENCE_SECONDS = 120.0

KEYS = """
type = "cloudwatch"
log_group = "/aws/bench/pages"
region = "eu-central-1"
endpoint_url = "http://127.0.0.1:{port}"
start = "2h"
poll_interval = "100ms"
poll_interval_max = "100ms"
max_requests_per_second = 1000
"""

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIABZPUZDIKAAAAAAAA",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@contextmanager
def ready_pages(workspace: Workspace, scale: Scale) -> Iterator[Server]:
    """Run a server that has its pages ready."""
    port = free_port()
    count = scale.lines // LINES_A_PAGE
    command = [sys.executable, "-m", "bench.pages", str(port), str(count)]
    server = Server(command, port, workspace.folder / "pages.out")
    try:
        server.wait_for_word()
        yield server
    finally:
        server.stop()


@contextmanager
def puller(workspace: Workspace, port: int) -> Iterator[Server]:
    """Run a relay that has asked for events, and got none."""
    server = start_relay(workspace, Setup(keys=KEYS.format(port=port)), environ=CREDENTIALS)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while b'"reading"' not in (get(server.port, "/api/v1/status") or b""):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield server
    finally:
        server.stop()


def measure_relay(workspace: Workspace, scale: Scale) -> Sample:
    """Let a relay read all pages."""
    with ready_pages(workspace, scale) as source, puller(workspace, source.port) as server:
        before, began = server.cpu_seconds(), time.monotonic()
        events = pages.go(source.port)
        server.wait_for_lines(events, PATIENCE_SECONDS)
        return _sample(server, before, began, events)


def measure_floor(name: str, workspace: Workspace, scale: Scale) -> Sample:
    """Let a client parse all pages, and drop them."""
    with ready_pages(workspace, scale) as source, floor(workspace, name, str(source.port)) as f:
        before, began = f.cpu_seconds(), time.monotonic()
        events = pages.go(source.port)
        f.wait_for_text(f"read {events}\n", PATIENCE_SECONDS)
        return _sample(f, before, began, events)


def _sample(server: Server, before: float, began: float, events: int) -> Sample:
    return {
        "processor time an event": (server.cpu_seconds() - before) / events * 1e6,
        "events/s": events / (time.monotonic() - began),
    }


def measure_memory(workspace: Workspace, scale: Scale) -> Sample:
    """Look at a relay that reads a log group without events."""
    with ready_pages(workspace, scale) as source, puller(workspace, source.port) as server:
        return {"memory": server.rss_bytes() / 1e6}


def measure_without(workspace: Workspace, scale: Scale) -> Sample:
    """Look at a relay that reads files."""
    with relay(workspace) as server:
        return {"memory": server.rss_bytes() / 1e6}


def _row(name: str, client: str, floor_name: str, bars: tuple[Bar, ...]) -> Row:
    return Row(
        name,
        f"ready pages of 1 MB → a channel, against {client} that parses and drops them",
        (Figure("processor time an event", " µs", bars), Figure("events/s")),
        measure_relay,
        partial(measure_floor, floor_name),
    )


ROW = _row("cloudwatch", "AWS's own client", "library", (Bar(2, at_most=True),))
BARE = _row("cloudwatch-bare", "a bare client (floor D)", "pages", ())

MEMORY = Row(
    "cloudwatch-memory",
    "memory of a relay that reads a log group; the floor is one that reads files",
    (Figure("memory", " MB"),),
    measure_memory,
    measure_without,
)
