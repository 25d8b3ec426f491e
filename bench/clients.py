"""
Clients that only count, in a process of their own.

Everything here runs apart from the runner and from what is measured, by ``apart``. A client
is a plain socket; it never parses an event, so that the server is what is measured.
"""

import re
import select
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

from bench.servers import rss_bytes
from bench.workspace import appear

__all__ = ["Latencies", "apart", "connect", "count_appearing", "count_held", "hold", "time_lines"]

P = ParamSpec("P")
R = TypeVar("R")

BUFFER_BYTES = 1 << 20
EVENT = b"event: log\n"
"""What stands once in every event of a line, and never in a line of ours."""
SILENCE_SECONDS = 30.0
"""A stream that is silent for so long will not go on."""
WARM_UP_SECONDS = 0.5


def apart(function: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """Call ``function`` in a new process and return what it returns."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments, **options).result()


def connect(port: int, path: str, *, close: bool = False) -> socket.socket:
    """
    Ask for a stream.

    Args:
        port: on the loopback.
        path: with its query.
        close: whether the server closes the connection at the stream's end.
    """
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(SILENCE_SECONDS)
    closing = "Connection: close\r\n" if close else ""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n{closing}"
    )
    client.sendall(request.encode() + b"\r\n")
    return client


def read_start(client: socket.socket) -> bytes:
    """Read the headers, and what came with them."""
    start = b""
    while b"\r\n\r\n" not in start:
        received = client.recv(65536)
        if not received:
            raise RuntimeError(f"closed before the headers' end: {start!r}")
        start += received
    if not start.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"refused: {start.decode(errors='replace')}")
    return start


class Counter:
    """
    Count the events of one stream, whatever pieces it comes in.

    Args:
        client: its socket.
    """

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.events = 0
        self.bytes = 0
        # What an event's mark may have left unfinished is kept before the next piece.
        self._kept = len(EVENT) - 1
        self._buffer = bytearray(self._kept + BUFFER_BYTES)
        self._view = memoryview(self._buffer)

    def receive(self) -> bool:
        """Take one piece; return whether the stream goes on."""
        received = self.client.recv_into(self._view[self._kept :])
        end = self._kept + received
        self.events += self._buffer.count(EVENT, 0, end)
        self._buffer[: self._kept] = self._buffer[end - self._kept : end]
        self.bytes += received
        return received > 0


class Drain:
    """Take a stream's bytes without looking at them, or even copying them."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.bytes = 0
        self._buffer = bytearray(BUFFER_BYTES)  # never written to

    def receive(self) -> bool:
        """Throw away what has come; return whether the stream goes on."""
        # MSG_TRUNC on a TCP socket: the kernel drops the bytes, and says how many.
        received = self.client.recv_into(self._buffer, BUFFER_BYTES, socket.MSG_TRUNC)
        self.bytes += received
        return received > 0


def count_appearing(port: int, path: str, staged: Path, log: Path, lines: int) -> float:
    """
    Let a file appear and count its lines as they come.

    Returns:
        Seconds from the file's appearance to its last line.

    Raises:
        RuntimeError: the stream ended, or was silent, before the last line.
    """
    with connect(port, path) as client:
        counter = Counter(client)
        counter.receive()
        started = time.perf_counter()
        appear(staged, log)
        _count(counter, lines)
        return time.perf_counter() - started


def count_held(port: int, path: str, lines: int) -> None:
    """
    Read a stream until so many lines have come.

    Raises:
        RuntimeError: the stream ended, or was silent, before the last line.
    """
    with connect(port, path) as client:
        _count(Counter(client), lines)


def _count(counter: Counter, lines: int) -> None:
    try:
        while counter.events < lines and counter.receive():
            pass
    except TimeoutError:
        pass
    if counter.events != lines:
        raise RuntimeError(f"expected {lines} lines, got {counter.events}")


def fan_out(port: int, path: str, clients: int, lines: int) -> float:
    """
    Read a stream that ends, with many clients at once.

    One client in ten counts, the others throw away what comes, so that it is not the clients
    that set the pace.

    Returns:
        Seconds from the first request to the last client's end.

    Raises:
        RuntimeError: a client did not get everything.
    """
    started = time.perf_counter()
    sockets = [connect(port, path, close=True) for _ in range(clients)]
    readers = [
        Counter(client) if index % 10 == 0 else Drain(client)
        for index, client in enumerate(sockets)
    ]
    poll = select.epoll()
    waiting = {reader.client.fileno(): reader for reader in readers}
    for number in waiting:
        poll.register(number, select.EPOLLIN)
    while waiting:
        ready = poll.poll(SILENCE_SECONDS)
        if not ready:
            raise RuntimeError(f"{len(waiting)} of {clients} clients wait for the end")
        for number, _ in ready:
            if not waiting[number].receive():
                poll.unregister(number)
                del waiting[number]
    seconds = time.perf_counter() - started
    _verify(readers, lines)
    for client in sockets:
        client.close()
    return seconds


def _verify(readers: Sequence[Counter | Drain], lines: int) -> None:
    counted = {reader.events for reader in readers if isinstance(reader, Counter)}
    if counted != {lines}:
        raise RuntimeError(f"expected {lines} lines, got {sorted(counted)}")
    # Chunks may be cut differently for each client: their frames are a few bytes in 100,000.
    sizes = [reader.bytes for reader in readers]
    if max(sizes) > min(sizes) * 1.01:
        raise RuntimeError(f"expected equal streams, got {min(sizes)} to {max(sizes)} bytes")


def first_cursor(port: int, path: str) -> int:
    """Return the cursor that the greeting of a stream carries."""
    with connect(port, path) as client:
        start = read_start(client)
        while (found := re.search(rb"\nid: (\d+)\n", start)) is None:
            start += client.recv(65536)
        return int(found[1])


def hold(port: int, path: str, clients: int) -> list[socket.socket]:
    """Open so many streams; every one has been answered when this returns."""
    sockets = []
    for _ in range(clients):
        client = connect(port, path)
        sockets.append(client)
        read_start(client)
    return sockets


def measure_while_held(port: int, path: str, clients: int, pid: int) -> int:
    """
    Open idle streams and see how much a process grows by them.

    A tenth as many are opened and closed before, so that what any stream needs is there.

    Args:
        port: of the server.
        path: of the stream.
        clients: how many.
        pid: of the server.

    Returns:
        Growth of resident memory in bytes.
    """
    for client in hold(port, path, max(1, clients // 10)):
        client.close()
    before = rss_bytes(pid)
    sockets = hold(port, path, clients)
    after = rss_bytes(pid)
    for client in sockets:
        client.close()
    return after - before


@dataclass(frozen=True, slots=True)
class Latencies:
    """
    Times from a line's write to its arrival.

    Args:
        p50_ms: half of the lines came faster.
        p99_ms: 99 of 100 lines came faster.
        grew: whether lines came later and later, so that the server had not kept up.
    """

    p50_ms: float
    p99_ms: float
    grew: bool


def time_lines(
    port: int, path: str, log: Path, clients: int, rate: int, seconds: float
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

    Raises:
        RuntimeError: a stream ended, or lines were lost.
    """
    sockets = hold(port, path, clients)
    lines = int(rate * seconds)
    command = [sys.executable, "-m", "bench.writer", str(log), str(rate), str(lines)]
    with subprocess.Popen(command) as writer:
        stamps = [_Stamps(client) for client in sockets]
        _receive_all(stamps, lines)
    if writer.returncode:
        raise RuntimeError(f"the writer failed with {writer.returncode}")
    for client in sockets:
        client.close()
    return _summary(stamps, int(rate * WARM_UP_SECONDS))


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


def _receive_all(stamps: Sequence[_Stamps], lines: int) -> None:
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


def _summary(stamps: Sequence[_Stamps], skipped: int) -> Latencies:
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
    )


GROWTH_NS = 20_000_000
"""A median that rises by less than this within a run is noise."""


def _quantile(values: list[int], share: float) -> int:
    return sorted(values)[int(len(values) * share)]
