"""
What sources tell about themselves: values that the source writes and status shows.
"""

import time
from dataclasses import dataclass, field
from enum import StrEnum

from relay.meter import Meter

__all__ = ["ReaderStatus", "SourceState", "SourceStatus"]


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
    """

    state: str
    detail: str | None = None
    position: str | None = None
    run: str | None = None


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
