"""
Runs, each with its channels.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from relay.run import Run
from relay.store.index.connection import put

__all__ = ["delete_runs", "forget_runs", "put_runs", "runs"]


def runs(connection: sqlite3.Connection, names: Iterable[str] | None = None) -> list[Run]:
    """Return runs with their channels; ``None``: all of them."""
    where = ""
    chosen: tuple[str, ...] = ()
    if names is not None:
        where = "WHERE {} IN (SELECT value FROM json_each(?))"
        chosen = (json.dumps(list(names)),)
    found: dict[str, Run] = {}
    for row in connection.execute(f"SELECT * FROM runs {where.format('id')}", chosen):
        run = found[row[0]] = Run(*row[:11])
        run.offset, run.offset_bytes = row[11:]
    rows = connection.execute(f"SELECT * FROM run_channels {where.format('run')}", chosen)
    for name, channel, last_id in rows:
        if name in found:
            found[name].last_ids[channel] = last_id
    return list(found.values())


def put_runs(connection: sqlite3.Connection, new: Sequence[Run]) -> None:
    """Add runs with their channels, or replace them."""
    put(connection, "runs", [_values_of_run(run) for run in new])
    places = [(run.id, name, last_id) for run in new for name, last_id in run.last_ids.items()]
    put(connection, "run_channels", places)


def _values_of_run(run: Run) -> tuple[object, ...]:
    return (
        run.id,
        run.source,
        run.started_ns,
        run.instance,
        run.pid,
        run.ended_ns,
        run.status,
        run.exit_code,
        run.signal,
        run.ending_id,
        run.lines,
        run.offset,
        run.offset_bytes,
    )


def forget_runs(connection: sqlite3.Connection, pairs: Sequence[tuple[str, str]]) -> None:
    """Let go of runs in channels, given as pairs; of all of a run where that was its last."""
    connection.executemany("DELETE FROM run_channels WHERE run = ? AND channel = ?", pairs)
    connection.executemany(
        "DELETE FROM runs WHERE id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM run_channels WHERE run = ?1)",
        [(run,) for run, _ in pairs],
    )


def delete_runs(connection: sqlite3.Connection) -> None:
    """Let go of all runs."""
    connection.execute("DELETE FROM runs")
    connection.execute("DELETE FROM run_channels")
