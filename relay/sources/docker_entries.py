"""
A container's records into entries: text, and lines that belong together.

Pure: the time comes in. Where nothing is joined, all records of a turn are decoded at once.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from relay.decode.decoder import Decoder, Decoding
from relay.decode.lines import Decoded
from relay.lines import EMPTY, Lines, join
from relay.sources.docker_records import Records

__all__ = ["NO_ENTRIES", "Entries", "EntryDecoder"]

ENDLESS_BYTES = 1 << 30
"""Records are cut already."""


@dataclass(frozen=True, slots=True)
class Entries:
    """
    Consecutive entries.

    Args:
        lines: their text.
        times: of each the time of its first line.
        streams: of each the stream, one byte, as in :class:`Records`.
        parts: indexes of those that are pieces of a longer one.
        key_times: of the records that they were made of.
        keys: their hashes.
        invalid_bytes: how many bytes were no text.
    """

    lines: Lines = EMPTY
    times: Sequence[int] = ()
    streams: bytes = b""
    parts: frozenset[int] = frozenset()
    key_times: Sequence[int] = ()
    keys: Sequence[int] = ()
    invalid_bytes: int = 0


NO_ENTRIES = Entries()


class EntryDecoder:
    """
    Decode the records of one container.

    Args:
        decoding: how; its lines are cut already.
    """

    def __init__(self, decoding: Decoding) -> None:
        self._decoding = replace(decoding, max_line_bytes=ENDLESS_BYTES, joining=None)
        self._plain = self._decoding.decoder(head=b"")
        self._joined: dict[int, _Joined] = {}
        if decoding.joining is not None:
            both = replace(self._decoding, joining=decoding.joining)
            self._joined = {stream: _Joined(both.decoder(head=b""), stream) for stream in (0, 1)}

    @property
    def due(self) -> float | None:
        """When :meth:`pause` will have something to give."""
        return min((one.due for one in self._joined.values() if one.due is not None), default=None)

    @property
    def held_ns(self) -> int | None:
        """The least time of a record that is not given out yet; ``None``: there is none."""
        return min((time for one in self._joined.values() for time in one.times), default=None)

    def take(self, records: Records, keys: Sequence[int], now: float) -> Entries:
        """
        Take records that are new.

        Args:
            records: at least one.
            keys: their hashes.
            now: by the caller's clock, in seconds.
        """
        if not self._joined:
            return self._take_plain(records, keys, now)
        given: list[Entries] = []
        for (stream, is_piece), group in groupby(
            range(len(records)), lambda index: (records.streams[index], index in records.offsets)
        ):
            some = list(group)
            own, own_keys = records.picked(some), [keys[index] for index in some]
            if is_piece:
                given += [self._joined[stream].release(), self._take_plain(own, own_keys, now)]
            else:
                given.append(self._joined[stream].take(own, own_keys, now))
        return _concatenated(given)

    def pause(self, now: float) -> Entries:
        """Give out entries that have waited long enough for more lines."""
        return _concatenated([one.pause(now) for one in self._joined.values()])

    def flush(self) -> Entries:
        """Give out all that is held: no more lines will come."""
        return _concatenated([one.release() for one in self._joined.values()])

    def _take_plain(self, records: Records, keys: Sequence[int], now: float) -> Entries:
        decoded = self._plain.feed(b"".join(records.texts), now)
        if decoded.lines.count != len(records):
            decoded = self._each(records, now)
        return Entries(
            decoded.lines,
            records.times,
            records.streams,
            frozenset(records.offsets),
            records.times,
            keys,
            decoded.invalid_bytes,
        )

    def _each(self, records: Records, now: float) -> Decoded:
        """Decode records that have newlines inside: journald's may."""
        found = [self._decoding.decoder(head=b"").feed(text, now) for text in records.texts]
        entries = [one.lines.text[:-1] for one in found]
        return Decoded(Lines.of(entries), invalid_bytes=sum(one.invalid_bytes for one in found))


class _Joined:
    """The lines of one stream, joined, and the records that are held."""

    def __init__(self, decoder: Decoder, stream: int) -> None:
        self._decoder = decoder
        self._stream = stream
        self._held: deque[tuple[int, int]] = deque()

    @property
    def due(self) -> float | None:
        return self._decoder.due

    @property
    def times(self) -> list[int]:
        return [time for time, _ in self._held]

    def take(self, records: Records, keys: Sequence[int], now: float) -> Entries:
        self._held.extend(zip(records.times, keys, strict=True))
        return self._given(self._decoder.feed(b"".join(records.texts), now))

    def pause(self, now: float) -> Entries:
        return self._given(self._decoder.pause(now))

    def release(self) -> Entries:
        return self._given(self._decoder.release())

    def _given(self, decoded: Decoded) -> Entries:
        if not decoded.lines.count:
            return NO_ENTRIES
        times: list[int] = []
        released: list[tuple[int, int]] = []
        for entry in decoded.lines.split():
            # Each of its lines was a record; one more where journald's had newlines inside.
            times.append(self._held[0][0] if self._held else times[-1])
            count = min(entry.count(b"\n") + 1, len(self._held))
            released += [self._held.popleft() for _ in range(count)]
        while len(self._held) > self._decoder.held_lines:
            released.append(self._held.popleft())
        return Entries(
            decoded.lines,
            times,
            bytes([self._stream]) * len(times),
            decoded.parts,
            [time for time, _ in released],
            [key for _, key in released],
            decoded.invalid_bytes,
        )


def _concatenated(pieces: Sequence[Entries]) -> Entries:
    given = [piece for piece in pieces if piece.lines.count]
    if len(given) <= 1:
        return given[0] if given else NO_ENTRIES
    parts, count = [], 0
    for piece in given:
        parts += [index + count for index in piece.parts]
        count += piece.lines.count
    return Entries(
        join([piece.lines for piece in given]),
        [time for piece in given for time in piece.times],
        b"".join(piece.streams for piece in given),
        frozenset(parts),
        [time for piece in given for time in piece.key_times],
        [key for piece in given for key in piece.keys],
        sum(piece.invalid_bytes for piece in given),
    )
