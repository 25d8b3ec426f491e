"""Channels as they are now."""

from typing import Any

from aiohttp import web

from relay.channel import Channel
from relay.encode.objects import timestamp
from relay.entry import Level
from relay.web.answers import answer
from relay.web.keys import HUB

__all__ = ["all_channels", "channel_object", "one_channel"]


async def all_channels(request: web.Request) -> web.Response:
    """Answer with all channels, by name."""
    channels = request.app[HUB].channels
    return answer({"channels": [channel_object(channels[name]) for name in sorted(channels)]})


async def one_channel(request: web.Request) -> web.Response:
    """Answer with one channel."""
    return answer(channel_object(request.app[HUB].channel(request.match_info["channel"])))


def channel_object(channel: Channel) -> dict[str, Any]:
    """Return a channel as JSON shows it: what is held, what came, how fast."""
    ring, held = channel.ring, channel.held_lines
    newest = _newest(channel)
    return {
        "name": channel.name,
        "first_id": channel.first_id if held else None,
        "first_seq": channel.last_seq - held + 1 if held else None,
        "last_seq": channel.last_seq,
        "last_id": channel.last_id if held else None,
        "held_lines": held,
        "memory_lines": ring.lines,
        "memory_bytes": ring.bytes,
        "max_lines": ring.max_lines,
        "max_bytes": ring.max_bytes,
        "oldest": _time(channel.oldest_ns),
        "newest": _time(channel.newest_ns) if held else None,
        "newest_level": None if newest is None else newest[0],
        "newest_source": None if newest is None else newest[1],
        "lines": channel.lines.total,
        "bytes": channel.bytes.total,
        "lines_per_second": round(channel.lines.per_second(), 1),
        "bytes_per_second": round(channel.bytes.per_second(), 1),
        "runs": sorted(channel.runs),
    }


def _newest(channel: Channel) -> tuple[str, str] | None:
    """Return level and source of the newest entry; ``None`` where none is in memory."""
    block = channel.ring.last_block
    if block is None:
        return None
    place = 0 if block.origin_index is None else block.origin_index[-1]
    return Level(block.levels[-1]).word, block.origins[place].source


def _time(ns: int | None) -> str | None:
    return None if ns is None else timestamp(ns).decode()
