"""
The floors: the least work that could give a client the same bytes.

Rule of this file: it imports nothing from ``relay``. Each floor is a program of its own,
``python -m bench.floors NAME PORT [ARGUMENT]``, that prints ``ready`` once it listens:

    file PATH            A: read the file that appears at PATH, render it, write it to one socket
    stdin                A: the same with what is piped into it
    process COMMAND      A: the same with what a shell's command says
    fanout PATH:CLIENTS  B: send bytes that are ready to so many sockets, in a plain loop
    frames PATH:CLIENTS:BATCH  B: the same with frames of WebSockets; 0 is one entry a message
    stream PATH          C: a bare aiohttp loop that follows PATH, one task per client
    pages PORT           D: ask the server of bench.pages for all its pages, parse and drop them
    library PORT         the same by AWS's own client
    hello                a bare aiohttp server, for the time from start to the first answer
"""

import asyncio
import base64
import fcntl
import hashlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, cast

import orjson

__all__ = ["SOURCE", "event_head", "render", "render_frames"]

READ_BYTES = 128 * 1024
SOURCE = "bench"
"""Name of the source and of the channel, here and in the relay's configuration."""

HEADERS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)

PIPE_BYTES = 1 << 20
"""What a pipe is let hold."""

RUN = "bench-2026-11-21T09:47:00.123Z"
"""As long as the name of a run that a relay gives."""

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def event_head(instance: str, timestamp_ns: int, run: str = "") -> bytes:
    """
    Render what the events of one block share: all from ``channel`` to ``message``.

    Args:
        instance: path of the file; empty: there is none.
        timestamp_ns: nanoseconds since the epoch.
        run: of a process; empty: there is none.
    """
    seconds, ns = divmod(timestamp_ns, 1_000_000_000)
    time_text = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
    values = {
        "channel": SOURCE,
        "timestamp": time_text,
        "level": "info",
        "stream": "stdout",
        "source": SOURCE,
    }
    values |= {"instance": instance} if instance else {}
    values |= {"run": run} if run else {}
    return b"," + orjson.dumps(values)[1:-1] + b',"message":'


def render(text: bytes, first_id: int, first_seq: int, head: bytes) -> bytes:
    """
    Render whole lines as the relay's SSE events.

    One call encodes all lines: a raw newline cannot occur inside a JSON string, so the
    newlines of indented JSON separate them.

    Args:
        text: lines, each followed by a newline.
        first_id: id of the first; the others follow.
        first_seq: its number in the channel.
        head: see ``event_head``.
    """
    event = b"id: %d\nevent: log\ndata: " + _object(head) + b"\n\n"
    numbered = _numbered(text, first_id, first_seq)
    return b"".join([event % (id_, id_, seq, message) for id_, seq, message in numbered])


def render_frames(text: bytes, first_id: int, first_seq: int, head: bytes, batch: int) -> bytes:
    """
    Render whole lines as the relay's WebSocket frames.

    Args:
        text: lines, each followed by a newline.
        first_id: id of the first; the others follow.
        first_seq: its number in the channel.
        head: see ``event_head``.
        batch: entries in an array; 0: one entry a message.
    """
    entry = _object(head)
    objects = [entry % row for row in _numbered(text, first_id, first_seq)]
    if batch:
        starts = range(0, len(objects), batch)
        objects = [b"[" + b",".join(objects[i : i + batch]) + b"]" for i in starts]
    return b"".join([frame_head(len(payload)) + payload for payload in objects])


def _object(head: bytes) -> bytes:
    """Return the template of one entry, for its id, its seq and its message."""
    return b'{"type":"log","id":%d,"seq":%d' + head.replace(b"%", b"%%") + b"%b}"


def _numbered(text: bytes, first_id: int, first_seq: int) -> Iterable[tuple[int, int, bytes]]:
    """Give id, seq and message, as a JSON string, of each line."""
    lines = text[:-1].decode().split("\n")
    messages = orjson.dumps(lines, option=orjson.OPT_INDENT_2)[4:-2].split(b",\n  ")
    ids = range(first_id, first_id + len(messages))
    return zip(ids, count(first_seq), messages, strict=False)


