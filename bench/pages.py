"""
A server of CloudWatch Logs' protocol that has its pages ready: it is never what is waited for.

Rule of this file: it imports nothing from ``relay``. ``python -m bench.pages PORT PAGES`` prints
``ready`` once it listens. Until it is asked for ``/go`` it has no events; then it has so many
pages of about 1 MB, as AWS sends them, and after the last it has none again. ``/served`` tells
how many pages were asked for.
"""

import asyncio
import re
import sys
import time
from urllib.request import urlopen

import orjson

__all__ = ["PAGE_BYTES", "go", "page_events", "served"]

PAGE_BYTES = 1_000_000
"""Of events in a page; AWS has no larger ones."""

MESSAGE_BYTES = 100
STREAMS = 20
SPREAD_MS = 3_600_000
"""Over which the events lie, so that a window of minutes holds some of them."""

_HEAD = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TOKEN = re.compile(rb'"nextToken": ?"(\d+)"')


def page_events(page: int, count: int, start_ms: int, step_ms: float) -> list[dict[str, object]]:
    """Return the events of a page, all distinct, with ids as long as AWS's."""
    numbers = range(page * count, (page + 1) * count)
    return [
        {
            "logStreamName": f"2026/11/21/[$LATEST]{number % STREAMS:032x}",
            "timestamp": start_ms + int(number * step_ms),
            "message": _message(number),
            "ingestionTime": start_ms + int(number * step_ms) + 700,
            "eventId": str(38 * 10**54 + number * 7_919_000_000_007),
        }
        for number in numbers
    ]


def _message(number: int) -> str:
    text = f"2026-11-21T09:47:00.123Z INFO worker[{number % 97}] request {number:012d} handled ok"
    return text.ljust(MESSAGE_BYTES, "x") + "\n"


def _pages(count: int) -> tuple[list[bytes], int]:
    """Return all pages, and how many events are in each."""
    size = len(orjson.dumps(page_events(0, 1, 0, 1)))
    each = PAGE_BYTES // size
    step_ms = SPREAD_MS / (count * each)
    start_ms = time.time_ns() // 1_000_000 - SPREAD_MS - 60_000
    pages = []
    for page in range(count):
        said: dict[str, object] = {"events": page_events(page, each, start_ms, step_ms)}
        if page + 1 < count:
            said["nextToken"] = str(page + 1)
        pages.append(_response(orjson.dumps(said)))
    return pages, each


def _response(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n"
    return head % len(body) + b"\r\n" + body


EMPTY = _response(b'{"events":[]}')


class Pages:
    """What there is, and how much of it was asked for."""

    def __init__(self, count: int) -> None:
        self.pages, self.each = _pages(count)
        self.can_go = False
        self.served = 0

    def answer(self, head: bytes, body: bytes) -> bytes:
        """Return the response to a request."""
        if head.startswith(b"GET /go"):
            self.can_go = True
            return _response(b"%d" % (len(self.pages) * self.each))
        if head.startswith(b"GET"):
            return _response(b"%d" % self.served)
        token = _TOKEN.search(body)
        if not self.can_go or (token is None and self.served):
            return EMPTY
        self.served += 1
        return self.pages[0 if token is None else int(token[1])]


class Connection(asyncio.Protocol):
    """One client, whose requests come one after the other."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer a request that is whole."""
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        length = _HEAD.search(head)
        if end and len(body) >= (0 if length is None else int(length[1])):
            self._data = b""
            self._transport.write(self._pages.answer(head, body))


async def _serve(port: int, count: int) -> None:
    pages = Pages(count)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(pages), "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


def go(port: int) -> int:
    """Let it have its events; return how many."""
    return _asked(port, "go")


def served(port: int) -> int:
    """Return how many pages were asked for."""
    return _asked(port, "served")


def _asked(port: int, path: str) -> int:
    with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as response:
        return int(response.read())


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
