"""All rows, in the order of the table."""

from bench.row import Row
from bench.rows import (
    fanout,
    file,
    filters,
    flood,
    idle,
    latency,
    pipes,
    refining,
    rest,
    ring,
    start,
    store,
    stored,
)

__all__ = ["ROWS"]

ROWS: tuple[Row, ...] = (
    file.ROW,
    pipes.FROM_STDIN,
    pipes.FROM_PROCESS,
    fanout.ROW,
    fanout.FRAMES,
    fanout.ARRAYS,
    filters.ROW,
    latency.ONE,
    latency.HUNDRED,
    flood.QUIET,
    ring.BULK,
    ring.SINGLE,
    idle.SSE,
    idle.WEBSOCKET,
    rest.ROW,
    refining.DETECTION,
    refining.REDACTION,
    start.ROW,
    start.VERSION,
    store.FILE,
    store.FLOOR_FILE,
    store.ARCHIVED_FILE,
    fanout.STORED,
    store.LATENCY,
    flood.STORED,
    stored.PAGE,
    stored.START,
    stored.MEMORY,
)
