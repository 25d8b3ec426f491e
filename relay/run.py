"""
Runs: one life each of a process or container, or a job that was named.

A run may span channels. It is kept while it is under way, and after its end until no entry of
it is held any more.
"""

from dataclasses import dataclass, field

from relay.entry import RunCounted, RunStarted

__all__ = ["Counted", "Ending", "Run", "Start"]


@dataclass(slots=True)
class Run:
    """
    One run as it is known now; the hub changes it.

    Args:
        id: unique over the hub.
        source: name of the source that it belongs to.
        started_ns: nanoseconds since the epoch.
        instance: as in its entries.
        pid: of the process, where there is one.
        ended_ns: ``None`` while it is under way.
        status: ``running``, then how it ended.
        exit_code: of the process, where there is one.
        signal: that ended it, where one did.
        ending_id: hub id of its ending; ``None`` while it is under way.
        lines: how many entries it has had.
        last_ids: for each of its channels the id of its last entry there.
        offset: how many lines of its pusher are visible, counted as sent; ``None``: it is not
            pushed.
        offset_bytes: how much of the line after these is visible in pieces.
    """

    id: str
    source: str
    started_ns: int
    instance: str | None = None
    pid: int | None = None
    ended_ns: int | None = None
    status: str = "running"
    exit_code: int | None = None
    signal: str | None = None
    ending_id: int | None = None
    lines: int = 0
    last_ids: dict[str, int] = field(default_factory=dict)
    offset: int | None = None
    offset_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """
    The start of a run at its place among blocks; it takes no id.

    Args:
        channel: where it was published.
        source: whose run it is.
        change: what the source said.
    """

    channel: str
    source: str
    change: RunStarted


@dataclass(frozen=True, slots=True)
class Counted:
    """
    How much of a pushed run has been taken, at its place among blocks; it takes no id.

    Args:
        channel: where it was published.
        change: what the source said.
    """

    channel: str
    change: RunCounted


@dataclass(frozen=True, slots=True)
class Ending:
    """
    The end of a run at its place in the order of ids.

    Args:
        id: the hub id that it took.
        channel: where it was published.
        run: id of the run.
        timestamp_ns: when it ended.
        status: how.
        exit_code: of the process, where there is one.
        signal: that ended it, where one did.
    """

    id: int
    channel: str
    run: str
    timestamp_ns: int
    status: str
    exit_code: int | None = None
    signal: str | None = None

    @property
    def first_id(self) -> int:
        """Its id: what orders it among blocks."""
        return self.id

    @property
    def last_id(self) -> int:
        """Its id: what orders it among blocks."""
        return self.id
