"""
Ready bytes to one client.

``transport.write`` takes the shared bytes as they are (aiohttp's own ``write`` copies them
into its chunk framing, which is part of our bytes already). A write is at most 256 KiB, and
none is made while the last ones wait: a client that does not read costs its buffer and no more.
"""

import asyncio
import socket
from collections.abc import Iterable, Iterator

from aiohttp import web
from aiohttp.http import HttpVersion11

__all__ = ["StreamWriter", "end_by_closing"]

MAX_WRITE_BYTES = 256 * 1024
MAX_WAITING_BYTES = 64 * 1024
"""With more than this in the transport's buffer the writer waits."""

SHARED_BYTES = 8 * 1024
"""A body from this size on is not copied to stand with others: a call costs less."""

KEEPALIVE_SECONDS = 60
"""After so long without traffic the kernel asks whether the peer is still there."""

SEND_BUFFER_BYTES = 256 * 1024
"""Of the socket: the kernel would otherwise take several MiB for a client that never reads."""


def end_by_closing(request: web.Request, response: web.StreamResponse) -> None:
    """
    Let an HTTP/1.0 client, who has no frames, see the end of a stream by that of the connection.

    Called before the response is prepared.
    """
    if request.version < HttpVersion11:
        response.force_close()
        response.headers["Connection"] = "close"


class StreamWriter:
    """
    Writes one response's body.

    Args:
        request: whose response has been prepared.
        timeout_seconds: how long the client may take nothing.
        chunked: whether the body is framed where the client's HTTP has that; a WebSocket's
            is not.
    """

    __slots__ = ("_payload", "_timeout_seconds", "_transport", "chunked")

    def __init__(
        self, request: web.Request, timeout_seconds: float, *, chunked: bool = True
    ) -> None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        self._transport = transport
        self._payload = request.writer
        self._timeout_seconds = timeout_seconds
        self.chunked = chunked and request.version >= HttpVersion11
        _prepare(transport.get_extra_info("socket"), timeout_seconds)
        self._payload.send_headers()

    def write_soon(self, data: bytes) -> bool:
        """
        Send bytes with their framing, if that goes without waiting.

        Returns:
            Whether they are sent and more may follow; if not, all is as before.
        """
        transport = self._transport
        if (
            len(data) > MAX_WAITING_BYTES
            or transport.is_closing()
            or transport.get_write_buffer_size()
        ):
            return False
        transport.write(data)
        return True

    async def write_all(self, bodies: Iterable[bytes]) -> None:
        """
        Do as :meth:`write` with several bodies.

        Small neighbours are joined; the others, which other clients share, are sent as they are.
        """
        for data in _joined(bodies):
            await self.write(data)

    async def write(self, data: bytes) -> None:
        """
        Send bytes with their framing, and wait while the client is behind.

        Raises:
            ConnectionResetError: the client is gone, or took nothing for too long.
        """
        transport = self._transport
        if transport.is_closing():
            raise ConnectionResetError("the client is gone")
        if len(data) <= MAX_WRITE_BYTES:
            transport.write(data)
            if transport.get_write_buffer_size() > MAX_WAITING_BYTES:
                await self._drain()
            return
        view = memoryview(data)
        for start in range(0, len(data), MAX_WRITE_BYTES):
            transport.write(view[start : start + MAX_WRITE_BYTES])
            if transport.get_write_buffer_size() > MAX_WAITING_BYTES:
                await self._drain()

    async def _drain(self) -> None:
        while True:
            waiting = self._transport.get_write_buffer_size()
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    return await self._payload.drain()
            except TimeoutError:
                if self._transport.get_write_buffer_size() >= waiting:
                    self._transport.abort()
                    raise ConnectionResetError("the client takes nothing") from None


def _joined(bodies: Iterable[bytes]) -> Iterator[bytes]:
    small: list[bytes] = []
    size = 0
    for body in bodies:
        is_shared = len(body) >= SHARED_BYTES
        if small and (is_shared or size >= MAX_WAITING_BYTES):
            yield b"".join(small)
            small, size = [], 0
        if is_shared:
            yield body
        else:
            small.append(body)
            size += len(body)
    if small:
        yield b"".join(small)


def _prepare(connection: socket.socket | None, timeout_seconds: float) -> None:
    """Bound what the kernel takes for a client, and let it find a peer that is gone."""
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_SECONDS // 3),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", int(timeout_seconds * 1000)),
    ):
        if hasattr(socket, option):  # Not every system has them all.
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
