"""
Live streams: SSE, NDJSON and plain text.

A handler chooses an encoder, follows a subscription, writes, and gives heartbeats.
"""

import asyncio

from aiohttp import web
from aiohttp.http import HttpVersion11
from aiohttp_sse import EventSourceResponse

from relay import __version__
from relay.encode import Encoder
from relay.entry import Gap
from relay.errors import QueryError
from relay.history import newest_cursor
from relay.hub import Hub
from relay.render import chunk
from relay.request import Request
from relay.restart import BEGINNING, restart_gaps
from relay.span import Span
from relay.subscription import Delivery
from relay.web.connections import Connection
from relay.web.keys import CONNECTIONS, HUB, MATCHES, RENDERER, SETTINGS
from relay.web.parameters import choose_encoder, parse_request, require_known
from relay.web.writer import StreamWriter

__all__ = ["stream"]

DEFAULT_TAIL = 100
EVENT_STREAM = "text/event-stream"
NEVER_SECONDS = 86_400.0 * 365


async def stream(request: web.Request) -> web.StreamResponse:
    """Answer with a live stream of what the request asks for."""
    asked = await parse_request(request)
    hub = request.app[HUB]
    encoder = choose_encoder(request, asked)
    if _is_over(hub, asked):
        return web.Response(status=204)
    cursor = await _start(request, asked)
    response = _response(encoder)
    if request.version < HttpVersion11:
        response.headers["Connection"] = "close"
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        await _follow(request, asked, encoder, cursor)
        await response.write_eof()
    except QueryError as error:
        # A pattern that turned out to cost too much over what it met.
        await response.write(encoder.error("invalid_parameter", str(error)))
        await response.write_eof()
    except ConnectionResetError:
        pass  # The client is gone: nothing is left to be said to it.
    finally:
        if isinstance(response, EventSourceResponse):
            response.stop_streaming()
    return response


async def _follow(request: web.Request, asked: Request, encoder: Encoder, cursor: int) -> None:
    hub, connections = request.app[HUB], request.app[CONNECTIONS]
    writer = StreamWriter(request, request.app[SETTINGS].write_seconds)
    brought = asked.after
    lost = restart_gaps(hub, asked.query, brought) if brought is not None else []
    # Without a cursor of its own a reader has not lost what left before it came.
    since_ns = asked.query.since_ns if brought is None else None
    start = hub.start_id if lost or cursor == BEGINNING else cursor
    with hub.subscribe(asked.query, start, since_ns) as subscription:
        connection = Connection(encoder.name, asked.query, request.remote or "", subscription)
        channels = [channel.name for channel in hub.selected(asked.query)]
        hello = encoder.hello(__version__, cursor, channels)
        await writer.write(_framed(writer, hello, *map(encoder.gap, lost)))
        with connections.opened(connection):
            await _pump(request, asked, encoder, writer, connection)


async def _pump(
    request: web.Request,
    asked: Request,
    encoder: Encoder,
    writer: StreamWriter,
    connection: Connection,
) -> None:
    """Write what the subscription gives until the client, the run or the relay ends."""
    connections, hub = request.app[CONNECTIONS], request.app[HUB]
    subscription = connection.subscription
    end = hub.last_id
    while True:
        deliveries = await subscription.read()
        body, ended = _render(request, asked, encoder, writer, deliveries)
        is_last = connections.stopping and not deliveries
        if not body and (is_last or connections.is_silent(connection)):
            body = _framed(writer, encoder.cursor(subscription.cursor))
            connection.heard = connections.tick
        if body:
            connection.heard = connections.tick
            connection.sent_bytes += len(body)
            await writer.write(body)
        if ended or is_last or (not asked.follow and subscription.cursor >= end):
            return
        if subscription.has_news or connections.stopping:
            await asyncio.sleep(0)
        else:
            await subscription.wait()


def _render(
    request: web.Request,
    asked: Request,
    encoder: Encoder,
    writer: StreamWriter,
    deliveries: list[Delivery],
) -> tuple[bytes, bool]:
    """Return deliveries as bytes, and whether the run that was asked for ended among them."""
    renderer, query = request.app[RENDERER], asked.query
    if len(deliveries) == 1 and isinstance(span := deliveries[0], Span):
        return renderer.render(span, query, encoder, chunked=writer.chunked), False
    pieces: list[bytes] = []
    for delivery in deliveries:
        if isinstance(delivery, Span):
            pieces.append(renderer.render(delivery, query, encoder, chunked=writer.chunked))
        elif isinstance(delivery, Gap):
            pieces.append(_framed(writer, encoder.gap(delivery)))
        elif query.selects_run(delivery.run):
            pieces.append(_framed(writer, encoder.ending(delivery)))
            if delivery.run == query.single_run:
                return b"".join(pieces), True
    return b"".join(pieces), False


def _framed(writer: StreamWriter, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return chunk(body) if writer.chunked else body


def _is_over(hub: Hub, asked: Request) -> bool:
    """Tell whether a reader resumes at or after the end of the run: EventSource is to stop."""
    run = hub.runs.get(asked.query.single_run or "")
    if run is None or run.ending_id is None or asked.after is None:
        return False
    return run.ending_id <= asked.after <= hub.last_id


async def _start(request: web.Request, asked: Request) -> int:
    """Return the id after which a stream starts: ``hello``'s cursor."""
    hub, query = request.app[HUB], asked.query
    if asked.after is not None:
        return asked.after
    if query.single_run is None:
        # Jobs are watched before their first line: a run that is not known is waited for.
        require_known(hub, asked.query)
    if query.since_ns is not None and asked.tail is None:
        return hub.start_id
    tail = DEFAULT_TAIL if asked.tail is None else asked.tail
    cursor, _ = await newest_cursor(hub, request.app[MATCHES], query, tail)
    run = hub.runs.get(query.single_run or "")
    if run is not None and run.ending_id is not None:
        cursor = min(cursor, run.ending_id - 1)
    return cursor


def _response(encoder: Encoder) -> web.StreamResponse:
    if encoder.content_type == EVENT_STREAM:
        # Our own heartbeat carries the cursor: the library's ping is put off for good.
        return EventSourceResponse(
            ping_interval=NEVER_SECONDS, send_timeout=None, allow_all_methods=True
        )
    return web.StreamResponse(
        headers={
            "Content-Type": encoder.content_type,
            "Cache-Control": "no-cache",
            "X-Accel-Buffering": "no",
        }
    )
