"""
A proxy between the relay and a real engine, which can cut what goes through it.

It lets reading through and nothing else, as a socket proxy should, and notes what was asked for.
"""

import asyncio
import json
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

__all__ = ["EngineProxy"]

T = TypeVar("T")

SETTLING_SECONDS = 0.05

REFUSAL = json.dumps({"message": "only reading is allowed here"}).encode()


@dataclass(eq=False)
class _Connection:
    writer: asyncio.StreamWriter
    far: asyncio.StreamWriter
    kind: str = ""
    container: str = ""
    passed: int = 0
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)


class EngineProxy:
    """
    Listens on loopback.

    Args:
        engine: the engine's socket.
        tls: with which it speaks TLS; ``None``: it does not.
    """

    def __init__(self, engine: Path, tls: ssl.SSLContext | None = None) -> None:
        self._engine = engine
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._connections: set[_Connection] = set()
        self._port = 0
        self.asked: list[str] = []
        """Paths that were asked for, without versions and parameters."""
        self.refused: set[str] = set()
        """Kinds of connections that are not let through: ``logs``, ``events``."""
        self.cut_after: int | None = None
        """Cut an answer with a log once so many bytes have passed."""
        self.most_open: Counter[str] = Counter()
        """For each container how many of its logs were followed at one time, at most."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"tcp://127.0.0.1:{self._port}"

    @contextmanager
    def running(self) -> Iterator["EngineProxy"]:
        """Pass connections on while the context lasts."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        server = self._call(asyncio.start_server(self._pass, "127.0.0.1", 0, ssl=self._tls))
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._call(self._close(server))
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def cut(self, kind: str, *, reset: bool = False) -> int:
        """
        Cut all connections of a kind, and return how many there were.

        Args:
            kind: ``logs``, ``events``, or empty for all.
            reset: so that the relay sees an error, not an end.
        """
        return self._call(self._cut(kind, reset))

    def open(self, kind: str) -> int:
        """Return how many connections of a kind there are."""
        return sum(one.kind == kind for one in list(self._connections))

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        for one in list(self._connections):
            self._end(one, reset=True)
        await asyncio.sleep(0.05)

    async def _cut(self, kind: str, reset: bool) -> int:
        found = [one for one in self._connections if not kind or one.kind == kind]
        for one in found:
            self._end(one, reset=reset)
        return len(found)

    def _end(self, one: _Connection, *, reset: bool) -> None:
        if reset:
            near = one.writer.get_extra_info("socket")
            with suppress(OSError):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.writer.transport.abort()
        one.far.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far = await asyncio.open_unix_connection(self._engine)
        except OSError:
            writer.transport.abort()
            return
        one = _Connection(writer, far)
        self._connections.add(one)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ask(one, reader))
                group.create_task(self._answer(one, far_reader))
        finally:
            self._connections.discard(one)

    async def _ask(self, one: _Connection, reader: asyncio.StreamReader) -> None:
        """Pass requests on; each is a head, since reading has no body."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, target = head.split(b" ", 2)[:2]
                if method != b"GET" or not self._note(one, target.decode()):
                    one.writer.write(
                        b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"
                        b"Content-Length: %d\r\n\r\n" % len(REFUSAL) + REFUSAL
                    )
                    continue
                one.far.write(head)
        one.far.close()

    def _note(self, one: _Connection, target: str) -> bool:
        url = urlsplit(target)
        parts = [part for part in url.path.split("/") if part and not part.startswith("v1.")]
        one.kind, one.container = parts[-1], ""
        if one.kind == "logs":
            one.container, parts[1] = parts[1], "{id}"
            if parse_qs(url.query)["follow"] == ["1"]:
                # The one before it may be about to end.
                self._loop.call_later(SETTLING_SECONDS, self._count, one.container)
            else:
                one.kind = "history"
        elif parts[0] == "containers" and len(parts) == 3:
            parts[1] = "{id}"
        self.asked.append("/" + "/".join(parts))
        return one.kind not in self.refused

    def _count(self, container: str) -> None:
        logs = [one.container for one in self._connections if one.kind == "logs"]
        self.most_open[container] = max(self.most_open[container], logs.count(container))

    async def _answer(self, one: _Connection, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                if one.kind == "logs" and self.cut_after is not None:
                    data = data[: max(0, self.cut_after - one.passed)]
                    one.passed += len(data)
                one.writer.write(data)
                await one.writer.drain()
                if one.kind == "logs" and one.passed == self.cut_after:
                    self._end(one, reset=False)
        one.writer.close()
