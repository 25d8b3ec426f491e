"""What is written to: the index with its log, the lock, and whether both are still there."""

import os
import shutil
import sqlite3
import stat
import subprocess
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


def test_what_was_synced_is_in_the_database(state: StateDirectory) -> None:
    """The log is put into it now and then, and only where there is something new."""
    put(state, age_ns=1)
    state._checkpointed = 0.0
    state.sync()
    assert values_in_alone(state) == {"age_ns": 1}
    put(state, age_ns=2)
    state.sync()
    assert values_in_alone(state) == {"age_ns": 1}
    state._checkpointed = 0.0
    state.sync()
    assert values_in_alone(state) == {"age_ns": 2}
    state._checkpointed = 0.0
    state.sync()
    assert state._checkpointed == 0.0


def values_in_alone(state: StateDirectory) -> dict[str, int]:
    """Return what the index has without its log."""
    alone = state.path.with_name("alone.db")
    shutil.copyfile(state.index_path, alone)
    return values_in(alone)


@pytest.mark.parametrize(("fsync", "count"), [("1s", 2), ("never", 0)])
def test_segments_and_the_log_are_synced_unless_nothing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Fsync, count: int
) -> None:
    """What has not changed since is not synced again."""
    synced: list[str] = []

    def note(descriptor: int) -> None:
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))

    state = opened(tmp_path / "state", fsync)
    monkeypatch.setattr(os, "fdatasync", note)
    put(state, age_ns=1)
    state.files.create("channels/web/2026-11-21/1000.ndjson")
    state.files.write("channels/web/2026-11-21/1000.ndjson", 0, [b"text\n"])
    state.sync()
    state.sync()
    assert synced == ["1000.ndjson", "index.db-wal"][:count]
    state.close()


def test_what_could_not_be_synced_is_told_and_tried_again(state: StateDirectory) -> None:
    """In the words of the system."""
    put(state, age_ns=1)
    name = "channels/web/2026-11-21/1000.ndjson"
    state.files.create(name)
    state.files.write(name, 0, [b"text\n"])
    web = state.path / "channels" / "web"
    web.rename(state.path / "away")
    web.touch()
    assert refusal(state.sync) == "cannot be synced: not a directory"
    web.unlink()
    (state.path / "away").rename(web)
    state._checkpointed = 0.0
    state.sync()
    assert values_in_alone(state) == {"age_ns": 1}


# Connections


def test_what_the_index_says_is_loaded_with_each_connection(tmp_path: Path) -> None:
    """Another may have changed it while there was none."""
    loaded: list[str] = []
    state = opened(tmp_path / "state", loaded=loaded)
    connection = state.connect()
    assert state.connect() is connection
    index.put_channels(connection, [index.ChannelRow("web", 1, 2, 1)])
    state.disconnect()
    state.connect()
    assert loaded == ["", "web"]
    state.close()


def test_a_directory_is_mended_before_it_is_first_connected_to(tmp_path: Path) -> None:
    """What fails is tried again, and what succeeded is not; its own connection is closed."""
    path = tmp_path / "state"
    opened(path).close()
    tried: list[sqlite3.Connection] = []

    def prepare() -> sqlite3.Connection:
        connection = index.connect(path / "index.db")
        tried.append(connection)
        if len(tried) == 1:
            connection.close()
            raise OSError(28, "No space left on device")
        index.put_channels(connection, [index.ChannelRow("web", 1, 2, 1)])
        return connection

    loaded: list[str] = []

    def load(connection: sqlite3.Connection) -> None:
        loaded.append(" ".join(row.name for row in index.channels(connection)))

    state = StateDirectory(path, "1s", take_lock(path), load, prepare)
    with pytest.raises(OSError, match="No space left"):
        state.connect()
    assert loaded == []
    state.connect()
    state.disconnect()
    state.connect()
    assert loaded == ["web", "web"]
    assert len(tried) == 2
    with pytest.raises(sqlite3.ProgrammingError):
        tried[1].execute("SELECT 1")
    state.close()


# Whether it is still there


def test_what_goes_is_told_in_words(state: StateDirectory) -> None:
    """The directory, its index, or only the log of that."""
    state.connect()
    state.check()
    (state.path / "index.db-wal").rename(state.path / "wal")
    state.look()
    assert refusal(state.check) == "has lost its index.db-wal"
    (state.path / "wal").rename(state.path / "index.db-wal")
    state.check()
    state.index_path.rename(state.path / "other.db")
    assert refusal(state.look) == "is gone: no such file or directory"
    state.index_path.touch()
    assert refusal(state.look) == "is not the one that was opened"
    (state.path / "other.db").rename(state.index_path)
    state.path.rename(state.path.with_name("away"))
    assert refusal(state.check) == "is gone: no such file or directory"


@pytest.mark.parametrize("what", ["directory", "index", "log", "lock too"])
def test_what_was_removed_is_made_again(state: StateDirectory, what: str) -> None:
    """With all that the open connection has; and nobody else gets in."""
    put(state, age_ns=7)
    if what == "directory":
        shutil.rmtree(state.path)
    elif what == "log":
        (state.path / "index.db-wal").unlink()
    else:
        state.index_path.unlink()
    if what == "lock too":
        (state.path / "lock").unlink()
    state.restore()
    state.check()
    assert not state.is_new
    assert values_in_alone(state) == {"age_ns": 7}
    assert stat.S_IMODE(state.path.stat().st_mode) & 0o077 == 0 or what != "directory"
    assert stat.S_IMODE(state.index_path.stat().st_mode) == 0o600
    put(state, age_ns=8)
    assert values_in(state.index_path) == {"age_ns": 8}
    assert refusal(lambda: take_lock(state.path)).startswith("is used by another relay")


def test_what_took_its_place_is_left_alone(state: StateDirectory) -> None:
    """It is somebody else's, also where it was put on another disk."""
    put(state, age_ns=7)
    state.path.rename(state.path.with_name("away"))
    other = opened(state.path)
    put(other, age_ns=8)
    other.close()
    assert refusal(state.restore) == "is not the one that was opened"
    assert values_in(state.index_path) == {"age_ns": 8}
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", state.path], check=True)
    try:
        assert refusal(state.restore) == "is on another disk than before"
        assert os.listdir(state.path) == []
    finally:
        subprocess.run(["umount", "-l", state.path], check=True)


def test_an_index_that_nobody_has_open_is_made_from_what_is_left(tmp_path: Path) -> None:
    """It is a new one until it is taken as it is; without a way to make it it is gone."""
    path = tmp_path / "state"
    opened(path).close()

    def rebuild() -> sqlite3.Connection:
        connection = index.connect(path / "index.db", create=True)
        index.create(connection)
        index.put_values(connection, {"age_ns": 9})
        return connection

    for way in (None, rebuild):
        state = StateDirectory(path, "1s", take_lock(path), lambda connection: None, None, way)
        state.index_path.unlink(missing_ok=True)
        if way is None:
            assert refusal(state.restore) == "is gone: no such file or directory"
            state.close()
            opened(path).close()
    state.restore()
    assert state.is_new
    assert values_in(state.index_path) == {"age_ns": 9}
    state.settle()
    state.check()
    assert not state.is_new
    state.close()


def test_what_is_closed_is_left_alone(tmp_path: Path) -> None:
    """It may be another relay's by now."""
    state = opened(tmp_path / "state")
    put(state, age_ns=7)
    state.close()
    for job in (state.connect, state.sync, state.restore):
        assert refusal(job) == "is closed"
    other = opened(tmp_path / "state")
    assert index.values(other.connect()) == {"age_ns": 7}
    other.close()
