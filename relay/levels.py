"""
The level of every line of a block, found in bulk.

Rule of this file: nothing is done for a line that is what most lines are, info. One scan over
the block with the patterns of all *other* levels names the lines that may be something else.
Where lines are not info by default (stderr), those without the block's own spelling of info are
in doubt as well. Only lines in doubt are judged, with the patterns of info too, since the first
level in a line decides (:mod:`relay.level_patterns` has the shapes).

Where many of a block's lines begin with a time and another level, the words behind the times are
taken first, and the scan is for the other lines alone.

Cost, for lines of 100 bytes: 30 ns for one that is not in doubt, 0.8 µs for one that is, 0.1
where the level stands behind a time, 1 to 4 µs for a line alone; linear in the bytes. The scan
runs without the interpreter lock, and each match takes it anew: cheap, but beside a thread that
is busy with Python code one block in ten of nothing but errors loses a switch interval or two.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from relay.entry import Level
from relay.level_patterns import (
    DOUBT,
    HEAD_LEVELS,
    HEADS,
    JSON,
    JSON_SIGNS,
    PLAIN_SIGNS,
    STAMPED,
    WORST,
    Heads,
    patterns,
)
from relay.lines import Lines

if TYPE_CHECKING:
    import hyperscan

__all__ = ["detect", "warm"]

ID_BITS = 4
"""A hit is the offset where its match ends, shifted by this, and its pattern's id."""

BRACE = ord("{")
INFO = bytes([Level.INFO])
SAMPLE_BYTES = 1024
"""How much of a block is searched for its word for info."""

HEADS_BYTES = 2048
"""How much of it is looked at to see how its lines begin."""

FEW = 8
"""If no more than one line in so many begins with another level than info, a scan is cheaper."""

MANY_BYTES = 1024
"""A smaller block is not worth a look at how its lines begin."""


class Finder:
    """
    The patterns of some levels: compiled once, at first use; scanned from any thread.

    Compiling takes about 0.2 s for all levels, without the interpreter lock.

    Args:
        levels: which.
    """

    def __init__(self, levels: Iterable[Level]) -> None:
        self._levels = frozenset(levels)
        self._lock = threading.Lock()
        self._database: hyperscan.Database | None = None
        self._local = threading.local()

    def hits(self, text: bytes) -> list[int]:
        """Return all matches in ``text``, by offset, of one offset the worst first."""
        database, scratch = self._ready()
        hits: list[int] = []
        append = hits.append
        database.scan(
            text,
            lambda id, start, end, flags, context: append(end << ID_BITS | id),
            scratch=scratch,
        )
        hits.sort()
        return hits

    def _ready(self) -> "tuple[hyperscan.Database, hyperscan.Scratch]":
        """Return the database, and the scratch space that each thread needs for itself."""
        try:
            ready: tuple[hyperscan.Database, hyperscan.Scratch] = self._local.ready
        except AttributeError:
            with self._lock:
                if self._database is None:
                    self._database = self._compile()
            ready = self._local.ready = (self._database, _engine().Scratch(self._database))
        return ready

    def _compile(self) -> "hyperscan.Database":
        ids, expressions = zip(*patterns(self._levels), strict=True)
        engine = _engine()
        database: hyperscan.Database = engine.Database()
        flags = [engine.HS_FLAG_MULTILINE] * len(ids)
        database.compile(expressions=expressions, ids=ids, flags=flags)
        return database


def _engine() -> Any:
    """Return Vectorscan: :func:`warm` loads it while the relay answers already."""
    import hyperscan

    return hyperscan


UNUSUAL = Finder(set(Level) - {Level.UNKNOWN, Level.INFO})
USUAL = Finder({Level.INFO})


def warm() -> None:
    """Compile the patterns now, best in a thread of its own; else the first detection does."""
    UNUSUAL.hits(b"")
    USUAL.hits(b"")
    STAMPED.letters(b"\n")
    HEADS.letters(b"\n")


def detect(lines: Lines, defaults: bytes) -> bytes:
    """
    Find the level that each line names.

    Args:
        lines: of an entry of several lines the first level counts, wherever it is.
        defaults: the level of a line that names none: a byte per line, or one for all.

    Returns:
        A value of :class:`Level` per line, one byte each.
    """
    text = lines.text
    if not text:
        return b""
    is_info = defaults.count(INFO) == len(defaults)
    if len(text) >= MANY_BYTES and not lines.has_newlines and (heads := _heads(text, is_info)):
        return _by_heads(lines, heads, defaults)
    hits = UNUSUAL.hits(text)
    if is_info:
        return bytes(_among_info(lines, hits)) if hits else INFO * lines.count
    count = lines.count
    if len(defaults) != count:
        defaults *= count
    doubtful = _without_sign(lines)
    if doubtful is None or len(doubtful) * 2 > count:
        return _judge(lines, hits, defaults)
    return _filled_in(_among_info(lines, hits), doubtful, defaults)


