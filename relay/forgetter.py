"""
Forgetting channels: what is silent for long, and read from nowhere, is dropped.

Without it every container, file and job that ever was would stay a channel for ever.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from relay.channel import Channel
from relay.hub import Hub

__all__ = ["Forgetter", "Silence"]

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 30.0
LEAST_WAIT_SECONDS = 0.1

SETTLING_SECONDS = 3600.0
"""No channel of an earlier life is dropped sooner: its source may take a while to come back. Lives
that are shorter count together."""


@dataclass(frozen=True, slots=True)
class Silence:
    """
    What earlier lives know of a channel's silence.

    Args:
        last_id: of the channel.
        seconds: for which nothing came after it.
        counted: seconds that the last life counted while nobody fed the channel.
    """

    last_id: int
    seconds: float
    counted: int = 0


class Forgetter:
    """
    Drops channels that nobody feeds and that have had no news for long enough.

    Args:
        hub: whose channels.
        after: for a channel's name, after how many seconds it is dropped; 0: never.
        feeds: the channels that are read from somewhere now, however silent.
        silence: what earlier lives know of their channels.
    """

    def __init__(
        self,
        hub: Hub,
        after: Callable[[str], float],
        feeds: Callable[[], AbstractSet[str]],
        silence: Mapping[str, Silence] | None = None,
    ) -> None:
        self._hub = hub
        self._after = after
        self._feeds = feeds
        self._silent: dict[str, tuple[int, float]] = {}
        """For each channel its last id, and since when nothing came after it."""
        self._silence = silence or {}
        self._swept = 0.0

    async def run(self) -> None:
        """Look at all channels from time to time, until cancelled."""
        while True:
            await asyncio.sleep(self._wait())
            self.sweep(time.monotonic())

    def sweep(self, now: float) -> None:
        """
        Look at all channels, and drop those whose time has come.

        Args:
            now: seconds of a clock that never steps.
        """
        fed = self._feeds()
        silent = self._silent
        self._silent = {}
        for name, channel in list(self._hub.channels.items()):
            after = self._after(name)
            last_id, since = silent.get(name) or self._before(channel, now, after)
            if channel.last_id != last_id or name in fed:
                since = now
            self._silent[name] = channel.last_id, since
            if after and now - since >= after:
                log.info("channel %s: forgotten, it has been silent for %.0f s", name, now - since)
                self._hub.forget(name)
        self._silence = {}
        self._swept = now

    def counted(self) -> dict[str, int]:
        """Return for channels that are silent the seconds that the next life may count on."""
        seconds = {name: one.counted for name, one in self._silence.items()}
        seconds |= {name: int(self._swept - since) for name, (_, since) in self._silent.items()}
        return {name: count for name, count in seconds.items() if count > 0}

    def _before(self, channel: Channel, now: float, after: float) -> tuple[int, float]:
        """Return the last id of a channel that is new here, and since when it is that."""
        known = self._silence.get(channel.name)
        if known is None:
            return channel.last_id, now
        counted = max(known.counted, after - SETTLING_SECONDS)
        return known.last_id, now - max(0.0, min(known.seconds, counted))

    def _wait(self) -> float:
        """Return how many seconds to wait for the next look: a part of the shortest time."""
        times = [after for name in self._hub.channels if (after := self._after(name))]
        least = min(times, default=LONGEST_WAIT_SECONDS)
        return min(max(least / 4, LEAST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)
