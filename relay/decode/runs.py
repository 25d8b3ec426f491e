r"""
Lines that name their run themselves, and channels that are named after what lines say.

A line belongs to the run that it names. One in which the pattern does not occur keeps the run
that its source gave it, or has none: it does *not* go on the run of the line before, which may
be another writer's.

In a channel's template the pattern's groups may stand. A line in which the pattern, or a group
that the template names, does not occur goes to a fallback channel, and so does what is said of
no line, such as the first position of a file.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace

from relay.block import MAX_ORIGINS
from relay.decode.captures import Captures, Match
from relay.entry import Batch, Origin
from relay.lines import Lines
from relay.names import channel_name, is_run_id

__all__ = ["Runs", "picked"]

EXAMPLE = r"job=(?P<run>\S+)"

_WORD = re.compile(r"\{(\w+)\}")


class Runs:
    """
    Give lines the runs and channels that they name.

    Args:
        pattern: with a group ``run``.

    Raises:
        ValueError: what was expected, as a noun phrase.
    """

    def __init__(self, pattern: str) -> None:
        self._captures = Captures(pattern, "run", EXAMPLE)
        self.groups = frozenset(self._captures.groups)
        """What a channel's template may name."""

    def assign(self, batch: Batch, fallback: str) -> list[Batch]:
        """
        Return a batch's lines by the channels that they name.

        Args:
            batch: its channel may be a template.
            fallback: channel of lines that name none.

        Returns:
            A batch for each channel, in the order of their first lines, or several where there
            are many runs; what stands after the batch's last line stands after the last's.
        """
        words = [word for word in _WORD.findall(batch.channel) if word in self.groups]
        if not batch.lines.count:
            return [replace(batch, channel=fallback)] if words else [batch]
        lanes = _Lanes(batch)
        channels = [fallback if words else batch.channel] * batch.lines.count
        group = self._captures.groups["run"]
        for index, match in self._captures.find(batch.lines):
            run = match[group]
            if run:
                lanes.enter(index, run.decode())
            if words:
                channels[index] = self._channel(batch.channel, words, match) or fallback
        return _ended_by(batch, list(lanes.batches(channels)))

    def _channel(self, template: str, words: Sequence[str], match: Match) -> str | None:
        values: dict[str, bytes | None] = {
            word: match[self._captures.groups[word]] for word in words
        }
        texts = {f"{{{word}}}": value.decode() for word, value in values.items() if value}
        if len(texts) < len(values):
            return None
        return channel_name(_WORD.sub(lambda word: texts.get(word[0], word[0]), template))


class _Lanes:
    """The origin of each line of a batch, as runs are given to them."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._places: dict[Origin, int] = {}
        index = batch.origin_index or bytes(batch.lines.count)
        places = [self._place(origin) for origin in batch.origins]
        self._index = [places[place] for place in index]
        self._entered: dict[tuple[int, str], int] = {}

    def _place(self, origin: Origin) -> int:
        return self._places.setdefault(origin, len(self._places))

    def enter(self, line: int, name: str) -> None:
        """Let a line be of a run."""
        old = self._index[line]
        new = self._entered.get((old, name))
        if new is None:
            run = name if is_run_id(name) else channel_name(name)
            origin = replace(list(self._places)[old], run=run)
            new = self._entered[old, name] = self._place(origin)
        self._index[line] = new

    def batches(self, channels: Sequence[str]) -> Iterator[Batch]:
        """Give the batch's lines by channel, with at most 256 origins each."""
        origins = list(self._places)
        by_channel: dict[str, list[int]] = {}
        for line, channel in enumerate(channels):
            by_channel.setdefault(channel, []).append(line)
        for channel, chosen in by_channel.items():
            start = 0
            while start < len(chosen):
                table: dict[int, int] = {}
                stop = self._fill(table, chosen, start)
                lines = chosen[start:stop]
                yield replace(
                    picked(self._batch, lines),
                    channel=channel,
                    origins=tuple(origins[place] for place in table),
                    origin_index=bytes([table[self._index[line]] for line in lines])
                    if len(table) > 1
                    else None,
                )
                start = stop

    def _fill(self, table: dict[int, int], chosen: Sequence[int], start: int) -> int:
        """Number the origins of lines from ``start`` on; return where there are too many."""
        for number in range(start, len(chosen)):
            place = self._index[chosen[number]]
            if place not in table:
                if len(table) == MAX_ORIGINS:
                    return number
                table[place] = len(table)
        return len(chosen)


def _ended_by(batch: Batch, pieces: list[Batch]) -> list[Batch]:
    """Let what stands after a batch's last line stand after the last piece's."""
    return [
        *pieces[:-1],
        replace(pieces[-1], position=batch.position, runs=batch.runs, loss=batch.loss),
    ]


def picked(batch: Batch, chosen: Sequence[int]) -> Batch:
    """
    Return a batch of some of a batch's lines, with nothing said after them.

    Args:
        batch: with lines.
        chosen: their indexes, ascending, at least one.
    """
    only = replace(batch, position=None, runs=(), loss=None)
    if len(chosen) == batch.lines.count:
        return only
    index, levels, stamps = batch.origin_index, batch.levels, batch.timestamps
    places = {line: place for place, line in enumerate(chosen)} if batch.parts else {}
    return replace(
        only,
        lines=_picked(batch.lines, chosen),
        origin_index=None if index is None else bytes([index[line] for line in chosen]),
        timestamps=None if stamps is None else array("q", [stamps[line] for line in chosen]),
        parts=frozenset(places[part] for part in batch.parts if part in places),
        levels=None if levels is None else bytes([levels[line] for line in chosen]),
        fields=None if batch.fields is None else _picked(batch.fields, chosen),
    )


def _picked(lines: Lines, chosen: Sequence[int]) -> Lines:
    if chosen[-1] - chosen[0] + 1 == len(chosen):
        return lines.slice(chosen[0], chosen[-1] + 1)
    entries = lines.split()
    return Lines.of([entries[line] for line in chosen])