def frame_head(length: int) -> bytes:
    """Return what stands before the payload of a text frame (RFC 6455, section 5.2)."""
    if length < 126:
        return bytes((0x81, length))
    if length < 65_536:
        return bytes((0x81, 126)) + length.to_bytes(2)
    return bytes((0x81, 127)) + length.to_bytes(8)


def chunk(data: bytes) -> bytes:
    """Frame ``data`` as one chunk of an HTTP/1.1 body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def pieces_of(path: Path) -> Iterator[bytes]:
    """Read a file in large pieces."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(READ_BYTES):
            yield piece


def pieces_of_pipe(descriptor: int) -> Iterator[bytes]:
    """Read a pipe in large pieces, as they come."""
    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    while piece := os.read(descriptor, READ_BYTES):
        yield piece


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give each piece's whole lines; what is cut goes before the next piece."""
    rest = b""
    for piece in pieces:
        cut = piece.rfind(b"\n") + 1
        yield rest + piece[:cut]
        rest = piece[cut:]


def rendered_chunks(pieces: Iterable[bytes], instance: str, run: str = "") -> Iterator[bytes]:
    """Give each piece's events as one chunk."""
    seq = 1
    for text in whole_lines(pieces):
        now_ns = time.time_ns()
        yield chunk(render(text, now_ns // 1000, seq, event_head(instance, now_ns, run)))
        seq += text.count(b"\n")


def accept(listener: socket.socket) -> socket.socket:
    """Wait for a client's request and answer with the headers of what it asks for."""
    client = listener.accept()[0]
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += client.recv(65536)
    key = re.search(rb"\r\nSec-WebSocket-Key: *([^\r]*)", request)
    client.sendall(HEADERS if key is None else handshake(key[1]))
    return client


def handshake(key: bytes) -> bytes:
    """Return the headers that open a WebSocket (RFC 6455, section 4.2.2)."""
    accepted = base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
    )


def file_to_one(port: int, path: Path) -> None:
    """Floor A: wait for the file, send its events to one client."""
    with listen(port) as listener, accept(listener) as client:
        while not path.exists():
            time.sleep(0.0005)
        send_all(client, rendered_chunks(pieces_of(path), str(path)))


def stdin_to_one(port: int) -> None:
    """Floor A for what is piped into it."""
    with listen(port) as listener, accept(listener) as client:
        send_all(client, rendered_chunks(pieces_of_pipe(0), "", RUN))


def process_to_one(port: int, command: str) -> None:
    """Floor A for what a command says, which runs from the start on."""
    with (
        subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE) as process,
        listen(port) as listener,
        accept(listener) as client,
    ):
        assert process.stdout is not None
        send_all(client, rendered_chunks(pieces_of_pipe(process.stdout.fileno()), "", RUN))


def send_all(client: socket.socket, chunks: Iterable[bytes]) -> None:
    """Send chunks, and wait until the client goes."""
    for data in chunks:
        client.sendall(data)
    client.sendall(chunk(b""))
    client.recv(1)


def blocks_to_many(port: int, path: Path, clients: int) -> None:
    """Floor B: send the events of the file, rendered before, to so many clients."""
    chunks = [*rendered_chunks(pieces_of(path), str(path)), chunk(b"")]
    send_to_many(port, chunks, clients)


