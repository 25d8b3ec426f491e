"""
What groups do to runs in the index: the same as :class:`~relay.hub.Hub` does in memory.

Rule of this file: runs stand in the index; those that are in use are kept here too, so that a
group that adds lines to a run need not ask for it.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from relay.entry import Gap, Origin
from relay.run import Counted, Ending, Run, Start
from relay.span import Span
from relay.store import index
from relay.store.segment import Record

__all__ = ["Runs"]

MAX_KNOWN = 1024
"""Runs that are kept here; the one that was longest not touched leaves first."""


class Runs:
    """The runs of an index; used inside its transactions."""

    def __init__(self) -> None:
        self._known: dict[str, Run] = {}

    def clear(self) -> None:
        """Keep none here: the index was changed by somebody else, or back."""
        self._known.clear()

    def replace(self, connection: sqlite3.Connection, runs: Sequence[Run]) -> None:
        """Let these be all runs."""
        self.clear()
        index.delete_runs(connection)
        index.put_runs(connection, runs)

    def forget(self, connection: sqlite3.Connection, pairs: Sequence[tuple[str, str]]) -> None:
        """Let go of runs in channels, given as pairs."""
        index.forget_runs(connection, pairs)
        for name, channel in pairs:
            if run := self._known.get(name):
                run.last_ids.pop(channel, None)
                if not run.last_ids:
                    del self._known[name]

    def change(
        self,
        connection: sqlite3.Connection,
        records: Sequence[Record],
        last_id: int,
    ) -> None:
        """
        Do to runs what a group says of them.

        Args:
            connection: inside a transaction.
            records: in the order of ids.
            last_id: the greatest id before them.
        """
        names = dict.fromkeys(name for record in records for name in _runs_of(record))
        if not names:
            return
        runs = self._load(connection, names)
        for record in records:
            if isinstance(record, Start):
                _start(runs, record, last_id)
                continue
            if isinstance(record, Counted):
                _count(runs, record)
                continue
            if isinstance(record, Ending):
                _end(runs, record)
            elif isinstance(record, Span):
                _enter(runs, record)
            last_id = record.until if isinstance(record, Gap) else record.last_id
        index.put_runs(connection, list(runs.values()))
        self._keep(runs)

    def _load(self, connection: sqlite3.Connection, names: Iterable[str]) -> dict[str, Run]:
        found = {name: self._known[name] for name in names if name in self._known}
        unknown = [name for name in names if name not in found]
        if unknown:
            found |= {run.id: run for run in index.runs(connection, unknown)}
        return found

    def _keep(self, runs: dict[str, Run]) -> None:
        for name, run in runs.items():
            self._known.pop(name, None)
            self._known[name] = run
        while len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]


def _runs_of(record: Record) -> Iterable[str]:
    if isinstance(record, Start | Counted):
        return (record.change.run,)
    if isinstance(record, Ending):
        return (record.run,)
    if isinstance(record, Span):
        return [origin.run for origin in record.block.origins if origin.run is not None]
    return ()


def _enter(runs: dict[str, Run], span: Span) -> None:
    block = span.block
    for number, origin in enumerate(block.origins):
        if origin.run is None:
            continue
        lines = span.stop - span.start
        if block.origin_index is not None:
            lines = block.origin_index.count(number, span.start, span.stop)
        _lines(runs, origin, origin.run, lines, span)


def _lines(runs: dict[str, Run], origin: Origin, name: str, lines: int, span: Span) -> None:
    run = runs.get(name)
    if run is None:
        run = runs[name] = Run(name, origin.source, span.block.arrival_ns, origin.instance)
    run.lines += lines
    run.last_ids[span.block.channel] = span.last_id


def _start(runs: dict[str, Run], start: Start, last_id: int) -> None:
    change = start.change
    run = runs.get(change.run)
    if run is None:
        run = Run(change.run, start.source, change.started_ns, change.instance, change.pid)
        runs[change.run] = run
    elif run.ending_id is not None:
        run.ending_id = run.ended_ns = run.exit_code = run.signal = None
        run.status = "running"
        if change.anew:
            run.offset, run.offset_bytes = 0, 0
    run.last_ids.setdefault(start.channel, last_id)


def _count(runs: dict[str, Run], counted: Counted) -> None:
    run = runs.get(counted.change.run)
    if run is not None:
        run.offset, run.offset_bytes = counted.change.offset, counted.change.offset_bytes


def _end(runs: dict[str, Run], ending: Ending) -> None:
    run = runs.get(ending.run)
    if run is None:
        run = runs[ending.run] = Run(ending.run, "", ending.timestamp_ns)
    run.last_ids.setdefault(ending.channel, ending.id)
    run.ended_ns, run.ending_id = ending.timestamp_ns, ending.id
    run.status, run.exit_code, run.signal = ending.status, ending.exit_code, ending.signal
