"""
The seam between web and the sources that take pushes: they meet in the hub, never directly.

Web reads a request's body and knows HTTP; an inlet decodes, counts and publishes. A delivery is
one push under way: it is fed with bytes as they come, and what it was fed is visible when the
call returns, which is what holds back a client that sends too fast.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from relay.decode.ndjson import RefusedLine
from relay.entry import Level, RunEnded, Stream
from relay.errors import RelayError

__all__ = [
    "Completer",
    "Delivery",
    "Inlet",
    "LogRecord",
    "Push",
    "Receipt",
    "RecordInlet",
    "RecordReceipt",
    "RefusedPushError",
]


@dataclass(frozen=True, slots=True)
class Push:
    """
    What a client says of its push.

    Args:
        channel: where the lines go.
        ndjson: whether they are JSON objects; else plain text.
        run: that they belong to.
        instance: as in an origin.
        stream: of lines that name none.
        level: of lines that name none; ``None``: what the source says.
        offset: how many lines of the run the client sent before this push; ``None``: it
            does not say, and nothing is compared.
    """

    channel: str
    ndjson: bool = False
    run: str | None = None
    instance: str | None = None
    stream: Stream = Stream.STDOUT
    level: Level | None = None
    offset: int | None = None


@dataclass(slots=True)
class Receipt:
    """
    What became of a push so far.

    Args:
        accepted: entries that were published.
        rejected: lines that could not be taken.
        skipped: lines that the relay had already.
        errors: the first of the rejected.
        last_id: the last visible id; what was pushed lies at or below it.
        offset: how many lines of the run the relay has counted; ``None`` without a run.
    """

    accepted: int = 0
    rejected: int = 0
    skipped: int = 0
    errors: list[RefusedLine] = field(default_factory=list)
    last_id: int = 0
    offset: int | None = None


class RefusedPushError(RelayError):
    """
    A push that cannot be taken, or not any further.

    Args:
        code: stable, for programs: ``run_taken`` ``superseded`` ``stopping`` ``invalid_json``.
        sentence: for people.
    """

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class Delivery(Protocol):
    """One push under way. Every call may raise :class:`RefusedPushError`."""

    @property
    def receipt(self) -> Receipt:
        """What became of it so far."""

    async def feed(self, data: bytes) -> None:
        """Take more bytes, split anywhere, and publish the lines that are whole now."""

    async def take(self, body: bytes) -> Receipt:
        """Take a whole JSON body: one object, or an array of them."""

    async def pause(self) -> None:
        """Publish what is held, an unfinished line as a part: its client is silent for now."""

    async def finish(self) -> Receipt:
        """Take the end of a complete request: the last line is a whole one."""

    def close(self) -> None:
        """Let go; without :meth:`finish` before it an unfinished line alone is forgotten."""


class Completer(Protocol):
    """A source whose runs are ended by whoever knows how they ended."""

    async def complete(self, channel: str, ended: RunEnded) -> None:
        """
        End a run of this source.

        Args:
            channel: one that the run is in.
            ended: how.

        Raises:
            RefusedPushError: the relay is stopping.
        """


class Inlet(Protocol):
    """What takes pushes."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Globs of the channels that may be pushed to."""

    @property
    def max_body_bytes(self) -> int:
        """Most bytes of a body whose length is told beforehand."""

    def accepts(self, channel: str) -> bool:
        """Tell whether pushes to the channel are allowed."""

    async def open(self, push: Push) -> Delivery:
        """
        Begin a push, and the run that it belongs to.

        Raises:
            RefusedPushError: the run is another source's, or the relay is stopping.
            ChannelLimitError: there is no room for the channel.
        """

    async def complete(self, channel: str, ended: RunEnded) -> None:
        """
        End a run of this inlet.

        Raises:
            RefusedPushError: the relay is stopping.
        """


@dataclass(frozen=True, slots=True)
class LogRecord:
    """
    Events of one log stream, as a subscription of CloudWatch Logs sends them.

    Args:
        log_group: its name; empty: it is not known.
        log_stream: its name; ``None``: it is not known.
        events: each with its time (ms since the epoch; ``None``: not known), its id and its text.
    """

    log_group: str
    log_stream: str | None
    events: Sequence[tuple[int | None, str, str]]


@dataclass(slots=True)
class RecordReceipt:
    """
    What became of records.

    Args:
        accepted: events that were published.
        skipped: events that had come before.
        last_id: the last visible id; what was accepted lies at or below it.
    """

    accepted: int = 0
    skipped: int = 0
    last_id: int = 0


class RecordInlet(Protocol):
    """What takes records that AWS pushes."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Globs of the channels that may be pushed to."""

    @property
    def max_body_bytes(self) -> int:
        """Most bytes of a body; what it is once unpacked depends on it."""

    def accepts(self, channel: str) -> bool:
        """Tell whether pushes to the channel are allowed."""

    def admits(self, access_key: str | None) -> bool:
        """Tell whether a key, or none, lets its bearer in; takes as long for any."""

    async def take(self, channel: str, records: Iterable[LogRecord]) -> RecordReceipt:
        """
        Publish what has not come before, and return when it is visible.

        Raises:
            RefusedPushError: the relay is stopping.
            ChannelLimitError: there is no room for the channel.
        """
