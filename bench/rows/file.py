"""From a file that appears to one SSE client, against floor A."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.clients import apart, count_coming
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import Server, Setup, floor, live, relay
from bench.workspace import Workspace, appear


def measure_relay(workspace: Workspace, scale: Scale) -> Sample:
    """Let a relay read the file."""
    return measure_setup(Setup(), workspace, scale)


def measure_setup(setup: Setup, workspace: Workspace, scale: Scale) -> Sample:
    """Let a relay with a configuration of its own read the file."""
    with relay(workspace, setup) as server:
        return measure(server, workspace, scale, workspace.next_log())


def measure_floor(workspace: Workspace, scale: Scale) -> Sample:
    """Let floor A read the file."""
    log = workspace.next_log()
    with floor(workspace, "file", str(log)) as server:
        return measure(server, workspace, scale, log)


def measure(server: Server, workspace: Workspace, scale: Scale, log: Path) -> Sample:
    """Let the file appear, and count its lines as they come."""
    staged = workspace.staged(scale.lines)
    return measure_coming(server, partial(appear, staged, log), scale.lines)


def measure_coming(server: Server, start: Callable[[], object], lines: int) -> Sample:
    """Let lines come, and count them."""
    before = server.cpu_seconds()
    seconds = apart(count_coming, server.port, live(), start, lines)
    cpu_seconds = server.cpu_seconds() - before
    return {
        "lines/s": lines / seconds,
        "processor time a line": cpu_seconds / lines * 1e6,
    }


ROW = Row(
    "file",
    "file → one SSE client",
    (Figure("lines/s", "", (Bar(0.5),)), Figure("processor time a line", " µs")),
    measure_relay,
    measure_floor,
)
