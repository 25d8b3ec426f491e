"""Small values for tests: origins, batches and blocks with what matters spelled out."""

from array import array
from collections.abc import Sequence

from relay.block import Block, Column
from relay.entry import Batch, Level, Origin, Stream
from relay.lines import Lines

APP = Origin("app")
APP_STDERR = Origin("app", stream=Stream.STDERR, level=Level.ERROR)

Text = str | Sequence[str]


def lines_of(text: Text) -> Lines:
    """Return lines of strings; a single string is split at spaces."""
    entries = text.split() if isinstance(text, str) else text
    return Lines.of([entry.encode() for entry in entries])


def batch(channel: str, text: Text, origin: Origin = APP, **more: object) -> Batch:
    """Return a batch of one origin."""
    return Batch("app", channel, lines_of(text), (origin,), **more)  # type: ignore[arg-type]


def block(
    text: Text,
    first_id: int = 1000,
    first_seq: int = 1,
    *,
    channel: str = "web",
    origin: Origin = APP,
    levels: bytes | None = None,
    timestamps: Sequence[int] | None = None,
    ids: Sequence[int] | None = None,
    parts: frozenset[int] = frozenset(),
    arrival_ns: int | None = None,
) -> Block:
    """Return a block of one origin; it arrives at the time that its first id tells."""
    lines = lines_of(text)
    return Block(
        channel=channel,
        first_id=first_id if ids is None else ids[0],
        first_seq=first_seq,
        lines=lines,
        levels=bytes([origin.level]) * lines.count if levels is None else levels,
        origins=(origin,),
        arrival_ns=first_id * 1000 if arrival_ns is None else arrival_ns,
        timestamps=None if timestamps is None else Column(array("q", timestamps)),
        ids=None if ids is None else Column(ids),
        parts=parts,
    )
