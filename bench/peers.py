"""
What a user would pick instead: the same file, lines and clients, by turns with the relay.

The clients only count, and count alike: by what stands once in every line, whatever a peer puts
around it. Peers are in the environment's folder ``peers``, where ``make bench-peers`` puts them.
"""

import hashlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.clients import Counter, apart, connect, first_cursor, read_start
from bench.floors import frame_head
from bench.row import Bar, Figure, Measure, Row, Sample, Scale
from bench.servers import FIRST, FIRST_LINES, Server, free_port, live, relay
from bench.workspace import Workspace, append

__all__ = ["PEERS", "count"]

FOLDER = Path(sys.prefix) / "peers"
FRONTAIL = FOLDER / "node_modules" / ".bin" / "frontail"
WEBSOCKETD = FOLDER / "usr" / "bin" / "websocketd"
NGINX = FOLDER / "usr" / "sbin" / "nginx"
NCHAN = FOLDER / "usr" / "lib" / "nginx" / "modules" / "ngx_nchan_module.so"

MARK = b" handled path="
"""What stands once in every line."""

PATIENCE_SECONDS = 60.0
"""For all lines of a run, of which the slowest peer takes a fifth; more is a failure."""

MOST_PAIRS = 3
"""Of a fan-out: a peer takes up to 15 seconds for it, and all rows are to be done in minutes."""

CONFIGURATION = """
load_module {module};
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_shared_memory_size 2G;
    nchan_message_buffer_length {lines};
    nchan_message_timeout 1h;
    server {{
        listen 127.0.0.1:{port};
        location = /publish/ws {{ nchan_publisher websocket; nchan_channel_id bench; }}
        location = /sse {{
            nchan_subscriber eventsource;
            nchan_channel_id bench;
            nchan_subscriber_first_message oldest;
        }}
        location = /ws {{
            nchan_subscriber websocket;
            nchan_channel_id bench;
            nchan_subscriber_first_message oldest;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Visit:
    """
    How a client comes to a stream.

    Args:
        path: of the stream.
        websocket: whether it is one.
        says: what the client sends first.
        hears: what has come when the stream is open; empty: the headers.
    """

    path: str
    websocket: bool = False
    says: bytes = b""
    hears: bytes = b""


def open_stream(port: int, visit: Visit) -> socket.socket:
    """
    Return a client's connection that is ready for lines.

    Raises:
        RuntimeError: the server refuses, or closes.
    """
    client = connect(port, visit.path, websocket=visit.websocket)
    client.settimeout(PATIENCE_SECONDS)
    heard = read_start(client)
    client.sendall(visit.says)
    while visit.hears not in heard:
        received = client.recv(65536)
        if not received:
            raise RuntimeError(f"closed after {heard!r}")
        heard += received
    return client


def time_appended(port: int, visit: Visit, staged: Path, log: Path, lines: int) -> float:
    """
    Append lines to a file that is followed, and count them as they come.

    Returns:
        Seconds from the start of the appending to the last line.

    Raises:
        RuntimeError: lines were lost.
    """
    with open_stream(port, visit) as client:
        counter = Counter(client, MARK)
        started = time.perf_counter()
        append(staged, log)
        count([counter], lines)
        return time.perf_counter() - started


def time_held(port: int, path: str, clients: int, lines: int) -> float:
    """
    Let many clients read what is held, and count it.

    Returns:
        Seconds from the first request to the last client's last line.

    Raises:
        RuntimeError: lines were lost.
    """
    started = time.perf_counter()
    counters = [Counter(connect(port, path), MARK) for _ in range(clients)]
    count(counters, lines)
    seconds = time.perf_counter() - started
    for counter in counters:
        counter.client.close()
    return seconds


def time_live(
    port: int, path: str, clients: int, lines: int, start: Callable[[], object]
) -> float:
    """
    Let lines come to many clients, and count them.

    Returns:
        Seconds from the start to the last client's last line.

    Raises:
        RuntimeError: lines were lost.
    """
    counters = [Counter(client, MARK) for client in hold_all(port, path, clients)]
    started = time.perf_counter()
    giver = threading.Thread(target=start)
    giver.start()
    count(counters, lines)
    seconds = time.perf_counter() - started
    giver.join()
    return seconds


def hold_all(port: int, path: str, clients: int) -> list[socket.socket]:
    """Open streams; each has been answered when this returns."""
    sockets = [connect(port, path) for _ in range(clients)]
    for client in sockets:
        read_start(client)
    return sockets


def count(
    counters: Sequence[Counter], lines: int, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """
    Let each client count so many lines.

    Raises:
        RuntimeError: one has not got them after so long, or has got more.
    """
    poll = select.epoll()
    waiting = {counter.client.fileno(): counter for counter in counters}
    for number in waiting:
        poll.register(number, select.EPOLLIN)
    end = time.monotonic() + patience_seconds
    while waiting and (left := end - time.monotonic()) > 0:
        for number, _ in poll.poll(left):
            counter = waiting[number]
            if not counter.receive() or counter.events >= lines:
                poll.unregister(number)
                del waiting[number]
    counted = sorted({counter.events for counter in counters})
    if counted != [lines]:
        raise RuntimeError(f"expected {lines} lines in {patience_seconds:g} s, got {counted}")


def masked_frame(payload: bytes) -> bytes:
    """Return a client's text frame; masked by zeros, which leave it as it is."""
    head = frame_head(len(payload))
    return head[:1] + bytes((head[1] | 0x80,)) + head[2:] + bytes(4) + payload


