"""Times from a line's write to its arrival at clients; runs apart, by ``apart``."""

import re
import select
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.clients import BUFFER_BYTES, SILENCE_SECONDS, hold
from bench.servers import cpu_seconds

__all__ = ["Latencies", "time_lines"]

WARM_UP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Latencies:
    """
    Times from a line's write to its arrival.

    Args:
        p50_ms: half of the lines came faster.
        p99_ms: 99 of 100 lines came faster.
        grew: whether lines came later and later, so that the server had not kept up.
        cpu_seconds: processor time of the server meanwhile, without the opening of streams.
    """

    p50_ms: float
    p99_ms: float
    grew: bool
    cpu_seconds: float


def time_lines(
    port: int, path: str, log: Path, clients: int, rate: int, seconds: float, pid: int
) -> Latencies:
    """
    Write lines at a steady rate and time their arrival at every client.

    Args:
        port: of the server.
        path: of the stream.
        log: the file that is appended to.
        clients: how many read.
        rate: lines a second.
        seconds: how long lines are written.
        pid: of the server.

    Raises:
        RuntimeError: a stream ended, or lines were lost.
    """
    sockets = hold(port, path, clients)
    before = cpu_seconds(pid)
    lines = int(rate * seconds)
    command = [sys.executable, "-m", "bench.writer", str(log), str(rate), str(lines)]
    with subprocess.Popen(command) as writer:
        stamps = [_Stamps(client) for client in sockets]
        _receive_stamps(stamps, lines)
    used = cpu_seconds(pid) - before
    if writer.returncode:
        raise RuntimeError(f"the writer failed with {writer.returncode}")
    for client in sockets:
        client.close()
    return _summary(stamps, int(rate * WARM_UP_SECONDS), used)


class _Stamps:
    """The time stamps in one stream's lines, turned into latencies as they come."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.latencies_ns = array("q")
        self._rest = b""

    def receive(self) -> None:
        received = self.client.recv(BUFFER_BYTES)
        now_ns = time.monotonic_ns()
        if not received:
            raise RuntimeError("a stream ended")
        data = self._rest + received
        cut = data.rfind(b"\n\n") + 2
        if cut >= 2:
            stamps = STAMP.findall(data, 0, cut)
            self.latencies_ns.extend([now_ns - int(stamp) for stamp in stamps])
            data = data[cut:]
        self._rest = data


STAMP = re.compile(rb"stamp=(\d+)")


def _receive_stamps(stamps: Sequence[_Stamps], lines: int) -> None:
    poll = select.epoll()
    waiting = {stamp.client.fileno(): stamp for stamp in stamps}
    for number in waiting:
        poll.register(number, select.EPOLLIN)
    while waiting:
        ready = poll.poll(SILENCE_SECONDS)
        if not ready:
            counts = [len(stamp.latencies_ns) for stamp in stamps]
            raise RuntimeError(f"expected {lines} lines, got {min(counts)} to {max(counts)}")
        for number, _ in ready:
            stamp = waiting[number]
            stamp.receive()
            if len(stamp.latencies_ns) >= lines:
                poll.unregister(number)
                del waiting[number]


def _summary(stamps: Sequence[_Stamps], skipped: int, cpu_seconds: float) -> Latencies:
    """Join all clients' latencies, without the first lines of each, into a few figures."""
    steady = [stamp.latencies_ns[skipped:] for stamp in stamps]
    third = len(steady[0]) // 3
    early = _quantile([ns for latencies in steady for ns in latencies[:third]], 0.5)
    late = _quantile([ns for latencies in steady for ns in latencies[-third:]], 0.5)
    everything = [ns for latencies in steady for ns in latencies]
    return Latencies(
        p50_ms=_quantile(everything, 0.5) / 1e6,
        p99_ms=_quantile(everything, 0.99) / 1e6,
        grew=late > 2 * early + GROWTH_NS,
        cpu_seconds=cpu_seconds,
    )


GROWTH_NS = 20_000_000
"""A median that rises by less than this within a run is noise."""


def _quantile(values: list[int], share: float) -> int:
    return sorted(values)[int(len(values) * share)]
