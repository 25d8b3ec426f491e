"""
Any query as a file: text or NDJSON, by ``compress=gzip`` compressed.

Rule of this file: nothing is kept of a file but the piece that is being sent, whatever its
length. A file that cannot be finished is cut off in a way that every client notices.
"""

import asyncio
import logging
import re
import time
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from relay.encode import ENCODERS, Encoder
from relay.entry import Gap
from relay.errors import QueryError
from relay.history import newest_cursor
from relay.query import Query
from relay.render import chunk
from relay.request import Request
from relay.restart import restart_gaps
from relay.span import Span
from relay.subscription import Delivery
from relay.turn import Turn
from relay.web.connections import Connection
from relay.web.keys import CONNECTIONS, HUB, MATCHES, SETTINGS
from relay.web.parameters import parse_request, require_known
from relay.web.writer import StreamWriter, end_by_closing

__all__ = ["download", "file_name"]

log = logging.getLogger(__name__)

FORMATS = {"text": "text", "raw": "text", "ndjson": "ndjson", "json": "ndjson"}
"""What ``format`` may say, and the encoder that it means."""

SUFFIXES = {"text": ".log", "text+gaps": ".log", "ndjson": ".ndjson"}

PIECE_BYTES = 128 * 1024
"""What is put together before it is compressed and sent."""

GZIP = 16 + zlib.MAX_WBITS
"""For zlib: with the header and the sum of a gzip file."""

DAY_NS = 86_400_000_000_000

MAX_NAME_CHARACTERS = 100


async def download(request: web.Request) -> web.StreamResponse:
    """Answer with a file of all that is held of what the request asks for."""
    asked = await parse_request(request)
    encoder = _encoder(asked)
    require_known(request.app[HUB], asked.query)
    pieces = _pieces(request, asked, encoder)
    if asked.compress:
        pieces = _compressed(pieces)
    async with aclosing(pieces):
        # Before the answer begins, so that what is wrong can still be said by its status.
        first = b"" if request.method == "HEAD" else await anext(pieces, b"")
        response = web.StreamResponse(headers=_headers(asked, encoder))
        end_by_closing(request, response)
        await response.prepare(request)
        if request.method != "HEAD":
            await _send(request, response, first, pieces)
    return response


async def _send(
    request: web.Request,
    response: web.StreamResponse,
    first: bytes,
    pieces: AsyncGenerator[bytes, None],
) -> None:
    try:
        writer = StreamWriter(request, request.app[SETTINGS].write_seconds)
        await writer.write(chunk(first) if writer.chunked else first)
        async for piece in pieces:
            await writer.write(chunk(piece) if writer.chunked else piece)
        await response.write_eof()
    except QueryError as error:
        # A pattern that turned out to cost too much: half a file must not look like a whole.
        log.warning("a download was cut off: %s", error)
        if request.transport is not None:
            request.transport.abort()
    except ConnectionResetError:
        pass  # The client is gone: nothing is left to be said to it.


async def _pieces(
    request: web.Request, asked: Request, encoder: Encoder
) -> AsyncGenerator[bytes, None]:
    """Give the file, in pieces of about PIECE_BYTES."""
    hub, connections, query = request.app[HUB], request.app[CONNECTIONS], asked.query
    end = hub.last_id if asked.before is None else min(hub.last_id, asked.before - 1)
    lost = restart_gaps(hub, query, asked.after) if asked.after is not None else []
    start = hub.start_id if lost else await _start(request, asked, end)
    kept = [encoder.gap(gap) for gap in lost]
    kept_bytes = sum(map(len, kept))
    turn = Turn()
    # Without a cursor of its own a reader has not lost what left before it came.
    since_ns = query.since_ns if asked.after is None else None
    with hub.subscribe(query, start, since_ns) as subscription:
        connection = Connection("download", query, subscription)
        with connections.opened(connection):
            while subscription.cursor < end:
                for delivery in await subscription.read(PIECE_BYTES, end):
                    body = _encoded(request, query, encoder, delivery)
                    kept.append(body)
                    kept_bytes += len(body)
                    await turn.end_if_over()
                if kept_bytes >= PIECE_BYTES:
                    yield b"".join(kept)
                    kept, kept_bytes = [], 0
    if kept_bytes:
        yield b"".join(kept)


async def _start(request: web.Request, asked: Request, end: int) -> int:
    """Return the id after which the file starts: where history does, if nothing is said."""
    hub = request.app[HUB]
    if asked.after is not None:
        return asked.after
    if asked.tail is None:
        return hub.beginning
    cursor, _ = await newest_cursor(hub, request.app[MATCHES], asked.query, asked.tail, end + 1)
    return cursor


def _encoded(request: web.Request, query: Query, encoder: Encoder, delivery: Delivery) -> bytes:
    """Return what a delivery is in the file."""
    if isinstance(delivery, Span):
        # Not by the renderer: a file that is read once would push out what many read.
        selection = request.app[MATCHES].select(delivery.block, query)
        return encoder.entries(delivery, selection)
    if isinstance(delivery, Gap):
        return encoder.gap(delivery)
    return encoder.ending(delivery) if query.selects_run(delivery.run) else b""


async def _compressed(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Compress pieces in a thread: a piece takes milliseconds."""
    compressor = zlib.compressobj(wbits=GZIP)
    async with aclosing(pieces):
        async for piece in pieces:
            if body := await asyncio.to_thread(compressor.compress, piece):
                yield body
    yield compressor.flush()


def _encoder(asked: Request) -> Encoder:
    name = asked.format or "text"
    if name not in FORMATS:
        raise QueryError("format", name, "one of " + ", ".join(sorted(FORMATS)))
    name = FORMATS[name]
    return ENCODERS["text+gaps" if name == "text" and asked.gaps else name]


def _headers(asked: Request, encoder: Encoder) -> dict[str, str]:
    suffix = SUFFIXES[encoder.name] + (".gz" if asked.compress else "")
    name = file_name(asked.query, time.time()) + suffix
    return {
        "Content-Type": "application/gzip" if asked.compress else encoder.content_type,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-cache",
        "X-Accel-Buffering": "no",
    }


def file_name(query: Query, now: float) -> str:
    """
    Return what a file is called, without its suffix: ``web,db-2026-11-21``.

    Args:
        query: whose channels and runs name it, and whose day, where it is of one; else the
            time does.
        now: seconds since the epoch.
    """
    parts = [",".join(query.channels), ",".join(query.runs)]
    names = "-".join(part for part in parts if part) or "all"
    # Only what is safe in a header, in every file system and in a shell.
    safe = re.sub(r"[^A-Za-z0-9._,-]", "_", names, flags=re.ASCII).lstrip(".-")
    return f"{safe[:MAX_NAME_CHARACTERS]}-{_when(query, now)}"


def _when(query: Query, now: float) -> str:
    since_ns, until_ns = query.since_ns, query.until_ns
    if since_ns is not None and until_ns == since_ns + DAY_NS and since_ns % DAY_NS == 0:
        return time.strftime("%Y-%m-%d", time.gmtime(since_ns // 1_000_000_000))
    return time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime(now))
