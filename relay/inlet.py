"""
The seam between web and the sources that take pushes: they meet in the hub, never directly.

Web reads a request's body and knows HTTP; an inlet decodes, counts and publishes. A delivery is
one push under way: it is fed with bytes as they come, and what it was fed is visible when the
call returns, which is what holds back a client that sends too fast.
"""

from dataclasses import dataclass, field
from typing import Protocol

from relay.decode.ndjson import RefusedLine
from relay.entry import Level, RunEnded, Stream
from relay.errors import RelayError

__all__ = ["Delivery", "Inlet", "Push", "Receipt", "RefusedPushError"]


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
