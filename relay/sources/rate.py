"""
How many lines a second a source may give: a token bucket that holds one second's worth.

Rule of this file: time comes in as a parameter.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from relay.decode.runs import picked
from relay.entry import Batch, Loss, Reason, RunCounted

__all__ = ["Bucket", "cut_by_lines", "limited", "portions"]


class Bucket:
    """
    Lines that may pass now; full at the beginning.

    Args:
        rate: lines a second, and how many may pass at once after a pause.
        now: in seconds, as all later times.
    """

    def __init__(self, rate: int, now: float) -> None:
        self.rate = rate
        self._tokens = float(rate)
        self._filled_at = now

    def take(self, most: int, now: float) -> int:
        """Take as many lines as there are, ``most`` at most; return how many."""
        self._fill(now)
        taken = min(most, int(self._tokens))
        self._tokens -= taken
        return taken

    def spend(self, lines: int, now: float) -> None:
        """Let lines pass, whether there is room for them or not: what comes pays for them."""
        self._fill(now)
        self._tokens -= lines

    def wait(self, lines: int, now: float) -> float:
        """Return after how many seconds so many lines (at most ``rate``) may pass."""
        self._fill(now)
        return max(0.0, (lines - self._tokens) / self.rate)

    def _fill(self, now: float) -> None:
        gained = max(0.0, now - self._filled_at) * self.rate
        self._tokens = min(float(self.rate), self._tokens + gained)
        self._filled_at = now


def portions(batches: Iterable[Batch], most: int) -> Iterator[list[Batch]]:
    """
    Cut batches into portions of at most ``most`` lines each, in order.

    What stands after a batch's last line stands after the last of its pieces. Lines are never
    parted from the position or count that covers them, however many they are: what is published
    without it would come again after a crash.
    """
    portion: list[Batch] = []
    room = most
    for unit in _units(batches):
        for piece in [unit] if _is_covered(unit) else _pieces(unit[0], room, most):
            count = sum(batch.lines.count for batch in piece)
            if portion and count > room:
                yield portion
                portion, room = [], most
            portion.extend(piece)
            room = max(0, room - count)
    if portion:
        yield portion


def _units(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Put together the batches of one reader up to what covers them; others are alone."""
    unit: list[Batch] = []
    for batch in batches:
        if unit and unit[-1].reader != batch.reader:
            yield from ([alone] for alone in unit)
            unit = []
        unit.append(batch)
        if _is_covered(unit):
            yield unit
            unit = []
    yield from ([alone] for alone in unit)


def _is_covered(unit: list[Batch]) -> bool:
    """Tell whether the last batch says how far its reader, or its run, has come."""
    last = unit[-1]
    counted = any(isinstance(change, RunCounted) for change in last.runs)
    return counted or last.position is not None


def _pieces(batch: Batch, room: int, most: int) -> Iterator[list[Batch]]:
    """Cut one batch: first what there is room for, then ``most`` lines each."""
    count = batch.lines.count
    if count <= room:
        yield [batch]
        return
    stop = room or most
    start = 0
    while stop < count:
        yield [picked(batch, range(start, stop))]
        start, stop = stop, stop + most
    last = picked(batch, range(start, count))
    yield [replace(last, position=batch.position, runs=batch.runs, loss=batch.loss)]


def cut_by_lines(data: bytes, most: int) -> Iterator[bytes]:
    """Cut bytes into pieces of at most ``most`` newlines each."""
    start = 0
    while data.count(b"\n", start) > most:
        stop = start
        for _ in range(most):
            stop = data.index(b"\n", stop) + 1
        yield data[start:stop]
        start = stop
    if start < len(data):
        yield data[start:]


def limited(batches: Sequence[Batch], bucket: Bucket, now: float) -> list[Batch]:
    """
    Drop the lines that there is no room for, and declare their loss.

    Args:
        batches: of a source that cannot wait.
        bucket: what may pass.
        now: by the bucket's clock.
    """
    passed: list[Batch] = []
    for batch in batches:
        count = batch.lines.count
        taken = bucket.take(count, now)
        if taken == count:
            passed.append(batch)
            continue
        if taken:
            passed.append(picked(batch, range(taken)))
        lost = count - taken
        empty = Batch(batch.source, batch.channel, reader=batch.reader)
        passed.append(replace(empty, loss=Loss(Reason.RATE, lost, lost)))
        passed.append(replace(empty, position=batch.position, runs=batch.runs, loss=batch.loss))
    return passed
