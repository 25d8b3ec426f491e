"""
Events of CloudWatch Logs into batches: texts, times and origins as columns.

Pure. An event is one entry, whatever newlines it holds; the one that closes its text, which most
writers send along, is left out. A text over ``max_line_bytes`` is cut into parts.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence

from relay.block import MAX_ORIGINS
from relay.entry import Batch, Origin
from relay.lines import Lines
from relay.sources.cloudwatch_events import Event

__all__ = ["Lane", "Marked", "batches_of"]

MS_NS = 1_000_000

Marked = tuple[Event, str | None]
"""An event, and the run that it is of by what its log says."""

Lane = tuple[str, Callable[[str, str | None], Origin]]
"""A channel, and what makes the origin of a log stream and a run."""


def batches_of(
    source: str,
    reader: str,
    marked: Sequence[Marked],
    lane: Lane,
    max_line_bytes: int,
    *,
    detect_levels: bool = True,
) -> Iterator[Batch]:
    """
    Give batches of at most 256 origins each, with nothing said after their lines.

    Args:
        source: its name.
        reader: whose events they are.
        marked: events in their order, and each one's run.
        lane: where they go.
        max_line_bytes: a longer text is cut.
        detect_levels: as a batch has it.
    """
    channel, origin_for = lane
    start = 0
    while start < len(marked):
        places: dict[tuple[str, str | None], int] = {}
        stop = _fill(places, marked, start)
        rows = marked[start:stop]
        index = bytes([places[event[3], run] for event, run in rows])
        texts = [_text(event[4]) for event, _ in rows]
        times = [event[0] * MS_NS for event, _ in rows]
        parts: frozenset[int] = frozenset()
        if max(map(len, texts)) > max_line_bytes:
            texts, times, index, parts = _cut(texts, times, index, max_line_bytes)
        yield Batch(
            source,
            channel,
            Lines.of(texts),
            tuple(origin_for(stream, run) for stream, run in places),
            index if len(places) > 1 else None,
            array("q", times),
            parts,
            detect_levels,
            reader=reader,
        )
        start = stop


def _fill(places: dict[tuple[str, str | None], int], marked: Sequence[Marked], start: int) -> int:
    """Number the origins of events from ``start`` on; return where there are too many."""
    for number in range(start, len(marked)):
        event, run = marked[number]
        place = (event[3], run)
        if place not in places:
            if len(places) == MAX_ORIGINS:
                return number
            places[place] = len(places)
    return len(marked)


def _text(message: str) -> bytes:
    # JSON may tell halves of characters, which no text has.
    text = message.encode(errors="replace")
    if text.endswith(b"\n"):
        return text[:-2] if text.endswith(b"\r\n") else text[:-1]
    return text


def _cut(
    texts: list[bytes], times: list[int], index: bytes, most: int
) -> tuple[list[bytes], list[int], bytes, frozenset[int]]:
    """Cut texts that are too long into parts, each with its text's time and origin."""
    pieces: list[bytes] = []
    sources: list[int] = []
    parts: list[int] = []
    for number, text in enumerate(texts):
        cut = list(_split(text, most))
        if len(cut) > 1:
            parts += range(len(pieces), len(pieces) + len(cut))
        pieces += cut
        sources += [number] * len(cut)
    return (
        pieces,
        [times[number] for number in sources],
        bytes([index[number] for number in sources]),
        frozenset(parts),
    )


def _split(text: bytes, most: int) -> Iterator[bytes]:
    """Cut a text into pieces of at most so many bytes, not inside a character."""
    start = 0
    while len(text) - start > most:
        stop = start + most
        # A continuation byte is 10xxxxxx; a character has at most three of them.
        stop -= next((back for back in range(4) if text[stop - back] & 0xC0 != 0x80), 0)
        yield text[start:stop]
        start = stop
    yield text[start:]
