"""
What every source's lines go through between source and hub, where it is configured.

The steps, in this order: secrets are replaced, so that nothing later sees them; times, fields
and levels are taken out of the lines; lines get the runs and channels that they name. A step
that is not configured does not exist; with none at all the batches are handed through.

Refining a batch whole gives what refining it line by line gives. What does a step is imported
where it is configured: a start without it need not wait.
"""

import time
from array import array
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from relay.entry import Batch, Origin
from relay.lines import Lines
from relay.names import channel_name
from relay.sources.base import SourceOptions
from relay.sources.options import zone

if TYPE_CHECKING:
    from relay.decode.fields import FieldFinder
    from relay.decode.level_words import LevelWords
    from relay.decode.runs import Runs

__all__ = ["FOLLOW_NS", "Refinery"]

FOLLOW_NS = 5_000_000_000
"""A line without a time has that of the last line before it of the same reader that had one, if
it came within so many nanoseconds of it: the lines of a stack trace."""

MAX_READERS = 10_000

Step = Callable[[Batch, int], Batch]


class Refinery:
    """
    One source's steps; patterns are compiled here.

    Args:
        options: the source's.
        name: the source's: the channel of lines that do not name theirs.
    """

    def __init__(self, options: SourceOptions, name: str) -> None:
        self._steps = _steps(options)
        self._runs = None if options.run_pattern is None else _runs(options.run_pattern)
        self._fallback = channel_name(name)

    def refine(self, batches: list[Batch], now_ns: int | None = None) -> list[Batch]:
        """
        Return batches as they are to be published.

        Args:
            batches: as the source gave them.
            now_ns: when they arrived; ``None``: now.
        """
        if not self._steps and self._runs is None:
            return batches
        arrived_ns = time.time_ns() if now_ns is None else now_ns
        refined = [self._refined(batch, arrived_ns) for batch in batches]
        if self._runs is None:
            return refined
        return [piece for batch in refined for piece in self._runs.assign(batch, self._fallback)]

    def _refined(self, batch: Batch, now_ns: int) -> Batch:
        if batch.lines.count:
            for step in self._steps:
                batch = step(batch, now_ns)
        return batch


def _runs(pattern: str) -> "Runs":
    from relay.decode.runs import Runs

    return Runs(pattern)


def _steps(options: SourceOptions) -> list[Step]:
    steps: list[Step] = []
    if options.redact:
        steps.append(_Redact(options.redact))
    if options.timestamp is not None:
        steps.append(_Time(options.timestamp, options.timezone))
    if options.fields is not None:
        from relay.decode.fields import field_finder

        steps.append(_Fields(field_finder(options.fields)))
    if options.level_pattern is not None:
        from relay.decode.level_words import LevelWords

        steps.append(_Levels(LevelWords(options.level_pattern)))
    return steps


class _Redact:
    def __init__(self, wanted: tuple[str, ...]) -> None:
        from relay.decode.redact import Redactor

        self._redactor = Redactor(wanted)
        self._origins: dict[Origin, Origin] = {}

    def __call__(self, batch: Batch, now_ns: int) -> Batch:
        lines, fields = self._redactor.redact(batch.lines), batch.fields
        if fields is not None:
            fields = self._redactor.redact_fields(fields)
        origins = tuple([self._origin(origin) for origin in batch.origins])
        return replace(batch, lines=lines, fields=fields, origins=origins)

    def _origin(self, origin: Origin) -> Origin:
        """Clean an instance, which a push may say."""
        if origin.instance is None:
            return origin
        cleaned = self._origins.get(origin)
        if cleaned is None:
            if len(self._origins) >= MAX_READERS:
                self._origins.clear()
            instance = self._redactor.redact_text(origin.instance)
            cleaned = self._origins[origin] = replace(origin, instance=instance)
        return cleaned


class _Time:
    def __init__(self, option: str, timezone: str) -> None:
        from relay.decode.timestamps import AUTO, TimeFinder, formatted

        given = None if option == AUTO else formatted(option)
        self._finder = TimeFinder(zone(timezone), given)
        self._last: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def __call__(self, batch: Batch, now_ns: int) -> Batch:
        found = self._finder.find(batch.lines.split(), now_ns)
        own = batch.timestamps
        if own is not None:
            # What the source knows of this line is better than what the line before says.
            pairs = zip(found, own, strict=True)
            stamps = [known if ns is None else ns for ns, known in pairs]
            return replace(batch, timestamps=array("q", stamps))
        return replace(batch, timestamps=self._filled(batch.reader, found, now_ns))

    def _filled(self, reader: str, found: list[int | None], now_ns: int) -> "array[int]":
        """Give lines without a time that of the line before, or their arrival's."""
        last_ns, seen_ns = self._last.pop(reader, (0, -FOLLOW_NS))
        stamp = last_ns if now_ns - seen_ns < FOLLOW_NS else now_ns
        stamps: array[int] = array("q")
        for ns in found:
            if ns is not None:
                stamp = last_ns = ns
                seen_ns = now_ns
            stamps.append(stamp)
        if seen_ns > 0:
            self._last[reader] = (last_ns, seen_ns)
        if len(self._last) > MAX_READERS:
            self._last.popitem(last=False)
        return stamps


class _Fields:
    def __init__(self, finder: "FieldFinder") -> None:
        self._finder = finder

    def __call__(self, batch: Batch, now_ns: int) -> Batch:
        found = self._finder.find(batch.lines)
        if found is None:
            return batch
        if batch.fields is not None:
            # What the source says itself counts more.
            pairs = zip(batch.fields.split(), found.split(), strict=True)
            found = Lines.of([said or seen for said, seen in pairs])
        return replace(batch, fields=found)


class _Levels:
    def __init__(self, words: "LevelWords") -> None:
        self._words = words

    def __call__(self, batch: Batch, now_ns: int) -> Batch:
        return replace(batch, levels=self._words.find(batch.lines, batch.levels))
