"""What is written to: the index with its log, the lock, and whether both are still there."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from relay.errors import StoreError
from relay.store import index, state_directory
from relay.store.lock import take_lock
from relay.store.state_directory import Fsync, StateDirectory

SYNCS = 40

PAGE_BYTES = 4096 + 24
"""What a commit adds to the log, at least."""


def opened(path: Path, fsync: Fsync = "1s", loaded: list[str] | None = None) -> StateDirectory:
    """Open a directory that has an index; note in `loaded` the channels of each connection."""
    path.mkdir(exist_ok=True)
    connection = index.connect(path / "index.db", create=True)
    if not index.version(connection):
        index.create(connection)
    connection.close()

    def load(connection: sqlite3.Connection) -> None:
        if loaded is not None:
            loaded.append(" ".join(row.name for row in index.channels(connection)))

    return StateDirectory(path, fsync, take_lock(path), load)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDirectory]:
    """Give the directory of a relay that is at work."""
    made = opened(tmp_path / "state")
    yield made
    made.close()


def put(state: StateDirectory, **values: int) -> None:
    """Change the index."""
    index.put_values(state.connect(), values)
    state.note_commit()


def values_in(path: Path) -> dict[str, int]:
    """Return what an index has to somebody else."""
    connection = index.connect(path, readonly=True)
    values = index.values(connection)
    connection.close()
    return values


def refusal(job: Callable[[], object]) -> str:
    """Return why something cannot be done, without the name of the directory."""
    with pytest.raises(StoreError) as caught:
        job()
    return str(caught.value).partition("/state ")[2]


# The log of the index


def put_without_a_pause(state: StateDirectory) -> tuple[int, int]:
    """Change the index until it was synced some times; return how often, and its log's length."""
    synced = threading.Event()

    def sync() -> None:
        for _ in range(SYNCS):
            time.sleep(0.01)
            state.sync()
        synced.set()

    thread = threading.Thread(target=sync)
    thread.start()
    count = most = 0
    while not synced.is_set():
        count += 1
        put(state, age_ns=count)
        most = max(most, (state.path / "index.db-wal").stat().st_size)
    thread.join()
    return count, most


@pytest.mark.parametrize("fsync", ["1s", "never"])
def test_the_log_begins_anew_though_commits_make_no_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Fsync
) -> None:
    """It grows by what is written between two looks at it, and no further."""
    for name in ("CHECKPOINT_BYTES", "CHECKPOINT_BYTES_UNSYNCED", "MAX_WAL_BYTES"):
        monkeypatch.setattr(state_directory, name, 500_000)
    state = opened(tmp_path / "state", fsync)
    count, most_bytes = put_without_a_pause(state)
    assert most_bytes < count * PAGE_BYTES // 4
    assert values_in(state.index_path) == {"age_ns": count}
    state.close()
