"""
What sources and the store tell about themselves: values that they write and status shows.
"""

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from relay.meter import Meter, Timings

__all__ = ["ReaderStatus", "SourceState", "SourceStatus", "StoreState", "StoreStatus"]


class SourceState(StrEnum):
    """What a source is doing."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    """It runs, and there is nothing to read yet (no file matches, its command is restarted)."""
    FAILING = "failing"
    ENDED = "ended"
    STOPPED = "stopped"


@dataclass(slots=True)
class ReaderStatus:
    """
    One reader of a source as status shows it.

    Args:
        state: one word of the source's own, such as ``reading`` ``unreadable`` ``running``.
        detail: a sentence, where there is something to say.
        position: where it stands, for people: ``12345`` bytes, a time.
        run: id of the run that it reads, where there is one.
        container: what is known of the container that it reads, where it reads one.
    """

    state: str
    detail: str | None = None
    position: str | None = None
    run: str | None = None
    container: dict[str, Any] | None = None


@dataclass(slots=True)
class SourceStatus:
    """
    A source as status shows it; the source and its supervisor both write it.

    The supervisor keeps ``lines``, ``rate``, ``bytes``, ``lost_lines``, ``restarts`` and the
    states ``failing``, ``ended`` and ``stopped``; the source keeps ``readers``, ``invalid_bytes``
    and ``running`` / ``waiting``.
    """

    name: str
    type: str
    state: SourceState = SourceState.STARTING
    since_ns: int = field(default_factory=time.time_ns)
    last_error: str | None = None
    last_error_ns: int | None = None
    lines: int = 0
    bytes: int = 0
    invalid_bytes: int = 0
    """Bytes that were no text and were replaced by U+FFFD."""
    lost_lines: int = 0
    """Lines that could not be published, since there was no room for their channel."""
    restarts: int = 0
    rate: Meter = field(default_factory=Meter, repr=False)
    """How fast ``lines`` grows."""
    readers: dict[str, ReaderStatus] = field(default_factory=dict)

    def enter(self, state: SourceState) -> None:
        """Change the state; a state that it is in already keeps its time."""
        if state is not self.state:
            self.state = state
            self.since_ns = time.time_ns()

    def fail(self, sentence: str) -> None:
        """Note an error; the state is the caller's to change."""
        self.last_error = sentence
        self.last_error_ns = time.time_ns()


class StoreState(StrEnum):
    """Whether what is shown is kept over a restart."""

    OFF = "off"
    """There is no store: memory only."""
    OK = "ok"
    FAILING = "failing"
    """Lines are shown without being kept."""
    CATCHING_UP = "catching up"
    """It works again, and is given what the rings still hold of what it missed."""


@dataclass(slots=True)
class StoreStatus:
    """
    The store as status shows it; the store writes it.

    Args:
        state: what it is doing.
        since_ns: when that began, in nanoseconds since the epoch.
        reason: why it fails, in words; else ``None``.
        directory: where it is.
        behind_lines: shown, and not kept yet.
        behind_bytes: text of these.
        unsaved_ns: since when there are any, about; ``None``: there are none.
        segments: how many files of lines there are.
        stored_bytes: what they take on disk.
        free_bytes: of the file system; ``None`` where nobody can say.
        recovered: sentences on what was mended, cut or lost at the start.
        commits: groups that were made durable, and how long that took.
    """

    state: StoreState = StoreState.OFF
    since_ns: int = field(default_factory=time.time_ns)
    reason: str | None = None
    directory: str | None = None
    behind_lines: int = 0
    behind_bytes: int = 0
    unsaved_ns: int | None = None
    segments: int = 0
    stored_bytes: int = 0
    free_bytes: int | None = None
    recovered: list[str] = field(default_factory=list)
    commits: Timings = field(default_factory=Timings, repr=False)

    def enter(self, state: StoreState) -> None:
        """Change the state; one that it is in already keeps its time."""
        self.reason = None
        if state is not self.state:
            self.state = state
            self.since_ns = time.time_ns()

    def fail(self, reason: str) -> None:
        """Say that it fails, and why."""
        self.enter(StoreState.FAILING)
        self.reason = reason
