"""
The index: an SQLite database of channels, segments, positions and runs.

Rules of this package: all SQL of the store stands here, a module for each table or two, and
nothing else does. What a commit puts into a table is one step, since each gives up the
interpreter lock and must win it back (of ``executemany`` every row is a step). What the index
says is true; files follow it.
"""

from relay.store.index.channel_table import channels, delete_channel, put_channels, trim_forgotten
from relay.store.index.connection import Checkpoint, checkpoint, connect, copy, transaction
from relay.store.index.meta import delete_values, put_values, values
from relay.store.index.position_tables import forget_keys, next_number, positions, put_positions
from relay.store.index.rows import (
    NO_NEWEST_NS,
    NO_OLDEST_NS,
    ChannelRow,
    OpenSegment,
    SegmentRow,
    path_of,
)
from relay.store.index.run_tables import delete_runs, forget_runs, put_runs, runs
from relay.store.index.schema import VERSION, check, create, is_foreign, version
from relay.store.index.segment_table import (
    add_segments,
    delete_removals,
    delete_segments,
    extent,
    first_segments,
    mark_compressed,
    oldest_segments,
    put_removals,
    removals,
    sealed_sums,
    segments_after,
    segments_before,
    uncompressed_segments,
    written,
)
from relay.store.index.single import add_single, put_single

__all__ = [
    "NO_NEWEST_NS",
    "NO_OLDEST_NS",
    "VERSION",
    "ChannelRow",
    "Checkpoint",
    "OpenSegment",
    "SegmentRow",
    "add_segments",
    "add_single",
    "channels",
    "check",
    "checkpoint",
    "connect",
    "copy",
    "create",
    "delete_channel",
    "delete_removals",
    "delete_runs",
    "delete_segments",
    "delete_values",
    "extent",
    "first_segments",
    "forget_keys",
    "forget_runs",
    "is_foreign",
    "mark_compressed",
    "next_number",
    "oldest_segments",
    "path_of",
    "positions",
    "put_channels",
    "put_positions",
    "put_removals",
    "put_runs",
    "put_single",
    "put_values",
    "removals",
    "runs",
    "sealed_sums",
    "segments_after",
    "segments_before",
    "transaction",
    "trim_forgotten",
    "uncompressed_segments",
    "values",
    "version",
    "written",
]
