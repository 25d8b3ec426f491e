"""
Live streams over a WebSocket, and queries that replace each other.

``{"type":"subscribe", "ref":…, …query…}`` may come at any time. It replaces the last query, and
is answered by a ``hello`` that echoes ``ref``: what precedes that belongs to the old query, what
follows to the new. Names and values are those of the URL; a value may be text, a number, true
or false, or a list of these, and ``null`` is none.

With ``status=1`` the objects of the status feed come between the others: the whole after
``hello``, then changes.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from relay.encode.websocket import WebSocketEncoder, text_frame
from relay.errors import QueryError
from relay.web.following import Follower, is_over, start_cursor
from relay.web.keys import HUB
from relay.web.parameters import parse_pairs, parse_request
from relay.web.socket import Socket, serve_socket, shown, unknown_type
from relay.web.status_feed import STATUS_FEED

__all__ = ["websocket"]

ALLOWED_VALUE = "text, a number, true or false, or a list of these"


async def _converse(request: web.Request, socket: Socket) -> None:
    """Give what one query after the other asks for, until one of them has ended."""
    asked = await parse_request(request)
    while True:
        encoder = WebSocketEncoder(asked.batch, socket.ref)
        is_past = is_over(request.app[HUB], asked)
        cursor = await start_cursor(request, asked)
        with Follower(request, asked, encoder, socket.writer, cursor) as follower:
            socket.on_message = follower.poke
            await follower.greet()
            next_query = _next_query_with_status if asked.status else _next_query
            if is_past or (message := await next_query(request, socket, follower)) is None:
                return
        asked = await parse_pairs(request, list(_pairs(message)))


websocket = partial(serve_socket, converse=_converse)
"""
Answer with a WebSocket that gives what is asked for, first by the URL.

No function of its own, which would wait beside its client: a quarter of a KiB.
"""


async def _next_query(
    request: web.Request, socket: Socket, follower: Follower
) -> dict[str, Any] | None:
    """Pump until the client asks for something else; ``None`` where the stream is over."""
    while not await follower.pump(socket.has_message):
        if (message := await _take(socket)) is not None:
            return message
    return None


async def _next_query_with_status(
    request: web.Request, socket: Socket, follower: Follower
) -> dict[str, Any] | None:
    """Do the same, and give the status between two writes."""
    with request.app[STATUS_FEED].listening() as listener:
        listener.on_news = follower.poke
        while not await follower.pump(lambda: listener.has_news() or socket.has_message()):
            if listener.has_news():
                await socket.writer.write(b"".join(map(text_frame, listener.take())))
            elif (message := await _take(socket)) is not None:
                return message
    return None


async def _take(socket: Socket) -> dict[str, Any] | None:
    """Return what the client asks for; ``None`` where it only pinged."""
    message = await socket.take()
    if message is None:
        return None
    socket.ref = message.get("ref")
    if message.get("type") != "subscribe":
        raise unknown_type(message, '"subscribe"')
    return message


def _pairs(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """
    Give a message's parameters as a URL would.

    Raises:
        QueryError: a value is an object.
    """
    for name, value in message.items():
        if name in ("type", "ref") or value is None:
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield name, one
            elif isinstance(one, bool | int | float):
                yield name, orjson.dumps(one).decode()
            else:
                raise QueryError(name, shown(one), ALLOWED_VALUE)
