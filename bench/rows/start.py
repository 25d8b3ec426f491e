"""From the start of the process to its first answer, and to that of a command."""

import subprocess
import sys
import time
from collections.abc import Callable

from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import Server, start_floor, start_relay
from bench.workspace import Workspace

STARTS = 5
"""Starts in one run: the least of them is what the machine's noise adds the least to."""


def measure_relay(workspace: Workspace, scale: Scale) -> Sample:
    """Start relays."""
    return _measure(lambda: _time(lambda: start_relay(workspace)))


def measure_floor(workspace: Workspace, scale: Scale) -> Sample:
    """Start bare servers."""
    return _measure(lambda: _time(lambda: start_floor(workspace, "hello")))


def measure_version(workspace: Workspace, scale: Scale) -> Sample:
    """Ask for the version."""
    return _measure(lambda: _time_command("-m", "relay", "--version"))


def measure_nothing(workspace: Workspace, scale: Scale) -> Sample:
    """Let Python do nothing."""
    return _measure(lambda: _time_command("-c", "pass"))


def _measure(time_one: Callable[[], float]) -> Sample:
    times = sorted(time_one() for _ in range(STARTS))
    return {"least": times[0] * 1000, "median": times[STARTS // 2] * 1000}


def _time(start: Callable[[], Server]) -> float:
    started = time.perf_counter()
    server = start()
    server.wait_for_answer()
    seconds = time.perf_counter() - started
    server.stop()
    return seconds


def _time_command(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


ROW = Row(
    "start",
    "start → first answer",
    (Figure("least", " ms", (Bar(1.6, at_most=True),)), Figure("median", " ms")),
    measure_relay,
    measure_floor,
)

VERSION = Row(
    "version",
    "relay --version; the floor is a Python that does nothing",
    (
        Figure("least", " ms"),
        Figure("median", " ms", (Bar(150, at_most=True, of_share=False, unit=" ms"),)),
    ),
    measure_version,
    measure_nothing,
)
