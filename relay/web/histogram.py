"""Counts over time by level, of any query, over all that is held."""

import time
from typing import Any

from aiohttp import web

from relay.backward import newest_first
from relay.channel import Channel
from relay.encode.objects import timestamp
from relay.errors import QueryError
from relay.histogram import Buckets, Histogram, divide
from relay.hub import Hub
from relay.matcher import MatchCache
from relay.quantities import format_duration
from relay.request import MAX_BUCKETS, Request
from relay.storage import Extent
from relay.turn import Turn
from relay.web.answers import answer
from relay.web.keys import HUB, MATCHES
from relay.web.parameters import parse_request, require_known

__all__ = ["histogram"]

DEFAULT_BUCKETS = 60


async def histogram(request: web.Request) -> web.Response:
    """Answer with how many entries there are of each level, for each part of the time."""
    asked = await parse_request(request)
    hub = request.app[HUB]
    require_known(hub, asked.query)
    channels = hub.selected(asked.query)
    unread: list[Channel] = []
    buckets = _buckets(asked, *await _times(hub, asked, channels, unread))
    made = Histogram(buckets)
    await _count(hub, request.app[MATCHES], asked, channels, made, unread)
    names = sorted({channel.name for channel in unread})
    return answer(_object(made) | {"unread": names})


async def _count(
    hub: Hub,
    matches: MatchCache,
    asked: Request,
    channels: list[Channel],
    made: Histogram,
    unread: list[Channel],
) -> None:
    """Count block by block, newest first, in turns; add to ``unread`` what cannot be read."""
    end = hub.last_id if asked.before is None else min(hub.last_id, asked.before - 1)
    after = asked.after or 0
    turn = Turn()
    async for block in newest_first(hub, channels, end, asked.query, unread):
        if block.last_id <= after:
            break
        start, stop = block.index_after(after), block.index_after(end)
        made.add(block, start, stop, matches.select(block, asked.query))
        await turn.end_if_over()


async def _times(
    hub: Hub, asked: Request, channels: list[Channel], unread: list[Channel]
) -> tuple[int, int]:
    """Return since and until: what was asked for, else what is held; add to ``unread``."""
    since_ns, until_ns = asked.query.since_ns, asked.query.until_ns
    times: list[int] = []
    if since_ns is None or until_ns is None:
        for channel in channels:
            for block in channel.blocks_before(channel.last_id + 1):
                times += (block.oldest_ns, block.newest_ns)
            extent = Extent() if hub.store is None else await hub.store.extent(channel.name)
            if extent is None:
                unread.append(channel)
            elif extent.oldest_ns is not None and extent.newest_ns is not None:
                times += (extent.oldest_ns, extent.newest_ns)
    now_ns = time.time_ns()
    if until_ns is None:
        until_ns = max(times, default=now_ns) + 1
    if since_ns is None:
        since_ns = min(times, default=until_ns)
    # What was asked for may lie wholly before or after what is held.
    return since_ns, max(since_ns, until_ns)


def _buckets(asked: Request, since_ns: int, until_ns: int) -> Buckets:
    buckets = divide(since_ns, until_ns, asked.buckets or DEFAULT_BUCKETS, asked.interval_ns)
    if buckets.count > MAX_BUCKETS:
        least = format_duration(-(-(until_ns - since_ns) // (MAX_BUCKETS - 1) // 1_000_000) / 1e3)
        raise QueryError(
            "interval",
            format_duration(buckets.interval_ns / 1e9),
            f"at most {MAX_BUCKETS} intervals, which here is {least} or more",
        )
    return buckets


def _object(made: Histogram) -> dict[str, Any]:
    buckets = made.buckets
    counts = [
        {
            "start": _time(buckets.start_ns + index * buckets.interval_ns),
            "total": sum(levels.values()),
            "levels": {level.word: count for level, count in levels.items()},
        }
        for index, levels in enumerate(made.levels())
    ]
    return {
        "since": _time(buckets.start_ns),
        "until": _time(buckets.end_ns),
        "interval_seconds": buckets.interval_ns / 1e9,
        "buckets": counts,
        "total": sum(sum(levels.values()) for levels in made.levels()),
    }


def _time(ns: int) -> str:
    return timestamp(ns).decode()
