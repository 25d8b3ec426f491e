"""From the start of the process to its first answer, against a bare aiohttp server."""

import time
from collections.abc import Callable

from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import Server, start_floor, start_relay
from bench.workspace import Workspace

STARTS = 5
"""Starts in one run: the least of them is what the machine's noise adds the least to."""


def measure_relay(workspace: Workspace, scale: Scale) -> Sample:
    """Start relays."""
    return _measure(lambda: start_relay(workspace))


def measure_floor(workspace: Workspace, scale: Scale) -> Sample:
    """Start bare servers."""
    return _measure(lambda: start_floor(workspace, "hello"))


def _measure(start: Callable[[], Server]) -> Sample:
    times = sorted(_time(start) for _ in range(STARTS))
    return {"least": times[0] * 1000, "median": times[STARTS // 2] * 1000}


def _time(start: Callable[[], Server]) -> float:
    started = time.perf_counter()
    server = start()
    server.wait_for_answer()
    seconds = time.perf_counter() - started
    server.stop()
    return seconds


ROW = Row(
    "start",
    "start → first answer",
    (Figure("least", " ms", (Bar(1.6, at_most=True),)), Figure("median", " ms")),
    measure_relay,
    measure_floor,
)
