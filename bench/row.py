"""
What a row of the table is: something measured of the relay, and of its floor.

Samples of both are taken by turns, and the ratio is that of neighbours, so that what the
machine does meanwhile touches both alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bench.workspace import Workspace

__all__ = ["Bar", "DiscardedError", "Figure", "Measure", "Row", "Sample", "Scale"]

Sample: TypeAlias = Mapping[str, float]
"""Values of one run, by the names of the row's figures."""


class DiscardedError(Exception):
    """A run that does not count, and why."""


@dataclass(frozen=True, slots=True)
class Scale:
    """
    How much is done.

    Args:
        pairs: runs of relay and floor, by turns.
        lines: of the file that one client reads.
        fanout_lines: of what 100 clients read.
        ring_lines: that a ring holds.
        clients: of a fan-out.
        idle_clients: that only wait.
        seconds: of writing at a steady rate.
        single_lines: that are written to a ring one at a time.
        filter_clients: that each want a tenth of the lines.
        flood_seconds: of timing a quiet channel beside one that is flooded.
        channels: of a relay at rest.
        rest_clients: of a relay at rest.
        rest_seconds: that a relay at rest is watched.
        peer_lines: of the file that a peer follows.
        peer_fanout_lines: of what 100 clients get beside a peer. Nchan loses more than 32,767
            messages of one second, which it numbers by 16 bits.
        archive_bytes: text of an archive that pages are read from.
        stored_bytes: text of an archive that a relay starts with.
        segments: files of an archive that a relay starts with.
    """

    pairs: int = 5
    lines: int = 1_000_000
    fanout_lines: int = 100_000
    ring_lines: int = 1_000_000
    clients: int = 100
    idle_clients: int = 1000
    seconds: float = 4.0
    single_lines: int = 1_000_000
    filter_clients: int = 500
    flood_seconds: float = 10.0
    channels: int = 1000
    rest_clients: int = 2000
    rest_seconds: float = 15.0
    peer_lines: int = 200_000
    peer_fanout_lines: int = 20_000
    archive_bytes: int = 10_000_000_000
    stored_bytes: int = 1_000_000_000
    segments: int = 100_000


QUICK = Scale(
    pairs=1,
    lines=200_000,
    fanout_lines=20_000,
    ring_lines=200_000,
    idle_clients=200,
    seconds=2.0,
    single_lines=50_000,
    filter_clients=100,
    flood_seconds=3.0,
    channels=200,
    rest_clients=400,
    rest_seconds=5.0,
    peer_lines=50_000,
    peer_fanout_lines=10_000,
    archive_bytes=200_000_000,
    stored_bytes=100_000_000,
    segments=5_000,
)


@dataclass(frozen=True, slots=True)
class Bar:
    """
    What a figure is to reach.

    Args:
        limit: the value.
        at_most: whether less is better.
        of_share: whether it is the ratio to the floor that counts, not the relay's own value.
        unit: of a value of the relay's own.
    """

    limit: float
    at_most: bool = False
    of_share: bool = True
    unit: str = ""

    def is_met(self, relay: float, share: float | None) -> bool:
        """Return whether the figure reaches it."""
        value = share if self.of_share else relay
        if value is None:
            return False
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.limit:,.9g}{' ×' if self.of_share else self.unit}"


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One thing that a row tells.

    Args:
        name: in the samples.
        unit: with the space before it, where there is one.
        bars: what it is to reach; none where it only explains another.
    """

    name: str
    unit: str = ""
    bars: tuple[Bar, ...] = ()


Measure: TypeAlias = Callable[[Workspace, Scale], Sample]


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row of the table.

    Args:
        name: as the command line has it.
        title: what is measured.
        figures: what it tells.
        relay: one run of the relay.
        floor: one run of the floor; ``None`` where there is none.
        most_pairs: for what takes long and does not vary; ``None``: as many as are asked for.
    """

    name: str
    title: str
    figures: tuple[Figure, ...]
    relay: Measure
    floor: Measure | None = None
    most_pairs: int | None = None
