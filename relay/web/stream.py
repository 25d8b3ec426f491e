"""
Live streams: SSE, NDJSON and plain text.

A handler chooses an encoder, and follows.
"""

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from relay.encode import Encoder
from relay.errors import QueryError
from relay.web.following import Follower, is_over, start_cursor
from relay.web.keys import HUB, SETTINGS
from relay.web.parameters import choose_encoder, parse_request
from relay.web.writer import StreamWriter, end_by_closing

__all__ = ["stream"]

EVENT_STREAM = "text/event-stream"


async def stream(request: web.Request) -> web.StreamResponse:
    """Answer with a live stream of what the request asks for."""
    asked = await parse_request(request)
    encoder = choose_encoder(request, asked)
    if is_over(request.app[HUB], asked):
        return web.Response(status=204)
    cursor = await start_cursor(request, asked)
    response = _response(encoder)
    end_by_closing(request, response)
    await response.prepare(request)
    # They are sent, and would be kept: a KiB.
    response.headers.clear()
    if isinstance(response, EventSourceResponse):
        # Our own heartbeat carries the cursor: the library's would be a task for each client.
        response.stop_streaming()
    try:
        if request.method == "HEAD":
            return response
        writer = StreamWriter(request, request.app[SETTINGS].write_seconds)
        with Follower(request, asked, encoder, writer, cursor) as follower:
            await follower.greet()
            await follower.pump()
        await response.write_eof()
    except QueryError as error:
        # A pattern that turned out to cost too much over what it met.
        await response.write(encoder.error("invalid_parameter", str(error)))
        await response.write_eof()
    except ConnectionResetError:
        pass  # The client is gone: nothing is left to be said to it.
    return response


def _response(encoder: Encoder) -> web.StreamResponse:
    if encoder.content_type == EVENT_STREAM:
        return EventSourceResponse(send_timeout=None, allow_all_methods=True)
    return web.StreamResponse(
        headers={
            "Content-Type": encoder.content_type,
            "Cache-Control": "no-cache",
            "X-Accel-Buffering": "no",
        }
    )
