"""
Clients that only count, in a process of their own.

Everything here runs apart from the runner and from what is measured, by ``apart``. A client
is a plain socket; it never parses an event, so that the server is what is measured.
"""

import re
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from bench.servers import cpu_seconds, rss_bytes

__all__ = [
    "Counter",
    "Drain",
    "apart",
    "beside",
    "connect",
    "count_coming",
    "count_held",
    "count_selected",
    "drain_live",
    "fan_out",
    "first_cursor",
    "hold",
    "measure_at_rest",
    "measure_while_held",
    "read_start",
    "stream_bytes",
]

P = ParamSpec("P")
R = TypeVar("R")

BUFFER_BYTES = 1 << 20
EVENT = b'{"type":"log",'
"""What stands once in every entry as JSON, and never inside of one: quotes are escaped there."""
SILENCE_SECONDS = 30.0
"""A stream that is silent for so long will not go on."""
QUIET_SECONDS = 0.5
"""A stream that is silent for so long has given all it holds."""

UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


def apart(function: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """Call ``function`` in a new process and return what it returns."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments, **options).result()


@contextmanager
def beside(
    function: Callable[P, object], *arguments: P.args, **options: P.kwargs
) -> Iterator[None]:
    """Let ``function`` run in a new process, which is ended at the end of the context."""
    process = get_context("spawn").Process(target=function, args=arguments, kwargs=options)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def connect(
    port: int, path: str, *, close: bool = False, websocket: bool = False
) -> socket.socket:
    """
    Ask for a stream.

    Args:
        port: on the loopback.
        path: with its query; one that ends in ``/ws`` is asked for as a WebSocket.
        close: whether the server closes the connection at the stream's end.
        websocket: whether it is asked for as one, whatever the path.
    """
    client = socket.create_connection(("127.0.0.1", port))
    client.settimeout(SILENCE_SECONDS)
    more = "Connection: close\r\n" if close else ""
    if websocket or is_websocket(path):
        more = UPGRADE
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n{more}"
    )
    client.sendall(request.encode() + b"\r\n")
    return client


def is_websocket(path: str) -> bool:
    """Return whether a path is that of a WebSocket."""
    return path.partition("?")[0].endswith("/ws")


def read_start(client: socket.socket) -> bytes:
    """Read the headers, and what came with them."""
    start = b""
    while b"\r\n\r\n" not in start:
        received = client.recv(65536)
        if not received:
            raise RuntimeError(f"closed before the headers' end: {start!r}")
        start += received
    if not start.startswith((b"HTTP/1.1 200", b"HTTP/1.1 101")):
        raise RuntimeError(f"refused: {start.decode(errors='replace')}")
    return start


class Counter:
    """
    Count the events of one stream, whatever pieces it comes in.

    Args:
        client: its socket.
        mark: what stands once in every event.
        buffer_bytes: that it takes at a time.
    """

    def __init__(
        self, client: socket.socket, mark: bytes = EVENT, buffer_bytes: int = BUFFER_BYTES
    ) -> None:
        self.client = client
        self.events = 0
        self.bytes = 0
        self._mark = mark
        # What an event's mark may have left unfinished is kept before the next piece.
        self._kept = len(mark) - 1
        self._buffer = bytearray(self._kept + buffer_bytes)
        self._view = memoryview(self._buffer)

    def receive(self) -> bool:
        """Take one piece; return whether the stream goes on."""
        received = self.client.recv_into(self._view[self._kept :])
        end = self._kept + received
        self.events += self._buffer.count(self._mark, 0, end)
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


def count_coming(
    port: int, path: str, start: Callable[[], object], lines: int, mark: bytes = EVENT
) -> float:
    """
    Let lines come, and count them.

    Args:
        port: of the server.
        path: of the stream.
        start: lets them come.
        lines: how many.
        mark: what stands once in every line's event.

    Returns:
        Seconds from the start to the last line.

    Raises:
        RuntimeError: the stream ended, or was silent, before the last line.
    """
    with connect(port, path) as client:
        counter = Counter(client, mark)
        counter.receive()
        started = time.perf_counter()
        start()
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


def stream_bytes(port: int, path: str, lines: int) -> int:
    """
    Read a stream that does not end until it has given all it holds; return its bytes.

    Raises:
        RuntimeError: it held other than so many lines.
    """
    with connect(port, path) as client:
        counter = Counter(client)
        _count(counter, lines)
        client.settimeout(QUIET_SECONDS)
        try:
            while counter.receive():
                pass
        except TimeoutError:
            pass
        return counter.bytes


def _count(counter: Counter, lines: int) -> None:
    try:
        while counter.events < lines and counter.receive():
            pass
    except TimeoutError:
        pass
    if counter.events != lines:
        raise RuntimeError(f"expected {lines} lines, got {counter.events}")


def fan_out(port: int, path: str, clients: int, lines: int, size: int | None = None) -> float:
    """
    Read a stream with many clients at once.

    One client in ten counts; the others only take the bytes, and must get as many.

    Args:
        port: of the server.
        path: of the stream.
        clients: how many.
        lines: that each must get.
        size: bytes after which a stream is over; ``None``: its connection's end tells.

    Returns:
        Seconds from the first request to the end of the last client's stream.

    Raises:
        RuntimeError: lines were lost, or came twice.
    """
    started = time.perf_counter()
    sockets = [connect(port, path, close=True) for _ in range(clients)]
    readers: list[Counter | Drain] = [
        Counter(client) if index % 10 == 0 else Drain(client)
        for index, client in enumerate(sockets)
    ]
    _receive_all(readers, lambda reader: size is not None and reader.bytes >= size)
    seconds = time.perf_counter() - started
    _verify(readers, lines)
    for client in sockets:
        client.close()
    return seconds


def _receive_all(
    readers: Sequence[Counter | Drain], has_all: Callable[[Counter | Drain], bool]
) -> None:
    """Let all readers receive until each has all, or its stream has ended."""
    poll = select.epoll()
    waiting = {reader.client.fileno(): reader for reader in readers}
    for number in waiting:
        poll.register(number, select.EPOLLIN)
    while waiting:
        ready = poll.poll(SILENCE_SECONDS)
        if not ready:
            raise RuntimeError(f"{len(waiting)} of {len(readers)} clients wait for the end")
        for number, _ in ready:
            reader = waiting[number]
            if not reader.receive() or has_all(reader):
                poll.unregister(number)
                del waiting[number]


def _verify(readers: Sequence[Counter | Drain], lines: int) -> None:
    _verify_events(readers, lines)
    # Chunks may be cut differently for each client: their frames are a few bytes in 100,000.
    sizes = [reader.bytes for reader in readers]
    if max(sizes) > min(sizes) * 1.01:
        raise RuntimeError(f"expected equal streams, got {min(sizes)} to {max(sizes)} bytes")


def _verify_events(readers: Sequence[Counter | Drain], lines: int) -> None:
    counted = {reader.events for reader in readers if isinstance(reader, Counter)}
    if counted != {lines}:
        raise RuntimeError(f"expected {lines} lines, got {sorted(counted)}")


def count_selected(
    port: int, paths: Sequence[str], start: Callable[[], object], lines: int, pid: int
) -> tuple[float, int]:
    """
    Let lines come to clients that each want some of them.

    Args:
        port: of the server.
        paths: of a client each.
        start: lets the lines come.
        lines: that each client wants of them.
        pid: of the server.

    Returns:
        Processor time of the server from the start to the last line, and all clients' bytes.

    Raises:
        RuntimeError: a client got other than so many lines.
    """
    sockets = [connect(port, path) for path in paths]
    for client in sockets:
        read_start(client)
    readers = [Counter(client, buffer_bytes=BUFFER_BYTES // 16) for client in sockets]
    before = cpu_seconds(pid)
    start()
    _receive_all(readers, lambda reader: isinstance(reader, Counter) and reader.events >= lines)
    used = cpu_seconds(pid) - before
    _verify_events(readers, lines)
    for client in sockets:
        client.close()
    return used, sum(reader.bytes for reader in readers)


def drain_live(port: int, path: str) -> None:
    """Take what a stream gives, until the server ends."""
    with connect(port, path) as client:
        drain = Drain(client)
        try:
            while drain.receive():
                pass
        except (ConnectionError, TimeoutError):
            pass


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


def measure_at_rest(
    port: int, paths: Sequence[str], settle_seconds: float, seconds: float, pid: int
) -> float:
    """
    Open idle streams and see how much of a processor a process uses.

    Args:
        port: of the server.
        paths: of a stream each.
        settle_seconds: until what the opening of streams set off is over.
        seconds: that are watched.
        pid: of the server.

    Returns:
        Share of one processor.
    """
    sockets = [client for path in paths for client in hold(port, path, 1)]
    time.sleep(settle_seconds)
    before, started = cpu_seconds(pid), time.perf_counter()
    time.sleep(seconds)
    used, passed = cpu_seconds(pid) - before, time.perf_counter() - started
    for client in sockets:
        client.close()
    return used / passed
