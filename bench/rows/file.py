"""From a file that appears to one SSE client, against floor A."""

from pathlib import Path

from bench.clients import apart, count_appearing
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import Server, floor, live, relay
from bench.workspace import Workspace


def measure_relay(workspace: Workspace, scale: Scale) -> Sample:
    """Let a relay read the file."""
    with relay(workspace) as server:
        return measure(server, workspace, scale, workspace.next_log())


def measure_floor(workspace: Workspace, scale: Scale) -> Sample:
    """Let floor A read the file."""
    log = workspace.next_log()
    with floor(workspace, "file", str(log)) as server:
        return measure(server, workspace, scale, log)


def measure(server: Server, workspace: Workspace, scale: Scale, log: Path) -> Sample:
    """Let the file appear, and count its lines as they come."""
    staged = workspace.staged(scale.lines)
    before = server.cpu_seconds()
    seconds = apart(count_appearing, server.port, live(), staged, log, scale.lines)
    cpu_seconds = server.cpu_seconds() - before
    return {
        "lines/s": scale.lines / seconds,
        "processor time a line": cpu_seconds / scale.lines * 1e6,
    }


ROW = Row(
    "file",
    "file → one SSE client",
    (Figure("lines/s", "", (Bar(0.5),)), Figure("processor time a line", " µs")),
    measure_relay,
    measure_floor,
)
