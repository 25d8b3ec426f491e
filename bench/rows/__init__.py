"""All rows, in the order of the table."""

from bench.row import Row
from bench.rows import fanout, file, idle, latency, ring, start, store, stored

__all__ = ["ROWS"]

ROWS: tuple[Row, ...] = (
    file.ROW,
    fanout.ROW,
    latency.ONE,
    latency.HUNDRED,
    ring.ROW,
    idle.ROW,
    start.ROW,
    store.FILE,
    store.ARCHIVED_FILE,
    store.LATENCY,
    stored.PAGE,
    stored.START,
    stored.MEMORY,
)
