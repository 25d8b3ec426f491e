"""A page of history."""

import asyncio
import time
from contextlib import suppress
from dataclasses import replace

import orjson
from aiohttp import web

from relay.encode.ndjson import NdjsonEncoder
from relay.encode.objects import ending_object, gap_object
from relay.entry import Gap
from relay.history import (
    MAX_PAGE_BYTES,
    Bounds,
    Page,
    add_context,
    count_matches,
    newest_cursor,
    read_page,
)
from relay.request import Request
from relay.restart import restart_gaps
from relay.web.connections import Connection
from relay.web.keys import CONNECTIONS, HUB, MATCHES
from relay.web.parameters import parse_request, require_known

__all__ = ["logs"]

_NDJSON = NdjsonEncoder()


async def logs(request: web.Request) -> web.Response:
    """Answer with a page of what the request asks for."""
    asked = await parse_request(request)
    hub, matches = request.app[HUB], request.app[MATCHES]
    require_known(hub, asked.query)
    lost = restart_gaps(hub, asked.query, asked.after) if asked.after is not None else []
    page = await _page(request, asked, lost)
    if asked.after is not None and asked.wait_seconds:
        page = await _wait(request, asked, lost, page)
    if asked.context:
        await add_context(hub, page, asked.context)
    if asked.query.is_plain or asked.total:
        page.total = await count_matches(hub, matches, asked.query)
    page.gaps[:0] = lost
    return web.Response(body=_body(page, asked), content_type="application/json")


async def _wait(request: web.Request, asked: Request, lost: list[Gap], page: Page) -> Page:
    """Hold an empty page until something matches, a run of it ends, or the time is over."""
    hub, connections = request.app[HUB], request.app[CONNECTIONS]
    deadline = time.monotonic() + (asked.wait_seconds or 0)
    while not (page.count or page.endings or page.gaps or connections.stopping):
        if (left := deadline - time.monotonic()) <= 0:
            break
        with hub.subscribe(asked.query, page.cursor) as subscription:
            poll = Connection("poll", asked.query, subscription)
            with connections.opened(poll), suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await subscription.wait()
        # What lay before was looked at, and nothing of it matched.
        page = await _page(request, replace(asked, after=page.cursor), lost)
    return page


async def _page(request: web.Request, asked: Request, lost: list[Gap]) -> Page:
    """Read the page: forward from a place that was named, else the newest entries."""
    hub, matches, query = request.app[HUB], request.app[MATCHES], asked.query
    until = hub.last_id if asked.before is None else min(hub.last_id, asked.before - 1)
    limit = asked.limit if asked.tail is None else asked.tail
    is_forward = asked.tail is None and (
        asked.after is not None or query.since_ns is not None or asked.offset is not None
    )
    after = asked.after or hub.beginning
    if lost:
        # Of another life: everything since this start, and what was waited through since.
        after = hub.start_id if after > hub.last_id else max(after, hub.start_id)
    if is_forward and asked.order == "asc":
        return await read_page(
            hub,
            matches,
            query,
            Bounds(after, until, limit, asked.offset or 0, asked.after is not None),
        )
    if asked.offset:
        until, _ = await newest_cursor(hub, matches, query, asked.offset, until + 1)
    # Half of what a page may have, since it is read in whole blocks.
    most = MAX_PAGE_BYTES // 2
    cursor, has_older = await newest_cursor(hub, matches, query, limit, until + 1, most)
    bounds = Bounds(max(after, cursor), until, limit, 0, asked.after is not None)
    page = await read_page(hub, matches, query, bounds)
    page.truncated |= has_older and cursor > after
    return page


def _body(page: Page, asked: Request) -> bytes:
    """Put the page's JSON together from the entries' own rendering."""
    rendered = b"".join([_NDJSON.entries(picked.span, picked.selection) for picked in page.picked])
    # A raw newline cannot stand inside an object: they are the objects' ends.
    entries = rendered[:-1].split(b"\n") if rendered else []
    if asked.order == "desc":
        entries.reverse()
    endings = page.endings
    return b"".join(
        [
            b'{"logs":[',
            b",".join(entries),
            b'],"gaps":[',
            b",".join(map(gap_object, page.gaps)),
            b'],"endings":[',
            b",".join(map(ending_object, endings)),
            b'],"count":%d,"total":%b' % (len(entries), orjson.dumps(page.total)),
            b',"truncated":%b,"cursor":%d}' % (orjson.dumps(page.truncated), page.cursor),
        ]
    )
