"""
Bodies that are read whole before anything of them is published: no longer than they may be, and
not too many at once.

Who delivers them does so again: AWS tries for hours what is answered with 503.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import PayloadEncodingError

from relay.errors import RelayError

__all__ = [
    "BODIES",
    "Bodies",
    "BodyTooLargeError",
    "BrokenBodyError",
    "TooManyBodiesError",
    "body_of",
    "last_answer",
]

AT_ONCE = 4
"""Bodies that are as long as they may be and on their way at once."""

SILENT_SECONDS = 60.0
"""Who sends nothing for so long has gone, and holds the room of others."""


class BodyTooLargeError(RelayError):
    """
    A body that is longer than it may be.

    Args:
        most_bytes: what it may be.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes

    def __str__(self) -> str:
        return f"body: expected at most {self.most_bytes} bytes, got more"


class TooManyBodiesError(RelayError):
    """
    A body for which there is no room beside others.

    Args:
        most_bytes: what all of them may be.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes

    def __str__(self) -> str:
        return f"body: all that are on their way have {self.most_bytes} bytes; come again"


class BrokenBodyError(RelayError):
    """A body that cannot be read to its end."""

    def __str__(self) -> str:
        return "body: cannot be read to its end: broken off, or not packed as its header says"


class Bodies:
    """
    Those that are on their way.

    Args:
        silent_seconds: for how long nothing may come of one.
    """

    def __init__(self, silent_seconds: float = SILENT_SECONDS) -> None:
        self.silent_seconds = silent_seconds
        self.held_bytes = 0

    def hold(self, size: int, most_bytes: int) -> None:
        """
        Take room for bytes.

        Args:
            size: how many.
            most_bytes: that all may have together.

        Raises:
            TooManyBodiesError: there is none.
        """
        if self.held_bytes + size > most_bytes:
            raise TooManyBodiesError(most_bytes)
        self.held_bytes += size


BODIES: web.AppKey[Bodies] = web.AppKey("bodies", Bodies)


@asynccontextmanager
async def body_of(request: web.Request, most_bytes: int) -> AsyncIterator[bytearray]:
    """
    Give a body, unpacked where its header says that it is packed; to be cleared when it was read.

    Until the end it counts among those that are on their way.

    Raises:
        BodyTooLargeError: it is longer than it may be, packed or not; the rest is not read.
        TooManyBodiesError: there are too many.
        BrokenBodyError: it is not what its header says.
    """
    if (request.content_length or 0) > most_bytes:
        raise BodyTooLargeError(most_bytes)
    bodies, body, size = request.app[BODIES], bytearray(), 0
    try:
        while data := await _more(request, bodies.silent_seconds):
            if size + len(data) > most_bytes:
                raise BodyTooLargeError(most_bytes)
            bodies.hold(len(data), AT_ONCE * most_bytes)
            size += len(data)
            body += data
        yield body
    finally:
        bodies.held_bytes -= size


async def _more(request: web.Request, silent_seconds: float) -> bytes:
    try:
        async with asyncio.timeout(silent_seconds):
            return await request.content.readany()
    except (web.RequestPayloadError, PayloadEncodingError, TimeoutError):
        raise BrokenBodyError from None


async def last_answer(request: web.Request, response: web.Response) -> web.Response:
    """Answer and close: aiohttp must not look for the rest of a body that cannot be read."""
    await response.prepare(request)
    await response.write_eof()
    request.protocol.force_close()
    return response
