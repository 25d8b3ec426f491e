"""
The judge: each line exactly once and in order for each reader, or inside a gap of that count.

One judge for each reader. It is given the objects as the reader got them, and holds them
against the record. What is lost without a gap, repeated, out of order, altered or numbered
anew is a failure at once; gaps are judged when what may be missing is known (:meth:`settle`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.record import NEEDLE_EVERY, Record, Stream, line

__all__ = ["Failure", "Hole", "Judge"]


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A promise that was broken.

    Args:
        what: ``lost``, ``repeated``, ``order``, ``altered``, ``renumbered``, ``gap`` or
            ``behind``.
        reader: who noticed.
        stream: of which.
        number: of the line at which it was noticed.
        lines: how many were lost or repeated.
        kind: of the last fault that had struck the stream then.
        detail: what was expected and got.
    """

    what: str
    reader: str
    stream: str
    number: int
    lines: int
    kind: str
    detail: str

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.reader}, {self.stream}:{self.number:08d}, "
            f"last fault {self.kind}: {self.detail}"
        )


@dataclass(frozen=True, slots=True)
class Hole:
    """
    What a reader was told is missing between two lines.

    Args:
        stream: of which.
        first: number after the line before it.
        until: number of the line after it.
        gaps: what was said, as it came.
        missing: how many lines that the reader asks for lie between.
    """

    stream: str
    first: int
    until: int
    gaps: Sequence[Mapping[str, Any]]
    missing: int

    @property
    def count(self) -> int | None:
        """How many lines the gaps say are missing; ``None``: they cannot say."""
        counts = [gap["count"] for gap in self.gaps]
        return None if None in counts else sum(counts)

    @property
    def at_least(self) -> int:
        """How many lines the gaps say are missing for certain."""
        return sum(gap["at_least"] for gap in self.gaps)

    @property
    def distinct(self) -> int:
        """The same, where who went on inside a gap was told the rest of it again."""
        found, last, until = 0, 0, 0
        for gap in sorted(self.gaps, key=lambda gap: gap["after"]):
            is_again = gap["after"] < until
            most = max(last, gap["at_least"]) if is_again else gap["at_least"]
            found += most - last if is_again else most
            last, until = most, max(until, gap["until"])
        return found


@dataclass(slots=True)
class _Place:
    """How far a reader is in a stream."""

    expected: int = 0
    """Number after the last line that it was given."""
    seq: int = 0
    until: int = 0
    """Greatest id that a gap of the channel has covered."""
    part: int = -1
    """Number of the last line of which it was given the beginning; -1: of none."""
    rewinds: int = 0
    """How often it was given lines anew after nobody knew any more how far they were read."""
    unreadable: list[range] = field(default_factory=list)
    """What it may have asked for while that could not be read."""
    gaps: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """Gaps since the last line, by their ends: one without a count may be told again."""