def publish(port: int, staged: Path) -> None:
    """Publish each line of a file as a message, and wait until all are taken."""
    frames = [masked_frame(text) for text in staged.read_bytes().splitlines()]
    with connect(port, "/publish/ws") as client:
        read_start(client)
        answers = Counter(client, b"queued messages")
        sender = threading.Thread(target=client.sendall, args=(b"".join(frames),))
        sender.start()
        count([answers], len(frames))
        sender.join()


class Peer(Server):
    """A server of somebody else, with the processes that it starts."""

    def stop(self) -> None:
        """End them all."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def wait_until_listening(self) -> None:
        """Wait until it takes connections."""
        self._wait(self._is_listening)

    def _is_listening(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS).close()
        except ConnectionError:
            return False
        return True


@contextmanager
def peer(workspace: Workspace, command: Sequence[object], port: int) -> Iterator[Peer]:
    """
    Run a peer that listens.

    Raises:
        RuntimeError: it is not installed.
    """
    if not Path(str(command[0])).exists():
        raise RuntimeError(f"not installed: {command[0]}; `make bench-peers` installs it")
    words = [str(word) for word in command]
    server = Peer(words, port, workspace.folder / "peer.out", own_group=True)
    try:
        server.wait_until_listening()
        yield server
    finally:
        server.stop()


def measure_file(workspace: Workspace, scale: Scale) -> Sample:
    """Let a relay follow the file."""
    with relay(workspace) as server:
        visit = Visit("/bench/sse?tail=1", hears=FIRST.strip())
        log = next(workspace.logs.iterdir())
        return _append(server, visit, workspace, log, scale)


def measure_frontail(workspace: Workspace, scale: Scale) -> Sample:
    """Let frontail follow the file, which sends by socket.io."""
    log, port = _first_log(workspace), free_port()
    options = ["--disable-usage-stats", "--host", "127.0.0.1", "--port", str(port), "-n", "1"]
    name = hashlib.md5(str(log).encode(), usedforsecurity=False).hexdigest()
    visit = Visit(
        "/socket.io/?EIO=3&transport=websocket",
        websocket=True,
        says=masked_frame(f"40/{name},".encode()),
        hears=FIRST.strip(),
    )
    with peer(workspace, [FRONTAIL, *options, log], port) as server:
        return _append(server, visit, workspace, log, scale)


def measure_websocketd(workspace: Workspace, scale: Scale) -> Sample:
    """Let websocketd run "tail -F" on the file."""
    log, port = _first_log(workspace), free_port()
    options = ["--address", "127.0.0.1", "--port", str(port), "--loglevel", "error"]
    command = [WEBSOCKETD, *options, "tail", "-n", "1", "-F", log]
    visit = Visit("/", websocket=True, hears=FIRST.strip())
    with peer(workspace, command, port) as server:
        return _append(server, visit, workspace, log, scale)


def _first_log(workspace: Workspace) -> Path:
    workspace.clear()
    log = workspace.next_log()
    log.write_bytes(FIRST)
    return log


def _append(server: Server, visit: Visit, workspace: Workspace, log: Path, scale: Scale) -> Sample:
    staged = workspace.staged(scale.peer_lines)
    seconds = apart(time_appended, server.port, visit, staged, log, scale.peer_lines)
    return {"lines/s": scale.peer_lines / seconds}


def measure_held(workspace: Workspace, scale: Scale) -> Sample:
    """Let 100 clients read what a relay holds."""
    with relay(workspace) as server:
        cursor = apart(first_cursor, server.port, live())
        append(workspace.staged(scale.peer_fanout_lines), next(workspace.logs.iterdir()))
        server.wait_for_lines(FIRST_LINES + scale.peer_fanout_lines)
        return _held(server, f"/bench/sse?after={cursor}", scale)


def measure_live(workspace: Workspace, scale: Scale) -> Sample:
    """Let 100 clients read what a relay reads."""
    with relay(workspace) as server:
        staged, log = workspace.staged(scale.peer_fanout_lines), next(workspace.logs.iterdir())
        return _live(server, live(), partial(append, staged, log), scale)


def measure_nchan_held(workers: int, path: str, workspace: Workspace, scale: Scale) -> Sample:
    """Let 100 clients read what Nchan holds."""
    with nchan(workspace, workers, scale.peer_fanout_lines) as server:
        publish(server.port, workspace.staged(scale.peer_fanout_lines))
        return _held(server, path, scale)


def measure_nchan_live(workers: int, path: str, workspace: Workspace, scale: Scale) -> Sample:
    """Let 100 clients read what is published to Nchan."""
    staged = workspace.staged(scale.peer_fanout_lines)
    with nchan(workspace, workers, scale.peer_fanout_lines) as server:
        return _live(server, path, partial(publish, server.port, staged), scale)


@contextmanager
def nchan(workspace: Workspace, workers: int, lines: int) -> Iterator[Peer]:
    """Run nginx with a channel of so many lines."""
    port, folder = free_port(), workspace.folder
    configuration = folder / "nginx.conf"
    text = CONFIGURATION.format(
        module=NCHAN, workers=workers, folder=folder, port=port, lines=lines
    )
    configuration.write_text(text)
    command = [NGINX, "-p", folder, "-c", configuration, "-e", folder / "nginx.log"]
    with peer(workspace, command, port) as server:
        yield server


def _held(server: Server, path: str, scale: Scale) -> Sample:
    seconds = apart(time_held, server.port, path, scale.clients, scale.peer_fanout_lines)
    return {"events/s": scale.clients * scale.peer_fanout_lines / seconds}


def _live(server: Server, path: str, start: Callable[[], object], scale: Scale) -> Sample:
    seconds = apart(time_live, server.port, path, scale.clients, scale.peer_fanout_lines, start)
    return {"events/s": scale.clients * scale.peer_fanout_lines / seconds}


def _file_row(name: str, title: str, measure: Measure) -> Row:
    return Row(name, title, (Figure("lines/s", "", (Bar(3),)),), measure_file, measure)


def _nchan_row(kind: str, measures: tuple[Measure, Measure], what: str) -> Row:
    figures = (Figure("events/s", "", (Bar(10),)),)
    return Row(f"nchan-{kind}", f"100 clients, {what}", figures, *measures, MOST_PAIRS)


PEERS: tuple[Row, ...] = (
    _file_row("frontail", "file → one client; beside it frontail", measure_frontail),
    _file_row("websocketd", "file → one client; beside it websocketd", measure_websocketd),
    _nchan_row(
        "held",
        (measure_held, partial(measure_nchan_held, 2, "/ws")),
        "what is held; beside it Nchan by WebSocket, 2 workers",
    ),
    *(
        _nchan_row(
            f"{transport}-{workers}",
            (measure_live, partial(measure_nchan_live, workers, f"/{transport}")),
            f"what comes; beside it Nchan by {name}, {workers} worker(s)",
        )
        for transport, name in (("ws", "WebSocket"), ("sse", "SSE"))
        for workers in (1, 2)
    ),
)
"""Rows of the relay, each with a peer where others have a floor."""
