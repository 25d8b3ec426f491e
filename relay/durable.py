"""
Composition of the store: a state directory becomes what a hub rests on.
"""

import logging
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from relay.config.model import Config
from relay.forgetter import Silence
from relay.hub import Hub
from relay.status import StoreStatus
from relay.store import index
from relay.store.archive import Archive
from relay.store.recovery import open_store
from relay.store.retention import AgeClock, Keeping
from relay.store.state_directory import Fsync
from relay.store.store import DurableStore
from relay.store.upkeep import AGE, SILENT, Upkeep

__all__ = ["Durable"]

log = logging.getLogger(__name__)

SWITCH_SECONDS = 0.0005
"""A thread that commits must win the interpreter back from a busy loop: with Python's own 5 ms
a commit took 42 ms beside one, with this 3 ms."""

UNSYNCED_SECONDS = 1.0
"""How often to look whether the index's log must be taken in, where nothing else is synced."""

MAX_CHANNELS_ASKED = 10_000
"""Of which it is remembered whether they are archived: each block asks."""

DAY_NS = 86_400_000_000_000


class Durable:
    """
    The store of a relay, opened; made before anything else, since it may take a moment.

    Args:
        config: with a state directory.

    Raises:
        StoreError: the directory cannot be used.
    """

    def __init__(self, config: Config) -> None:
        state = config.state
        assert state.directory is not None
        self._config = config
        self._sync_seconds = state.fsync if isinstance(state.fsync, float) else UNSYNCED_SECONDS
        fsync: Fsync = "1s" if isinstance(state.fsync, float) else state.fsync
        self._writer, self.stored = open_store(Path(state.directory), fsync)
        self._values = self._kept_values()
        self._clock = AgeClock(self._values.get(AGE))
        self.status = StoreStatus(
            directory=str(self._writer.directory), recovered=self.stored.news
        )
        self.store = DurableStore(
            self._writer,
            Archive(self._writer.directory),
            state.commit_timeout,
            self._clock.now_ns,
            self.status,
            lru_cache(MAX_CHANNELS_ASKED)(self.is_archived),
        )
        for sentence in self.stored.news:
            log.warning("store: %s", sentence)
        known = sum(one.forgotten_ns is None for one in self.stored.channels)
        log.info(
            "store: %s: of earlier lives channels %d, runs %d, positions %d, last id %d",
            self._writer.directory,
            known,
            len(self.stored.runs),
            len(self.stored.positions),
            max([one.last_id for one in self.stored.channels], default=0),
        )
        sys.setswitchinterval(SWITCH_SECONDS)

    def _kept_values(self) -> dict[str, int]:
        connection = index.connect(self._writer.index_path, readonly=True)
        try:
            return index.values(connection)
        finally:
            connection.close()

    def connect(self, hub: Hub) -> None:
        """Give a hub what earlier lives left; called once, inside the loop."""
        hub.restore(self.stored)
        hub.store_status = self.status
        self.store.connect(hub, self.stored.positions)
        if self.stored.problem is not None:
            self.store.fail(self.stored.problem)
        self._upkeep = Upkeep(
            self.store,
            self._writer,
            hub,
            self._keeping,
            self._sync_seconds,
            self._config.state.min_free,
            self._clock,
        )
        self._upkeep.silent = [key for key in self._values if key.startswith(SILENT)]

    @property
    def silence(self) -> dict[str, Silence]:
        """What earlier lives know of the silence of their channels."""
        now_ns, values = self._clock.now_ns(), self._values
        return {
            one.name: Silence(
                one.last_id,
                max(0, now_ns - one.written_ns) / 1e9,
                values.get(f"{SILENT}{one.name}", 0),
            )
            for one in self.stored.channels
        }

    def count_silence(self, counted: Callable[[], Mapping[str, int]]) -> None:
        """Let it be remembered for how many seconds channels are silent, as asked for."""
        self._upkeep.counted = counted

    async def run(self) -> None:
        """Look after the store until cancelled."""
        await self._upkeep.run()

    def is_archived(self, channel: str) -> bool:
        """Tell whether all lines of a channel are kept, for people too."""
        return self._config.channel_options(channel).archive

    def _keeping(self, channel: str) -> Keeping:
        options = self._config.channel_options(channel)
        return Keeping(
            archive=options.archive,
            age_ns=int(options.keep_days * DAY_NS),
            stored_bytes=options.keep_bytes,
            lines=options.lines,
            bytes=options.bytes,
        )