class Judge:
    """
    Judges one reader.

    Args:
        reader: its name.
        record: what was written.
        streams: that it reads.
        is_filtered: whether it asks for the needle only.
        fading: streams whose lines leave in time, so that who falls behind misses some.
        is_late: whether it begins when nobody can count any more what of these has gone.
        restarts: whether the relay does, which forgets then how much of these had gone.
    """

    def __init__(
        self,
        reader: str,
        record: Record,
        streams: Iterable[str],
        *,
        is_filtered: bool = False,
        fading: Collection[str] = (),
        is_late: bool = False,
        restarts: bool = False,
    ) -> None:
        self.reader = reader
        self.failures: list[Failure] = []
        self.holes: list[Hole] = []
        """All that were declared and judged."""
        self.lines = 0
        """How many it was given."""
        self._record = record
        self._step = NEEDLE_EVERY if is_filtered else 1
        self._fading = frozenset(fading)
        self._is_late = is_late
        self._restarts = restarts
        self._places = {name: _Place() for name in streams}
        self._open: list[Hole] = []
        self._parts: list[tuple[str, int]] = []
        self._last_id = 0

    def excuse(self, starts: Mapping[str, int], counts: Mapping[str, int]) -> None:
        """Note that what it had not been given yet of some streams could not be read then."""
        for name, start in starts.items():
            self._places[name].unreadable.append(range(start, counts[name]))

    def expected(self) -> dict[str, int]:
        """Return the number that it expects next in each stream."""
        return {name: place.expected for name, place in self._places.items()}

    def take(self, given: Mapping[str, Any]) -> None:
        """Judge one object, as it came over the wire."""
        if given["type"] == "log":
            self._take_line(given)
        elif given["type"] == "gap":
            self._take_gap(given)

    def _take_gap(self, gap: Mapping[str, Any]) -> None:
        place = self._places.get(gap["channel"])
        if place is None:
            return
        until, count = gap["until"], gap["count"]
        if gap["after"] >= until:
            self._fail("gap", gap["channel"], place.expected, 0, f"its range is empty: {gap}")
        if count is not None and (count <= 0 or gap["at_least"] != count):
            self._fail("gap", gap["channel"], place.expected, 0, f"its count is wrong: {gap}")
        if any(_is_inside(gap, one) for one in place.gaps.values()):
            # Who resumes inside a loss that was told as a whole is told the rest again.
            return
        if until <= place.until and (count is not None or until not in place.gaps):
            self._fail("gap", gap["channel"], place.expected, 0, f"told twice: {gap}")
        place.until = max(place.until, until)
        if count is None:
            # A reader that resumes inside it is told the rest again, and what came since.
            gaps = place.gaps.items()
            place.gaps = {end: one for end, one in gaps if one["after"] < gap["after"]}
        place.gaps[until] = gap

    def _take_line(self, log: Mapping[str, Any]) -> None:
        name, message = log["channel"], log["message"]
        place = self._places[name]
        number = _number(name, message)
        if "part" in log and self._take_part(log, place, number):
            return
        if number is None or message != line(name, number) or "part" in log:
            self._fail("altered", name, place.expected, 0, f"got {message!r}")
            return
        self.lines += 1
        self._check_order(log, place, number)
        stream = self._record.streams[name]
        if self._is_repeated(stream, place, number):
            return
        if not stream.agrees(number, log["id"]):
            detail = f"expected id {stream.ids[number]}, which others were told, got {log['id']}"
            self._fail("renumbered", name, number, 0, detail)
        if place.gaps:
            self._close_hole(stream, place, number)
        elif number != self._next(place.expected):
            self._check_lost(stream, place.expected, number)
        place.expected, place.seq = number + 1, log["seq"]
        stream.seen = max(stream.seen, place.expected)

    def _take_part(self, log: Mapping[str, Any], place: _Place, number: int | None) -> bool:
        """Take the beginning of a line whose rest is lost; tell whether it is one."""
        name = log["channel"]
        is_other = number is None and bool(place.gaps)
        number = place.expected if number is None else number
        whole = line(name, number)
        if log["message"] == whole or not whole.startswith(log["message"]):
            return False
        self._check_order(log, place, number)
        place.seq = log["seq"]
        # Behind a loss a beginning without a number may be of any later line.
        if is_other or not self._is_repeated(self._record.streams[name], place, number):
            place.part = number
            self._parts.append((name, number))
        return True

    def _is_repeated(self, stream: Stream, place: _Place, number: int) -> bool:
        """Note, and tell, whether a line was given before, be it in part, and not all is anew."""
        if number >= place.expected and number != place.part:
            return False
        if self._is_anew(stream, place):
            place.expected, place.part, place.gaps = number, -1, {}
            place.rewinds += 1
            return False
        is_part = number >= place.expected
        expected = "what comes after its beginning" if is_part else str(place.expected)
        self._fail("repeated", stream.name, number, 1, f"expected {expected}, got {number}")
        return True

    def _check_order(self, log: Mapping[str, Any], place: _Place, number: int) -> None:
        name, id_, seq = log["channel"], log["id"], log["seq"]
        if id_ <= self._last_id or id_ <= place.until:
            detail = f"expected an id after {max(self._last_id, place.until)}, got {id_}"
            self._fail("order", name, number, 0, detail)
        self._last_id = max(id_, self._last_id)
        may_jump = bool(place.gaps) or self._step > 1
        if seq <= place.seq or (seq > place.seq + 1 and not may_jump):
            self._fail("order", name, number, 0, f"expected seq {place.seq + 1}, got {seq}")

    def _is_anew(self, stream: Stream, place: _Place) -> bool:
        """Tell whether what came before the relay may come again, and this was said."""
        uncounted = any(gap["count"] is None for gap in place.gaps.values())
        return uncounted and place.rewinds < stream.rewinds

    def _next(self, number: int) -> int:
        """Return the first number from ``number`` on that is asked for."""
        return -(-number // self._step) * self._step

    def _check_lost(self, stream: Stream, first: int, until: int) -> None:
        """Judge what is missing without a gap: a line may be missing that was never written."""
        unsure = stream.may_lack()
        if stream.damage_in(first, until):
            unsure = unsure | stream.uncounted(first, until)
        missing = [n for n in range(self._next(first), until, self._step) if n not in unsure]
        if missing:
            detail = f"{missing[0]} to {missing[-1]}, without a gap"
            self._fail("lost", stream.name, until, len(missing), detail)

    def _close_hole(self, stream: Stream, place: _Place, until: int) -> None:
        first, gaps = place.expected, list(place.gaps.values())
        missing = len(range(self._next(first), until, self._step))
        self._open.append(Hole(stream.name, first, until, gaps, missing))
        place.gaps = {}

    def settle(self) -> None:
        """Judge the gaps: everything that may be missing up to here is in the record."""
        for hole in self._open:
            if detail := self._wrong(hole):
                self._fail("gap", hole.stream, hole.until, self._undeclared(hole), detail)
            self.holes.append(hole)
        self._open = []
        for name, number in self._parts:
            if number not in self._record.streams[name].uncounted(number, number + 1):
                self._fail("altered", name, number, 0, "a part of a line that cannot be lost")
        self._parts = []

    def _undeclared(self, hole: Hole) -> int:
        """Return how many lines are missing beyond what the gaps say."""
        if hole.count is None or self._step > 1:
            return 0
        return max(0, hole.until - hole.first - hole.count)

    def _wrong(self, hole: Hole) -> str | None:
        """Return what is wrong with a hole; ``None``: nothing."""
        stream = self._record.streams[hole.stream]
        if self._is_late and hole.first == 0 and hole.stream in self._fading:
            return None
        for gap in hole.gaps:
            if detail := self._forbidden(stream, hole, gap):
                return detail
        if hole.count is None:
            return self._wrong_uncounted(stream, hole)
        return self._miscounted(stream, hole, hole.count)

    def _forbidden(self, stream: Stream, hole: Hole, gap: Mapping[str, Any]) -> str | None:
        """Return why there may be no such gap there."""
        reason, is_counted = gap["reason"], gap["count"] is not None
        allowed = stream.allowed(hole.first, hole.until)
        if not is_counted:
            # One that covers others has the reason of one of them. Who comes back into the midst
            # of a segment that has come to harm cannot be told how much of it is behind him.
            if any(not one.is_counted for one in allowed):
                return None
            if stream.damage_in(hole.first, hole.until) or self._is_excused(stream, hole):
                return None
            return f"a gap without a count, where every line can be counted: {gap}"
        if reason == "evicted" and stream.name in self._fading:
            return None
        if any(one.reason == reason for one in allowed):
            return None
        if reason == "storage" and self._was_unreadable(hole):
            return None
        return f"a gap of a reason that nothing gives: {gap}"

    def _is_excused(self, stream: Stream, hole: Hole) -> bool:
        """Tell whether nobody may be able to count this reader's hole."""
        if self._restarts and stream.name in self._fading:
            return True
        unreadable = self._places[stream.name].unreadable
        return any(one.start <= hole.until and hole.first <= one.stop for one in unreadable)

    def _was_unreadable(self, hole: Hole) -> bool:
        """Tell whether this reader may have asked for all of it while the disk was no use."""
        unreadable = self._places[hole.stream].unreadable
        return any(one.start <= hole.first and hole.until <= one.stop for one in unreadable)

    def _miscounted(self, stream: Stream, hole: Hole, count: int) -> str | None:
        most = hole.until - hole.first
        excused = stream.may_lack()
        if any(gap["reason"] == "storage" for gap in hole.gaps):
            # A gap that could not count what it declared may have been lost with the rest.
            excused |= stream.uncounted(hole.first, hole.until)
        unsure = sum(hole.first <= n < hole.until for n in excused)
        missed = range(self._next(hole.first), hole.until, self._step)
        if self._step == 1:
            least = most - unsure
        elif not missed:
            least = 0
        else:
            least = missed[-1] - missed[0] + 1 if len(hole.gaps) == 1 else len(missed)
        if least <= count <= most:
            return None
        return f"expected a count from {least} to {most}, got {count}: {list(hole.gaps)}"

    def _wrong_uncounted(self, stream: Stream, hole: Hole) -> str | None:
        """Judge a hole that cannot be counted: what cannot be counted is known to the record."""
        missing = set(range(self._next(hole.first), hole.until, self._step))
        certain = missing - stream.may_lack() - stream.uncounted(hole.first, hole.until)
        for one in [*[one for one, _ in stream.damaged], *self._places[stream.name].unreadable]:
            certain.difference_update(one)
        if self._restarts and stream.name in self._fading:
            certain = set()
        # What was read anew has been stored more than once.
        most = (hole.until - hole.first) if not stream.rewinds else hole.at_least
        if len(certain) <= hole.distinct <= most:
            return None
        first = min(certain, default=hole.first)
        return (
            f"expected at_least from {len(certain)} (from {first} on) to "
            f"{hole.until - hole.first}, got {hole.distinct}: {list(hole.gaps)}"
        )

    def is_past(self, counts: Mapping[str, int]) -> bool:
        """Tell whether it was given, or told of, all lines before these numbers."""
        return not self.behind(counts)

    def behind(self, counts: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """Return for each stream in which it has not got so far what it expects, and how far."""
        found = {}
        for name, place in self._places.items():
            last = (counts[name] - 1) // self._step * self._step
            if last >= place.expected:
                found[name] = (place.expected, last)
        return found

    def finish(self, counts: Mapping[str, int]) -> None:
        """Judge the end: what is missing at the end of a stream is lost unless a gap says so."""
        for name, count in counts.items():
            if (place := self._places.get(name)) is None:
                continue
            stream = self._record.streams[name]
            if place.gaps:
                self._close_hole(stream, place, count)
            else:
                self._check_lost(stream, place.expected, count)
            place.expected = count
        self.settle()

    def fail_behind(self, counts: Mapping[str, int]) -> None:
        """Note that it does not get on."""
        for name, (expected, last) in self.behind(counts).items():
            detail = f"{expected} to {last} do not come"
            self._fail("behind", name, expected, last + 1 - expected, detail)

    def _fail(self, what: str, stream: str, number: int, lines: int, detail: str) -> None:
        kind = self._record.streams[stream].kind_at(number)
        self.failures.append(Failure(what, self.reader, stream, number, lines, kind, detail))


def _is_inside(gap: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    """Tell whether a gap is a part of one whose id is the cursor before it, not its end."""
    return bool(
        whole.get("id", whole["until"]) < whole["until"]
        and whole["after"] <= gap["after"]
        and gap["until"] <= whole["until"]
    )


def _number(stream: str, message: str) -> int | None:
    digits = message[len(stream) + 1 : len(stream) + 9]
    return int(digits) if digits.isdecimal() and len(digits) == 8 else None
