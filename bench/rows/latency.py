"""From a line's write to its arrival, at 1,000 lines a second, against floor C."""

from functools import partial
from pathlib import Path

from bench.clients import apart
from bench.latencies import time_lines
from bench.row import Bar, DiscardedError, Figure, Row, Sample, Scale
from bench.servers import Server, floor, live, relay
from bench.workspace import Workspace

RATE = 1000
"""Lines a second."""


def measure_relay(clients: int, workspace: Workspace, scale: Scale) -> Sample:
    """Time lines through a relay."""
    with relay(workspace) as server:
        sample, _ = measure(server, clients, scale, workspace.next_log())
        return sample


def measure_floor(clients: int, workspace: Workspace, scale: Scale) -> Sample:
    """
    Time lines through floor C.

    Raises:
        DiscardedError: it did not keep up, so that its latencies say nothing.
    """
    log = workspace.next_log()
    log.touch()
    with floor(workspace, "stream", str(log)) as server:
        sample, grew = measure(server, clients, scale, log)
    if grew:
        raise DiscardedError("the floor's backlog grew")
    return sample


def measure(server: Server, clients: int, scale: Scale, log: Path) -> tuple[Sample, bool]:
    """Write lines and time them; tell too whether they came later and later."""
    seconds = scale.seconds
    times = apart(time_lines, server.port, live(), log, clients, RATE, seconds, server.pid)
    sample = {
        "p50": times.p50_ms,
        "p99": times.p99_ms,
        "processor use": times.cpu_seconds / seconds * 100,
    }
    return sample, times.grew


ONE = Row(
    "latency-1",
    "write → one SSE client, 1,000 lines/s",
    (
        Figure("p50", " ms", (Bar(1, at_most=True, of_share=False, unit=" ms"),)),
        Figure("p99", " ms", (Bar(5, at_most=True, of_share=False, unit=" ms"),)),
        Figure("processor use", " %"),
    ),
    partial(measure_relay, 1),
    partial(measure_floor, 1),
)

HUNDRED = Row(
    "latency-100",
    "write → 100 SSE clients, 1,000 lines/s",
    (
        Figure("p50", " ms", (Bar(1.5, at_most=True),)),
        Figure("p99", " ms", (Bar(1.5, at_most=True),)),
        Figure("processor use", " %", (Bar(1, at_most=True),)),
    ),
    partial(measure_relay, 100),
    partial(measure_floor, 100),
)
