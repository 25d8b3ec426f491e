"""
The seam between the hub and what makes it durable.

The hub hands over groups before they become visible, and asks for what its rings no longer
hold; the store (:mod:`relay.store`) knows files and never shows anything by itself.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from relay.block import Block, DeclaredLoss
from relay.entry import Position
from relay.marks import Missing
from relay.run import Counted, Ending, Run, Start

__all__ = [
    "Extent",
    "Group",
    "GroupItem",
    "Positions",
    "Store",
    "Stored",
    "StoredChannel",
    "Stretch",
    "Wanted",
]

GroupItem = Block | DeclaredLoss | Start | Counted | Ending
"""What a group is made of."""

Positions = dict[tuple[str, str], Position]
"""Positions by (source, reader)."""


@dataclass(slots=True)
class Group:
    """
    What one commit makes durable and then visible, in the order of ids.

    Args:
        items: blocks, declared losses, run starts, counts and endings.
        positions: for each (source, reader) where it stands now; an empty value: that reader
            has ended, and its position is forgotten.
    """

    items: list[GroupItem] = field(default_factory=list)
    positions: Positions = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What a reader wants of what the store holds of a channel.

    Args:
        channel: its name.
        after: nothing with this id or a lesser one is wanted.
        until: nothing with a greater id is wanted.
        since_ns: entries before this time may be left out.
        until_ns: entries from this time on may be left out.
        max_bytes: of text, about, at once; at least one item is given.
    """

    channel: str
    after: int
    until: int
    since_ns: int | None = None
    until_ns: int | None = None
    max_bytes: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    A part of what the store holds of a channel.

    Args:
        items: without overlap, in the order of ids, or for :meth:`Store.read_back` newest
            first. What should be there and is not is a :class:`~relay.marks.Missing`.
        reach: everything between where it was asked to start and this id is in ``items``:
            reading goes on from here.
        after: where it was asked to start.
    """

    items: Sequence[Block | DeclaredLoss | Missing]
    reach: int
    after: int = 0


@dataclass(frozen=True, slots=True)
class Extent:
    """
    How much a store holds of a channel.

    Args:
        entries: how many.
        bytes: of text, as it was before compression.
        oldest_ns: the oldest timestamp; ``None`` where nothing is held.
        newest_ns: the newest timestamp.
        stored_bytes: on the disk.
    """

    entries: int = 0
    bytes: int = 0
    oldest_ns: int | None = None
    newest_ns: int | None = None
    stored_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StoredChannel:
    """
    What a channel was when the relay ended.

    Args:
        name: of the channel.
        born_id: all of its entries have greater ids.
        last_id: of its last entry, loss or run ending.
        last_seq: of its last entry.
        first_id: of the first entry that is held; ``last_id + 1`` where none is.
        first_seq: its seq; ``last_seq + 1`` where none is.
        oldest_ns: oldest timestamp of what is held; ``None`` where nothing is.
        newest_ns: newest timestamp of what was stored last; ``None``: it is not known.
        forgotten_ns: where it was forgotten, the newest timestamp of what it held then.
        lost_id: of the last entry or loss that is held no more; 0: it is not known.
        written_ns: when something was last written to it, by the store's age clock.
    """

    name: str
    born_id: int
    last_id: int
    last_seq: int
    first_id: int
    first_seq: int
    oldest_ns: int | None = None
    forgotten_ns: int | None = None
    lost_id: int = 0
    written_ns: int = 0
    newest_ns: int | None = None


@dataclass(slots=True)
class Stored:
    """
    What earlier lives of the relay left.

    Args:
        last_id: the last id that may have been given to anybody.
        channels: with their last ids and seqs.
        runs: with their channels, counts and endings.
        positions: with all record keys that are still kept, joined, oldest first.
        news: sentences for the log: what was mended, cut or lost.
        problem: why nothing can be written for now; ``None``: it can.
    """

    last_id: int = 0
    channels: list[StoredChannel] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    positions: Positions = field(default_factory=dict)
    news: list[str] = field(default_factory=list)
    problem: str | None = None


class Store(Protocol):
    """What makes groups durable, and gives back what the rings no longer hold."""

    def commit(self, group: Group) -> Awaitable[bool]:
        """
        Make a group durable.

        Returns:
            Whether a crash can no longer undo it. A store that cannot says so in its status,
            and the group is published without.
        """

    async def read(self, wanted: Wanted) -> Stretch:
        """
        Return what is held of a channel, some at a time, oldest first.

        Returns:
            A stretch whose ``reach`` is greater than ``after``, and ``until`` at most.
        """

    async def read_back(self, wanted: Wanted) -> Stretch:
        """
        Return what is held of a channel, some at a time, newest first; wherever ``after`` is.

        Returns:
            A stretch; everything from its ``reach`` up to ``until`` is in it. 0: there is no
            more. ``until + 1``: what there is cannot be read for now.
        """

    async def extent(self, channel: str) -> "Extent | None":
        """Return how much is held of a channel; ``None``: that cannot be read for now."""

    def forget(self, channel: StoredChannel) -> None:
        """
        Let go of all that is held of a channel but its last id and seq.

        Args:
            channel: as it was when it was forgotten; what came since stays.
        """

    def drop(self, channel: str) -> None:
        """Let go of a forgotten channel for good: if it comes again it is a new one."""

    def forget_run(self, run: str, channel: str) -> None:
        """Let go of a run in a channel, and of all of it where that was its last."""
