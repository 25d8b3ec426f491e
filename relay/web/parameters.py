"""From an HTTP request to what it asks for: path, query string and headers together."""

import asyncio
import time
from collections.abc import Iterable, Iterator

from aiohttp import web

from relay.encode import ENCODERS, Encoder
from relay.errors import QueryError
from relay.hub import Hub
from relay.matcher import Matcher
from relay.query import Query, is_glob
from relay.request import Request, parse, parse_id
from relay.web.keys import MATCHES

__all__ = ["choose_encoder", "parse_pairs", "parse_request", "require_known"]

FORMATS = {
    "sse": "sse",
    "ndjson": "ndjson",
    "json": "ndjson",
    "text": "text",
    "raw": "text",
}
"""What ``format`` may say, and the encoder that it means."""

MATCHER = web.RequestKey("matcher", Matcher)
"""Held by its request, so that equal requests find it compiled."""

_ACCEPTED = {
    "text/event-stream": "sse",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/json": "ndjson",
    "text/plain": "text",
}


async def parse_request(request: web.Request) -> Request:
    """
    Return what a request asks for, with its patterns compiled.

    Compiling blocks, and so is done in a thread; the request holds the result while it lives.

    Raises:
        QueryError: a parameter cannot be used.
    """
    return await parse_pairs(request, list(_pairs(request)))


async def parse_pairs(request: web.Request, pairs: Iterable[tuple[str, str]]) -> Request:
    """
    Return what pairs of names and values ask for, with its patterns compiled.

    The request holds what was compiled, until it asks for something else.

    Raises:
        QueryError: a parameter cannot be used.
    """
    asked = parse(pairs, now_ns=time.time_ns())
    prepare = request.app[MATCHES].prepare
    if asked.query.has_patterns:
        request[MATCHER] = await asyncio.to_thread(prepare, asked.query)
    else:
        request[MATCHER] = prepare(asked.query)
    return asked


def _pairs(request: web.Request) -> Iterator[tuple[str, str]]:
    """Give all parameters: those of the path, of the query string, and the cursor."""
    for name, parameter in (("channels", "channel"), ("channel", "channel"), ("run", "run")):
        if name in request.match_info:
            yield parameter, request.match_info[name]
    brought = request.headers.get("Last-Event-ID")
    if brought:
        yield "last_event_id", str(parse_id("Last-Event-ID", brought))
    for name, value in request.query.items():
        if not (brought and name == "last_event_id"):
            yield name, value


def choose_encoder(request: web.Request, asked: Request) -> Encoder:
    """
    Return the encoder that a stream is written with: by the route, ``format``, or ``Accept``.

    Raises:
        QueryError: ``format`` is not one of them.
    """
    name = request.match_info.get("format") or asked.format
    if name is None:
        wanted = request.headers.get("Accept", "")
        types = [part.partition(";")[0].strip().lower() for part in wanted.split(",")]
        name = next((_ACCEPTED[type_] for type_ in types if type_ in _ACCEPTED), "sse")
    if name not in FORMATS:
        raise QueryError("format", name, "one of " + ", ".join(sorted(FORMATS)))
    name = FORMATS[name]
    return ENCODERS["text+gaps" if name == "text" and asked.gaps else name]


def require_known(hub: Hub, query: Query) -> None:
    """
    Refuse a query that names what is not there; patterns may match nothing.

    Raises:
        NotFoundError: no such channel or run, with near names.
    """
    for name in query.channels:
        if not is_glob(name):
            hub.channel(name)
    if query.single_run is not None:
        hub.run(query.single_run)
