"""A cable between a client and the relay, which can be pulled."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

__all__ = ["Cable"]

T = TypeVar("T")


class Cable:
    """
    Passes connections on, until it is pulled.

    Args:
        port: of the relay, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._relay_port = port
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_in = True
        self.port = 0
        """Where clients connect to."""

    @contextmanager
    def laid(self) -> Iterator["Cable"]:
        """Pass connections on while the context lasts."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        server = self._call(asyncio.start_server(self._passed, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.pull()
            server.close()
            self._call(asyncio.sleep(0.05))
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def pull(self) -> None:
        """Cut all connections, and let none through."""
        self._call(self._pull())

    def plug_in(self) -> None:
        """Let connections through again."""
        self._is_in = True

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _pull(self) -> None:
        self._is_in = False
        for writer in self._writers:
            writer.transport.abort()

    async def _passed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_in:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._relay_port)
        both = {writer, far_writer}
        self._writers |= both
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(reader, far_writer))
            group.create_task(_copy(far_reader, writer))
        self._writers -= both


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