def frames_to_many(port: int, path: Path, clients: int, batch: int) -> None:
    """Floor B: send the frames of the file, built before, to so many clients."""
    frames, seq = [], 1
    for text in whole_lines(pieces_of(path)):
        now_ns = time.time_ns()
        head = event_head(str(path), now_ns)
        frames.append(render_frames(text, now_ns // 1000, seq, head, batch))
        seq += text.count(b"\n")
    send_to_many(port, frames, clients)


def send_to_many(port: int, pieces: Iterable[bytes], clients: int) -> None:
    """Wait for so many clients, and send every piece to each."""
    with listen(port) as listener:
        sockets = [accept(listener) for _ in range(clients)]
        for data in pieces:
            for client in sockets:
                client.sendall(data)
        for client in sockets:
            client.close()


def listen(port: int) -> socket.socket:
    """Listen on loopback and say so."""
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    print("ready", flush=True)
    return listener


def stream(port: int, path: Path) -> None:
    """
    Floor C: follow a file and send its lines to every client that comes.

    One task per client, woken by an event, which joins all that waits for it into one write:
    what a careful hand-written server does, without ids to resume by, levels or history.
    """
    from aiohttp import web
    from inotify_simple import INotify, flags

    waiting: dict[asyncio.Event, list[bytes]] = {}
    file = path.open("rb", buffering=0)
    inotify = INotify()
    inotify.add_watch(str(path), flags.MODIFY)
    seq = 1

    def read() -> None:
        nonlocal seq
        inotify.read(timeout=0)
        text = file.read(READ_BYTES)
        if not text:
            return
        now_ns = time.time_ns()
        events = render(text, now_ns // 1000, seq, event_head(str(path), now_ns))
        seq += text.count(b"\n")
        for wake, pending in waiting.items():
            pending.append(events)
            wake.set()

    async def follow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        wake = asyncio.Event()
        pending = waiting[wake] = []
        try:
            while True:
                await wake.wait()
                wake.clear()
                events = b"".join(pending)
                pending.clear()
                await response.write(events)
        except ConnectionError:
            return response
        finally:
            del waiting[wake]

    async def follow_file(app: web.Application) -> None:
        asyncio.get_running_loop().add_reader(inotify.fileno(), read)

    app = web.Application()
    app.router.add_get("/{channel}/sse", follow)
    app.on_startup.append(follow_file)
    serve(app, port)


def read_pages(port: int) -> None:
    """
    Floor D: ask for pages of events until there are no more, parse and drop them.

    The least that any client of CloudWatch Logs can do, without a signature even.
    """
    import aiohttp

    async def read() -> None:
        headers = {"X-Amz-Target": "Logs_20140328.FilterLogEvents"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def ask(**request: str) -> dict[str, Any]:
                url = f"http://127.0.0.1:{port}/"
                async with session.post(url, data=orjson.dumps(request)) as response:
                    return cast("dict[str, Any]", orjson.loads(await response.read()))

            await drop_pages(ask)

    run(read())


def read_pages_by_library(port: int) -> None:
    """Do the same by AWS's own client, as a program of a few lines would."""
    from aiobotocore.session import AioSession

    async def read() -> None:
        made = AioSession().create_client(
            "logs",
            region_name="eu-central-1",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        async with made as client:
            await drop_pages(client.filter_log_events)

    run(read())


async def drop_pages(ask: Callable[..., Awaitable[dict[str, Any]]]) -> None:
    """Ask for a page after the other, and count the events."""
    events, request = 0, {"logGroupName": "/bench"}
    print("ready", flush=True)
    while True:
        page = await ask(**request)
        events += len(page["events"])
        if "nextToken" in page:
            request["nextToken"] = page["nextToken"]
        elif events:
            print(f"read {events}", flush=True)
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(0.1)


def run(program: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop until it is ended."""
    import uvloop

    uvloop.run(program)


def hello(port: int) -> None:
    """Answer every request with one word."""
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="hello\n")

    app = web.Application()
    app.router.add_get("/healthz", answer)
    serve(app, port)


def serve(app: object, port: int) -> None:
    """Run an aiohttp application on uvloop until it is ended."""
    import uvloop
    from aiohttp import web

    assert isinstance(app, web.Application)

    def ready(*_: object) -> None:
        print("ready", flush=True)

    web.run_app(
        app,
        host="127.0.0.1",
        port=port,
        loop=uvloop.new_event_loop(),
        print=ready,
        access_log=None,
    )


def main(name: str, port: int, argument: str = "") -> None:
    """Run the floor of this name."""
    floors = {
        "file": lambda: file_to_one(port, Path(argument)),
        "stdin": lambda: stdin_to_one(port),
        "process": lambda: process_to_one(port, argument),
        "fanout": lambda: _to_many(blocks_to_many, port, argument),
        "frames": lambda: _to_many(frames_to_many, port, argument),
        "stream": lambda: stream(port, Path(argument)),
        "pages": lambda: read_pages(int(argument)),
        "library": lambda: read_pages_by_library(int(argument)),
        "hello": lambda: hello(port),
    }
    if name not in floors:
        sys.exit(f"no floor {name!r}; there are {', '.join(floors)}")
    floors[name]()


def _to_many(serve_many: Callable[..., None], port: int, argument: str) -> None:
    path, *numbers = argument.split(":")
    serve_many(port, Path(path), *map(int, numbers))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
