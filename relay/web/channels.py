"""Channels as they are now."""

from typing import Any

from aiohttp import web

from relay.block import Block
from relay.channel import Channel
from relay.encode.objects import timestamp
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
    ring = channel.ring
    first, last = ring.first_block, ring.last_block
    return {
        "name": channel.name,
        "first_id": first.first_id if first else None,
        "last_id": last.last_id if last else None,
        "first_seq": first.first_seq if first else None,
        "last_seq": channel.last_seq,
        "held_lines": ring.lines,
        "held_bytes": ring.bytes,
        "max_lines": ring.max_lines,
        "max_bytes": ring.max_bytes,
        "oldest": _time(first),
        "newest": timestamp(last.newest_ns).decode() if last else None,
        "lines": channel.lines.total,
        "bytes": channel.bytes.total,
        "lines_per_second": round(channel.lines.per_second(), 1),
        "bytes_per_second": round(channel.bytes.per_second(), 1),
        "runs": sorted(channel.runs),
    }


def _time(block: Block | None) -> str | None:
    return timestamp(block.oldest_ns).decode() if block else None
