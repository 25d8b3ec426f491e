"""
Clients: each resumes by the last id that it was told, however its connection ended.

They can be cut at any byte, frozen (connected, but reading nothing) and sent away. What they
are given goes to their judge as it is.
"""

import asyncio
import random
import socket
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.faults.check import Judge
from tests.faults.http import get
from tests.faults.record import NEEDLE

__all__ = ["NdjsonReader", "PageReader", "Reader", "SseReader", "WebSocketReader"]

RETRY_SECONDS = 0.05
RECEIVE_BYTES = 64 * 1024
PAGE_LINES = 2000
CUT_WITHIN_BYTES = 3000
"""A cut comes within so many more bytes: inside an event mostly, sometimes a character."""


class RefusedError(Exception):
    """The relay answered something else than a stream."""


class Reader(ABC):
    """
    One client.

    Args:
        judge: who is told what it was given.
        port: of the relay.
        channels: that it reads.
        is_filtered: whether it asks for the needle only.
    """

    def __init__(
        self, judge: Judge, port: int, channels: Sequence[str], *, is_filtered: bool = False
    ) -> None:
        self.judge = judge
        self.cursor = 0
        self.cuts: Counter[str] = Counter()
        """Where its connection was cut: inside an ``event``, a ``character``, or ``between``."""
        self.refusals: list[str] = []
        self.struck = "none"
        """Kind of the last fault that struck it."""
        self._port = port
        self._channels = ",".join(channels)
        self._more = f"&q={NEEDLE}" if is_filtered else ""
        self._is_here = asyncio.Event()
        self._is_here.set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._transport: asyncio.WriteTransport | None = None
        self._cut_after: int | None = None

    @property
    def name(self) -> str:
        """Its name, for reports."""
        return self.judge.reader

    @property
    def is_prompt(self) -> bool:
        """Whether it is here and reads."""
        return self._is_here.is_set() and self._flows.is_set()

    async def run(self) -> None:
        """Read for ever."""
        while True:
            await self._is_here.wait()
            try:
                await self._visit()
            except RefusedError as error:
                self.refusals.append(str(error))
            except (OSError, EOFError, WebSocketException):
                pass  # It was cut, or the relay went away: it comes again.
            finally:
                self._transport = None
            await asyncio.sleep(RETRY_SECONDS)

    @abstractmethod
    async def _visit(self) -> None:
        """Connect, and read until the connection ends."""

    def cut(self, rng: random.Random) -> None:
        """Cut it within the next bytes."""
        self._cut_after = rng.randrange(1, CUT_WITHIN_BYTES)

    def leave(self) -> None:
        """Cut it, and let it stay away."""
        self._is_here.clear()
        if self._transport is not None:
            self._transport.abort()

    def come(self) -> None:
        """Let it come again."""
        self._is_here.set()

    def freeze(self) -> None:
        """Let it read nothing, without closing its connection."""
        self._flows.clear()

    def thaw(self) -> None:
        """Let it read again."""
        self._flows.set()

    def _judge(self, given: Mapping[str, Any]) -> None:
        if given["type"] == "error":
            self.refusals.append(str(given))
        self.judge.take(given)

    def _take(self, given: Mapping[str, Any]) -> None:
        self._judge(given)
        # A loss that cannot be counted, and whatever has no id, does not move it back.
        self.cursor = max(self.cursor, given.get("id") or 0)


