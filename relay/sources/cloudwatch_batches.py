"""
Events of CloudWatch Logs into batches: texts, times and origins as columns.

Pure. An event is one entry, whatever newlines it holds; the one that closes its text, which most
writers send along, is left out. A text over ``max_line_bytes`` is cut into parts.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from relay.block import MAX_ORIGINS
from relay.decode.lines import cut_line
from relay.entry import Batch, Origin
from relay.lines import Lines
from relay.sources.cloudwatch_events import MESSAGE, STREAM, TIME, Event

__all__ = ["Making", "batches_of"]

MS_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Making:
    """
    What batches of one reader have in common.

    Args:
        source: its name.
        reader: whose events they are.
        origin: makes the origin of a log stream and a run.
        max_line_bytes: a longer text is cut.
        detect_levels: as a batch has it.
    """

    source: str
    reader: str
    origin: Callable[[str, str | None], Origin]
    max_line_bytes: int
    detect_levels: bool = True


def batches_of(
    making: Making,
    channel: str,
    events: Sequence[Event],
    runs: Sequence[str | None] | None = None,
) -> Iterator[Batch]:
    """
    Give batches of at most 256 origins each, with nothing said after their lines.

    Args:
        making: what they have in common.
        channel: where they go.
        events: in their order, at least one.
        runs: each one's; ``None``: none has any.
    """
    streams = [event[STREAM] for event in events]
    # The places of most pages are log streams alone.
    places: Sequence[Any] = streams if runs is None else [*zip(streams, runs, strict=True)]
    table = {place: number for number, place in enumerate(dict.fromkeys(places))}
    if len(table) > MAX_ORIGINS:
        half = len(events) // 2
        yield from batches_of(making, channel, events[:half], runs and runs[:half])
        yield from batches_of(making, channel, events[half:], runs and runs[half:])
        return
    index = bytes(map(table.__getitem__, places)) if len(table) > 1 else None
    named = [(stream, None) for stream in table] if runs is None else list(table)
    origins = tuple(making.origin(stream, run) for stream, run in named)
    times = array("q", [event[TIME] * MS_NS for event in events])
    texts = [event[MESSAGE] for event in events]
    if max(map(len, texts)) * 4 > making.max_line_bytes:
        # Four bytes at most for a character: it may be too long.
        batch = _cut(texts, times, index, making.max_line_bytes)
    else:
        batch = _lines(texts), times, index, frozenset()
    lines, times, index, parts = batch
    yield Batch(
        making.source,
        channel,
        lines,
        origins,
        index,
        times,
        parts,
        making.detect_levels,
        reader=making.reader,
    )


Columns = tuple[Lines, "array[int]", bytes | None, frozenset[int]]
"""Lines, their times, the indexes of their origins, and which are parts."""


def _lines(texts: list[str]) -> Lines:
    """Return texts as lines: as one text, where none has a newline in it."""
    cut = [text.removesuffix("\n") for text in texts]
    # JSON may tell halves of characters, which no text has.
    joined = ("\n".join(cut) + "\n").encode(errors="replace")
    if joined.count(b"\n") == len(texts) and b"\r" not in joined:
        return Lines(joined, len(texts))
    return Lines.of([_text(text) for text in texts])


def _text(message: str) -> bytes:
    text = message.encode(errors="replace")
    if text.endswith(b"\n"):
        return text[:-2] if text.endswith(b"\r\n") else text[:-1]
    return text


def _cut(texts: list[str], times: "array[int]", index: bytes | None, most: int) -> Columns:
    """Cut texts that are too long into parts, each with its text's time and origin."""
    pieces: list[bytes] = []
    sources: list[int] = []
    parts: list[int] = []
    for number, text in enumerate(texts):
        cut = cut_line(_text(text), most)
        if len(cut) > 1:
            parts += range(len(pieces), len(pieces) + len(cut))
        pieces += cut
        sources += [number] * len(cut)
    return (
        Lines.of(pieces),
        array("q", [times[number] for number in sources]),
        None if index is None else bytes([index[number] for number in sources]),
        frozenset(parts),
    )
