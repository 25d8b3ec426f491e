"""The files of open segments."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from relay.store.files import SegmentFiles, problem_of, remove_files

TIMEOUT_SECONDS = 20.0

NAME = "channels/web/2026-11-21/1000.ndjson"


@pytest.fixture
def files(tmp_path: Path) -> SegmentFiles:
    return SegmentFiles(tmp_path)


def test_what_an_attempt_left_is_written_over(files: SegmentFiles, tmp_path: Path) -> None:
    """Text lies at its place; what stands behind it goes when the file is cut."""
    files.create(NAME)
    files.write(NAME, 0, [b"one\n", b"attempt\n"])
    files.write(NAME, 4, [b"two\n"])
    assert (tmp_path / NAME).read_bytes() == b"one\ntwo\nmpt\n"
    files.cut(NAME, 8)
    assert (tmp_path / NAME).read_bytes() == b"one\ntwo\n"


def test_a_file_that_is_made_is_empty(files: SegmentFiles, tmp_path: Path) -> None:
    """Whatever stood there, and whether it was open."""
    for _ in range(2):
        files.create(NAME)
        assert (tmp_path / NAME).read_bytes() == b""
        files.write(NAME, 0, [b"text\n"])


def test_a_file_is_made_though_its_directories_are_being_removed(
    files: SegmentFiles, tmp_path: Path
) -> None:
    """They are empty, for another thread: what was in them is needed no more."""
    is_over = threading.Event()

    def remove() -> None:
        while not is_over.is_set():
            files.remove([NAME])

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for _ in range(2000):
            files.create("channels/web/2026-11-21/2000.ndjson")
            (tmp_path / "channels/web/2026-11-21/2000.ndjson").unlink()
    finally:
        is_over.set()
        remover.join()


def test_only_files_that_are_there_are_found(files: SegmentFiles, tmp_path: Path) -> None:
    """One that cannot be opened is an error: it is not gone."""
    assert not files.find(NAME)
    with pytest.raises(FileNotFoundError):
        files.write(NAME, 0, [b"text\n"])
    (tmp_path / NAME).mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        files.find(NAME)


def test_a_file_that_was_deleted_is_looked_for_again(files: SegmentFiles, tmp_path: Path) -> None:
    """As long as it is open it can be written to, and nobody would ever read that."""
    files.create(NAME)
    (tmp_path / NAME).unlink()
    assert not files.find(NAME)


def test_files_that_were_deleted_are_closed(files: SegmentFiles, tmp_path: Path) -> None:
    """As long as one is open its disk has no room for others."""
    files.create(NAME)
    opened = len(os.listdir("/proc/self/fd"))
    (tmp_path / NAME).unlink()
    files.close_deleted()
    assert len(os.listdir("/proc/self/fd")) == opened - 1


def test_what_could_not_be_synced_is_synced_next_time(files: SegmentFiles, tmp_path: Path) -> None:
    """It tells whether there was anything."""
    assert not files.sync()
    files.create(NAME)
    files.write(NAME, 0, [b"text\n"])
    web = tmp_path / "channels" / "web"
    web.rename(tmp_path / "away")
    web.touch()
    with pytest.raises(NotADirectoryError):
        files.sync()
    web.unlink()
    (tmp_path / "away").rename(web)
    assert files.sync()
    assert not files.sync()


def test_what_is_written_while_it_is_synced_is_synced_next_time(
    files: SegmentFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who syncs between the beginning and the end of a write has not seen it."""
    files.create(NAME)
    write = os.pwritev

    def synced_first(*arguments: Any) -> int:
        files.sync()
        return write(*arguments)

    monkeypatch.setattr(os, "pwritev", synced_first)
    files.write(NAME, 0, [b"text\n"])
    assert files.sync()
    assert not files.sync()


def test_two_that_sync_wait_for_each_other(
    files: SegmentFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one has taken up is not on the disk before it is done; the other relies on it."""
    files.create(NAME)
    files.write(NAME, 0, [b"text\n"])
    begun, goes_on, done = threading.Event(), threading.Event(), threading.Event()
    sync = os.fdatasync

    def slow(descriptor: int) -> None:
        begun.set()
        assert goes_on.wait(TIMEOUT_SECONDS)
        sync(descriptor)
        done.set()

    monkeypatch.setattr(os, "fdatasync", slow)
    first = threading.Thread(target=files.sync)
    first.start()
    assert begun.wait(TIMEOUT_SECONDS)
    seen: list[bool] = []

    def second() -> None:
        files.sync()
        seen.append(done.is_set())

    other = threading.Thread(target=second)
    other.start()
    other.join(0.1)
    goes_on.set()
    other.join(TIMEOUT_SECONDS)
    first.join(TIMEOUT_SECONDS)
    assert seen == [True]


def test_a_file_that_is_gone_needs_no_sync(files: SegmentFiles, tmp_path: Path) -> None:
    """It was pruned meanwhile."""
    files.create(NAME)
    files.write(NAME, 0, [b"text\n"])
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).parent.rmdir()
    assert files.sync()


def test_files_go_with_what_was_begun_of_them(tmp_path: Path) -> None:
    """And with directories that are left empty; others stay."""
    old, new = "channels/web/2026-11-20/1000.ndjson", "channels/web/2026-11-21/2000.ndjson.zst"
    for name in (old, f"{new}.tmp", "channels/db/2026-11-21/1500.ndjson"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert remove_files(tmp_path, [old]) == [old]
    assert sorted(path.name for path in (tmp_path / "channels" / "web").iterdir()) == [
        "2026-11-21"
    ]
    assert remove_files(tmp_path, [new, "channels/gone/2026-11-21/1.ndjson"]) == [
        new,
        "channels/gone/2026-11-21/1.ndjson",
    ]
    assert os.listdir(tmp_path / "channels") == ["db"]


def test_what_cannot_be_removed_is_not_gone(tmp_path: Path) -> None:
    """It is tried again some time; the others go."""
    stuck, other = "channels/web/2026-11-21/1000.ndjson", "channels/web/2026-11-21/2000.ndjson"
    (tmp_path / stuck).mkdir(parents=True)
    (tmp_path / other).touch()
    assert remove_files(tmp_path, [stuck, other]) == [other]
    assert not (tmp_path / other).exists()


def test_a_problem_is_told_in_the_systems_words() -> None:
    """Without the path, which stands before it."""
    assert problem_of(OSError(28, "No space left on device", "/x")) == "no space left on device"
    assert problem_of(ValueError("Database is locked")) == "database is locked"
