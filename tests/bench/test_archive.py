"""What the benchmark stores without a relay is as a relay would have stored it."""

import time
from pathlib import Path

from bench.archive import CHANNEL, CHANNELS, add_archive, add_segments, forget_cached
from relay.block import Block
from relay.store import index
from relay.store.compression import read_text
from relay.store.parsing import parse


def new_state(folder: Path) -> Path:
    """Return a directory with the index that a relay makes."""
    connection = index.connect(folder / "index.db", create=True)
    index.create(connection)
    connection.close()
    return folder


def test_an_archive_is_what_its_index_says(tmp_path: Path) -> None:
    """Ids, seqs and counts of each segment, and of the channel."""
    state = new_state(tmp_path)
    made = add_archive(state, 16_000_000)
    connection = index.connect(state / "index.db", readonly=True)
    rows = index.segments_after(connection, CHANNEL, 0, 10)
    assert len(rows) == 2
    for row in rows:
        text = read_text(index.path_of(state, row))
        blocks = [item for item in parse(CHANNEL, text) if isinstance(item, Block)]
        assert (len(text), sum(block.count for block in blocks)) == (row.length, row.entries)
        assert (blocks[0].first_seq, blocks[-1].last_seq) == (row.first_seq, row.last_seq)
        assert min(block.oldest_ns for block in blocks) == row.oldest_ns
        assert max(block.newest_ns for block in blocks) == row.newest_ns
        assert blocks[-1].last_id == row.last_id
    (channel,) = index.channels(connection)
    assert (channel.last_id, channel.last_seq) == (rows[1].last_id, made.lines)
    assert (made.first_id, made.last_id) == (rows[0].first_id, rows[1].last_id)
    assert made.last_id < time.time_ns() // 1000
    assert made.stored_bytes == sum(index.path_of(state, row).stat().st_size for row in rows)
    connection.close()
    forget_cached(state)


def test_many_segments_have_a_file_each(tmp_path: Path) -> None:
    """Over as many channels as it says."""
    state = new_state(tmp_path)
    add_segments(state, 3 * CHANNELS)
    connection = index.connect(state / "index.db", readonly=True)
    names = [channel.name for channel in index.channels(connection)]
    assert len(names) == CHANNELS
    rows = [row for name in names for row in index.oldest_segments(connection, name, 10)]
    assert len(rows) == 3 * CHANNELS
    assert all(index.path_of(state, row).exists() for row in rows)
    connection.close()