class _ByteReader(Reader):
    """One that sees every byte."""

    async def _visit(self) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, limit=RECEIVE_BYTES
        )
        self._transport = writer.transport
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES
        )
        try:
            # HTTP/1.0 for bytes without frames.
            head_lines = f"GET {self._path()} HTTP/1.0\r\nHost: localhost\r\n{self._fields()}\r\n"
            writer.write(head_lines.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if head.split(b" ", 2)[1] != b"200":
                status = head.split(b"\r", 1)[0].decode()
                raise RefusedError(f"{self._path()}: {status}")
            await self._read(reader)
        finally:
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        while True:
            await self._flows.wait()
            data = await reader.read(RECEIVE_BYTES)
            if not data:
                return
            after, self._cut_after = self._cut_after, None
            rest = self._take_whole(rest + (data if after is None else data[:after]))
            if after is not None:
                self.cuts[_place(rest)] += 1
                return

    @abstractmethod
    def _path(self) -> str:
        """Return what it asks for."""

    def _fields(self) -> str:
        """Return more fields of the request's head."""
        return ""

    @abstractmethod
    def _take_whole(self, data: bytes) -> bytes:
        """Take what is whole, and return the rest."""


def _place(rest: bytes) -> str:
    """Return where a cut that left these bytes came."""
    if not rest:
        return "between"
    try:
        rest.decode()
    except UnicodeDecodeError:
        return "character"
    return "event"


class SseReader(_ByteReader):
    """Server-sent events; resumes as EventSource does."""

    def _path(self) -> str:
        return f"/{self._channels}/sse?after=0{self._more}"

    def _fields(self) -> str:
        return f"Last-Event-ID: {self.cursor}\r\n" if self.cursor else ""

    def _take_whole(self, data: bytes) -> bytes:
        *events, rest = data.split(b"\n\n")
        for event in events:
            self._judge(orjson.loads(event[event.index(b"data: ") + 6 :]))
            if (start := event.find(b"id: ")) >= 0:
                self.cursor = int(event[start + 4 :].split(b"\n", 1)[0])
        return rest


class NdjsonReader(_ByteReader):
    """Objects, one a line."""

    def _path(self) -> str:
        return f"/{self._channels}/json?after={self.cursor}{self._more}"

    def _take_whole(self, data: bytes) -> bytes:
        *lines, rest = data.split(b"\n")
        for one in lines:
            if one:
                self._take(orjson.loads(one))
        return rest


class WebSocketReader(Reader):
    """Somebody else's WebSocket client, in batches."""

    async def _visit(self) -> None:
        uri = (
            f"ws://127.0.0.1:{self._port}/{self._channels}/ws"
            f"?after={self.cursor}&batch=200{self._more}"
        )
        async with asyncio.timeout(30) as opening:
            connection = await connect(uri, max_size=None, max_queue=2, compression=None)
            opening.reschedule(None)
        self._transport = connection.transport
        try:
            while True:
                await self._flows.wait()
                message = orjson.loads(await connection.recv(decode=False))
                for given in message if isinstance(message, list) else [message]:
                    self._take(given)
                if self._cut_after is not None:
                    self._cut_after = None
                    self.cuts["event"] += 1
                    return
        finally:
            connection.transport.abort()
            with suppress(WebSocketException):
                await connection.wait_closed()


class PageReader(Reader):
    """Pages of history, one after the other, each from the last one's cursor."""

    async def _visit(self) -> None:
        while self._is_here.is_set():
            await self._flows.wait()
            if await self.read_page("&wait=1s") == 0:
                await asyncio.sleep(RETRY_SECONDS)

    async def read_page(self, more: str = "") -> int:
        """Read the next page; return how many entries and gaps it had."""
        path = (
            f"/api/v1/logs?channel={self._channels}&after={self.cursor}"
            f"&limit={PAGE_LINES}{self._more}{more}"
        )
        answer = await get(self._port, path)
        if answer.status == 404 and not self.cursor:
            raise ConnectionRefusedError("one of the channels is still to come")
        if answer.status != 200:
            raise RefusedError(f"{path}: {answer.status} {answer.body[:200]!r}")
        if self._cut_after is not None:
            # As if the answer had been cut: what it said was never read.
            self._cut_after = None
            self.cuts["event"] += 1
            return 1
        page = orjson.loads(answer.body)
        for given in _in_order(page["logs"], page["gaps"]):
            self.judge.take(given)
        self.cursor = page["cursor"]
        return len(page["logs"]) + len(page["gaps"])


def _in_order(
    logs: Sequence[Mapping[str, Any]], gaps: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return a page's entries with its gaps where they belong: after the id that they follow."""
    rows = [((log["id"], 0), log) for log in logs] + [((gap["after"], 1), gap) for gap in gaps]
    return [one for _, one in sorted(rows, key=lambda row: row[0])]
