"""
What groups do to runs in the index, by the rules of :mod:`relay.runs`.

Rule of this file: runs stand in the index; those that are in use are kept here too, so that a
group that adds lines to a run need not ask for it.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from relay.entry import Gap
from relay.run import Counted, Ending, Run, Start
from relay.runs import count_run, end_run, enter_runs, leave_run, start_run
from relay.span import Span
from relay.store import index
from relay.store.segment import Record

__all__ = ["Runs", "touches_runs"]

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
            leave_run(self._known, name, channel)

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
                start_run(runs, record, last_id)
                continue
            if isinstance(record, Counted):
                count_run(runs, record)
                continue
            if isinstance(record, Ending):
                end_run(runs, record)
            elif isinstance(record, Span):
                enter_runs(runs, record)
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


def touches_runs(records: Iterable[Record]) -> bool:
    """Tell whether records say anything of a run."""
    return any(_runs_of(record) for record in records)


def _runs_of(record: Record) -> Sequence[str]:
    if isinstance(record, Start | Counted):
        return (record.change.run,)
    if isinstance(record, Ending):
        return (record.run,)
    if isinstance(record, Span):
        return [origin.run for origin in record.block.origins if origin.run is not None]
    return ()
