"""
The floors: the least work that could give a client the same bytes.

Rule of this file: it imports nothing from ``relay``. Each floor is a program of its own,
``python -m bench.floors NAME PORT [ARGUMENT]``, that prints ``ready`` once it listens:

    file PATH            A: read the file that appears at PATH, render it, write it to one socket
    fanout PATH:CLIENTS  B: send bytes that are ready to so many sockets, in a plain loop
    stream PATH          C: a bare aiohttp loop that follows PATH, one task per client
    hello                a bare aiohttp server, for the time from start to the first answer
"""

import asyncio
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import orjson

__all__ = ["SOURCE", "event_head", "render"]

READ_BYTES = 128 * 1024
SOURCE = "bench"
"""Name of the source and of the channel, here and in the relay's configuration."""

HEADERS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def event_head(instance: str, timestamp_ns: int) -> bytes:
    """
    Render what the events of one block share: all from ``channel`` to ``message``.

    Args:
        instance: path of the file.
        timestamp_ns: nanoseconds since the epoch.
    """
    seconds, ns = divmod(timestamp_ns, 1_000_000_000)
    time_text = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
    values = {
        "channel": SOURCE,
        "timestamp": time_text,
        "level": "info",
        "stream": "stdout",
        "source": SOURCE,
        "instance": instance,
    }
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
    lines = text[:-1].decode().split("\n")
    messages = orjson.dumps(lines, option=orjson.OPT_INDENT_2)[4:-2].split(b",\n  ")
    event = (
        b'id: %d\nevent: log\ndata: {"type":"log","id":%d,"seq":%d'
        + head.replace(b"%", b"%%")
        + b"%b}\n\n"
    )
    ids = range(first_id, first_id + len(messages))
    numbered = zip(ids, count(first_seq), messages, strict=False)
    return b"".join([event % (id_, id_, seq, message) for id_, seq, message in numbered])


def chunk(data: bytes) -> bytes:
    """Frame ``data`` as one chunk of an HTTP/1.1 body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def rendered_chunks(path: Path) -> Iterator[bytes]:
    """Read a file in large pieces and give each piece's events as one chunk."""
    seq, rest = 1, b""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(READ_BYTES):
            cut = piece.rfind(b"\n") + 1
            text, rest = rest + piece[:cut], piece[cut:]
            now_ns = time.time_ns()
            events = render(text, now_ns // 1000, seq, event_head(str(path), now_ns))
            yield chunk(events)
            seq += text.count(b"\n")


def accept(listener: socket.socket) -> socket.socket:
    """Wait for a client's request and answer with the headers of a stream."""
    client = listener.accept()[0]
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += client.recv(65536)
    client.sendall(HEADERS)
    return client


def file_to_one(port: int, path: Path) -> None:
    """Floor A: wait for the file, send its events to one client."""
    with listen(port) as listener, accept(listener) as client:
        while not path.exists():
            time.sleep(0.0005)
        for data in rendered_chunks(path):
            client.sendall(data)
        client.sendall(chunk(b""))
        client.recv(1)


def blocks_to_many(port: int, path: Path, clients: int) -> None:
    """Floor B: send the events of the file, rendered before, to so many clients."""
    chunks = [*rendered_chunks(path), chunk(b"")]
    with listen(port) as listener:
        sockets = [accept(listener) for _ in range(clients)]
        for data in chunks:
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
    if name == "file":
        file_to_one(port, Path(argument))
    elif name == "fanout":
        path, _, clients = argument.rpartition(":")
        blocks_to_many(port, Path(path), int(clients))
    elif name == "stream":
        stream(port, Path(argument))
    elif name == "hello":
        hello(port)
    else:
        sys.exit(f"no floor {name!r}; there are file, fanout, stream, hello")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