def _filled_in(levels: bytearray, doubtful: dict[int, bytes], defaults: bytes) -> bytes:
    """Judge lines by their index and text."""
    if doubtful:
        block = Lines.of(list(doubtful.values()))
        judged = _judge(block, UNUSUAL.hits(block.text), bytes([defaults[i] for i in doubtful]))
        for index, level in zip(doubtful, judged, strict=True):
            levels[index] = level
    return bytes(levels)


def _heads(text: bytes, is_info: bool) -> Heads | None:
    """Return what finds the levels with which many of a block's lines begin, if not the usual."""
    first = text[: text.rfind(b"\n", 0, HEADS_BYTES) + 1]
    for heads in (STAMPED, HEADS) if first else ():
        letters = heads.letters(first)
        named = b"".join(letters)
        is_many = (len(named) - named.count(b"I") * is_info) * FEW > len(letters)
        if len(named) == len(letters):
            break
    return heads if first and is_many else None


def _by_heads(lines: Lines, heads: Heads, defaults: bytes) -> bytes:
    """Return each line's level; only those that do not begin with one are judged."""
    letters = heads.letters(lines.text)
    lines.note_count(len(letters))
    named = b"".join(letters)
    if len(named) == len(letters):
        return named.translate(HEAD_LEVELS)
    if len(defaults) == 1:
        defaults *= len(letters)
    levels = bytearray(b"".join([letter or b"?" for letter in letters]).translate(HEAD_LEVELS))
    pairs = zip(levels, lines.split(), strict=True)
    doubtful = {i: entry for i, (level, entry) in enumerate(pairs) if level == DOUBT}
    return _filled_in(levels, doubtful, defaults)


def _judge(lines: Lines, hits: list[int], defaults: bytes) -> bytes:
    """Return each line's level, by the first hit in it; ``hits`` are those of ``UNUSUAL``."""
    usual = USUAL.hits(lines.text)
    if usual:
        hits = sorted(hits + usual)
    if not hits:
        return defaults
    text, levels, sizes = lines.text, bytearray(defaults), map(len, lines.split())
    index, start, end, decided = 0, 0, next(sizes), -1
    for hit in hits:
        offset = hit >> ID_BITS
        if offset <= decided:
            continue
        while end < offset:
            start = end + 1
            end = start + next(sizes)
            index += 1
        if text[start] != BRACE or hit & JSON:
            levels[index] = WORST - (hit & ~-JSON)
            decided = end
    return bytes(levels)


def _among_info(lines: Lines, hits: list[int]) -> bytearray:
    """Return each line's level, if those without a hit are info; ``hits`` as for ``_judge``."""
    text, bounds = lines.text, lines.ends if lines.has_newlines else None
    places: list[int] = []
    levels, heads = bytearray(), []
    index, start, end, decided = 0, 0, -1, -1
    for hit in hits:
        offset = hit >> ID_BITS
        if offset <= decided:
            continue
        if offset <= end:
            pass
        elif bounds is None:
            index += text.count(b"\n", start, offset)
            start = text.rfind(b"\n", start, offset) + 1 or start
            end = text.find(b"\n", offset)
        else:
            index = bisect_left(bounds, offset, index)
            start, end = lines.bounds(index)
        if text[start] != BRACE or hit & JSON:
            places.append(index)
            levels.append(WORST - (hit & ~-JSON))
            heads.append(text[start:offset])
            decided = end
    if bounds is None:
        lines.note_count(index + text.count(b"\n", start))
    _put_info(levels, heads)
    filled = bytearray(INFO * lines.count)
    for index, level in zip(places, levels, strict=True):
        filled[index] = level
    return filled


def _put_info(levels: bytearray, heads: list[bytes]) -> None:
    """Make those info whose line names it before the level found, with which ``heads`` end."""
    ends = list(accumulate([len(head) + 1 for head in heads]))
    for hit in USUAL.hits(b"\n".join(heads)):
        index = bisect_right(ends, hit >> ID_BITS)
        # What ends where a head does is not before the level, or only seems to end a line.
        is_before = hit >> ID_BITS < ends[index] - 1
        if is_before and (heads[index][0] != BRACE or hit & JSON):
            levels[index] = Level.INFO


def _without_sign(lines: Lines) -> dict[int, bytes] | None:
    """Return index and text of the lines that are not surely info; ``None``: it may be all."""
    sign = _sign(lines.text)
    if sign is None:
        return None
    # Half the time of "sign not in entry", which tries the sign as a number first.
    return {i: entry for i, entry in enumerate(lines.split()) if entry.find(sign) < 0}


def _sign(text: bytes) -> bytes | None:
    """Return how this block's lines spell info, if in a way that cannot mean anything else."""
    is_json = b"{" in text and (text.startswith(b"{") or b"\n{" in text)
    sample = text[:SAMPLE_BYTES]
    return next(
        (sign for sign in (JSON_SIGNS if is_json else PLAIN_SIGNS) if sign in sample), None
    )
