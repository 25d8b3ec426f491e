"""What is done for the store besides its commits."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from relay.entry import Gap, Reason
from relay.store import index, plan, upkeep
from relay.store.compression import compress, read_text
from relay.store.retention import Keeping
from tests.building import batch
from tests.kept import Kept
from tests.small_disk import fill, remount

T = TypeVar("T")

TIMEOUT_SECONDS = 20.0
COMMIT_SECONDS = 1.0


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is a segment of its own, and nothing is waited for."""
    monkeypatch.setattr(plan, "SEGMENT_BYTES", 1)
    monkeypatch.setattr(upkeep, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(upkeep, "SEAL_SECONDS", 0.02)


@asynccontextmanager
async def looked_after(kept: Kept) -> AsyncIterator[None]:
    """Look after a store while the context lasts."""
    task = asyncio.create_task(kept.durable.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is to happen."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def files(directory: Path) -> list[Path]:
    """Return the files of segments, oldest first."""
    return sorted(directory.glob("channels/web/*/*"))


def names(directory: Path) -> list[str]:
    """Return how they end."""
    return [file.name.partition(".")[2] for file in files(directory)]


async def test_what_is_archived_is_compressed(tmp_path: Path) -> None:
    """What an earlier life has sealed, and what is sealed now."""
    kept = Kept.begin(tmp_path)
    await kept.publish("a b")
    await kept.close()
    assert names(tmp_path) == ["ndjson"] * 2
    kept = Kept.begin(tmp_path)
    async with looked_after(kept):
        await until(lambda: names(tmp_path) == ["ndjson.zst"] * 2)
        await kept.publish("c d")
        await until(lambda: names(tmp_path) == ["ndjson.zst"] * 4)
        await until(lambda: kept.status.segments == 4)
        assert await kept.lines() == list("abcd")
    await kept.close()


async def test_of_what_is_not_archived_the_ring_is_kept(tmp_path: Path) -> None:
    """It stays plain; to readers the rest has been evicted."""
    kept = Kept.begin(tmp_path, archive=False)
    await kept.publish("a b c d e")
    async with looked_after(kept):
        await until(lambda: names(tmp_path) == ["ndjson"] * 2)
        gap, *lines = await kept.told()
    assert isinstance(gap, Gap)
    assert (gap.count, gap.reason, lines) == (3, Reason.EVICTED, ["d", "e"])
    await kept.close()


async def test_a_segment_that_cannot_be_compressed_stays_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told; others are compressed."""
    kept = Kept.begin(tmp_path)
    await kept.publish("a b")
    first = files(tmp_path)[0]
    first.with_name(first.name + ".zst.tmp").mkdir()
    async with looked_after(kept):
        await until(lambda: "ndjson.zst" in names(tmp_path))
    assert {one for one in caplog.messages if "stays" in one} == {
        f"store: a segment of web stays as it is: [Errno 21] Is a directory: '{first}.zst.tmp'"
    }
    assert first.exists()
    assert await kept.lines() == ["a", "b"]
    await kept.close()


async def test_what_could_not_be_compressed_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once what was in the way is gone, though nothing else is sealed."""
    monkeypatch.setattr(upkeep, "AGAIN_SECONDS", 0.1)
    kept = Kept.begin(tmp_path)
    await kept.publish("a b")
    first = files(tmp_path)[0]
    in_the_way = first.with_name(first.name + ".zst.tmp")
    in_the_way.mkdir()
    async with looked_after(kept):
        # What is sealed as it begins is tried twice: it is left, and it is new.
        await until(lambda: sum("stays" in one for one in caplog.messages) >= 2)
        in_the_way.rmdir()
        await until(lambda: names(tmp_path) == ["ndjson.zst"] * 2)
    assert await kept.lines() == ["a", "b"]
    await kept.close()


async def test_what_was_compressed_before_a_power_cut_is_taken_for_that(tmp_path: Path) -> None:
    """The disk had the removal of the plain file, and not what the index said of it."""
    directory = tmp_path / "state"
    kept = Kept.begin(directory)
    await kept.publish("a b c d")
    cut = kept.after_a_kill()
    for file in files(cut.directory):
        compress([file.read_bytes()], file.with_name(file.name + ".zst"))
        file.unlink()
    assert await cut.lines() == list("abcd")
    async with looked_after(cut):
        await until(lambda: cut.status.segments == 4)
        await until(lambda: are_compressed(cut.directory))
    assert await cut.lines() == list("abcd")
    await cut.close()
    await kept.close()


def are_compressed(directory: Path) -> bool:
    """Tell whether the index takes all sealed segments for compressed."""
    connection = index.connect(directory / "index.db", readonly=True)
    rows = index.oldest_segments(connection, "web", 9)
    connection.close()
    return all(row.compressed for row in rows)


async def test_quiet_channels_are_sealed_when_their_segment_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a line that would do it."""
    monkeypatch.setattr(plan, "SEGMENT_BYTES", 1 << 20)
    monkeypatch.setattr(plan, "SEGMENT_NS", 1)
    kept = Kept.begin(tmp_path)
    await kept.publish("a")
    async with looked_after(kept):
        await until(lambda: names(tmp_path) == ["ndjson.zst"])
    await kept.close()


async def test_a_directory_that_goes_is_noticed_without_a_line(tmp_path: Path) -> None:
    """And so is one that comes back."""
    kept = Kept.begin(tmp_path / "state")
    async with looked_after(kept):
        (tmp_path / "state").rename(tmp_path / "away")
        (tmp_path / "state").touch()
        await until(lambda: kept.store.is_failing)
        (tmp_path / "state").unlink()
        (tmp_path / "away").rename(tmp_path / "state")
        await until(lambda: not kept.store.is_failing)
    await kept.close()


def release_later(held: int) -> None:
    """Let a test that waits for it fail, and not wait for ever."""
    release = threading.Timer(TIMEOUT_SECONDS, os.close, [held])
    release.daemon = True
    release.start()


def held_by(before: set[threading.Thread]) -> list[threading.Thread]:
    """Return the new threads that Python waits for at its end."""
    return [one for one in threading.enumerate() if one not in before and not one.daemon]


def awaited(pipe: Path) -> int:
    """Wait until somebody reads from a pipe, and let it wait; closing what is given ends it."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


async def pipe_for_a_segment(directory: Path) -> Path:
    """Let the first of four lines lie on a disk that hangs: in a pipe that says nothing."""
    kept = Kept.begin(directory)
    await kept.publish("a b c d")
    await kept.close()
    pipe = files(directory)[0]
    pipe.unlink()
    os.mkfifo(pipe)
    return pipe


def test_compressing_on_a_disk_that_hangs_keeps_nobody_from_ending(tmp_path: Path) -> None:
    """Neither the store nor the process."""

    async def live() -> float:
        pipe = await pipe_for_a_segment(tmp_path)
        kept = Kept.begin(tmp_path)
        async with looked_after(kept):
            release_later(await asyncio.to_thread(awaited, pipe))
            began = time.monotonic()
        await kept.close()
        return began

    before = set(threading.enumerate())
    began = asyncio.run(live())
    assert time.monotonic() - began < 2 * COMMIT_SECONDS
    assert held_by(before) == []


def test_reading_from_a_disk_that_hangs_keeps_nobody_from_ending(tmp_path: Path) -> None:
    """Neither the store nor the process."""

    async def live() -> tuple[Path, float]:
        pipe = await pipe_for_a_segment(tmp_path)
        kept = Kept.begin(tmp_path)
        reading = asyncio.create_task(kept.lines())
        done, _ = await asyncio.wait([reading], timeout=0.2)
        assert not done
        began = time.monotonic()
        reading.cancel()
        await kept.close()
        return pipe, began

    before = set(threading.enumerate())
    pipe, began = asyncio.run(live())
    assert time.monotonic() - began < 2 * COMMIT_SECONDS
    assert held_by(before) == []
    os.close(awaited(pipe))


async def test_what_nobody_foresaw_fails_the_store_and_it_is_looked_after_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Here what is kept of a channel cannot be told, once."""
    kept = Kept.begin(tmp_path)
    await kept.publish("a b")
    keeping, told = kept.durable._keeping, list[str]()

    def forgetful(channel: str) -> Keeping:
        told.append(channel)
        if len(told) == 1:
            raise MemoryError
        return keeping(channel)

    kept.durable._upkeep._keeping = forgetful
    async with looked_after(kept):
        await until(lambda: names(tmp_path) == ["ndjson.zst"] * 2)
        await until(lambda: not kept.store.is_failing)
    assert [one for one in caplog.messages if "failed" in one] == [
        "store: looking after it failed",
        "store: failing: looking after it failed: MemoryError; lines are published without it",
    ]
    assert await kept.lines() == ["a", "b"]
    await kept.close()


async def test_the_room_that_is_left_is_asked_for_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs does not answer."""
    statvfs, asked = os.statvfs, list[str]()

    def noting(path: Path) -> os.statvfs_result:
        asked.append(threading.current_thread().name)
        return statvfs(path)

    kept = Kept.begin(tmp_path)
    monkeypatch.setattr(os, "statvfs", noting)
    async with looked_after(kept):
        await until(lambda: kept.status.free_bytes is not None)
    assert "prune" in asked
    assert threading.main_thread().name not in asked
    await kept.close()


async def test_files_are_removed_beside_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of some megabytes takes milliseconds: those of one that is pruned or compressed."""
    unlink, removers = os.unlink, dict[str, str]()

    def noting(path: Path) -> None:
        removers[path.name] = threading.current_thread().name
        unlink(path)

    monkeypatch.setattr(os, "unlink", noting)
    for number, archive in enumerate((False, True)):
        kept = Kept.begin(tmp_path / str(number), archive=archive)
        await kept.publish("a b c")
        first = files(tmp_path / str(number))[0]
        async with looked_after(kept):
            await until(partial(removers.__contains__, first.name))
        assert removers[first.name] == "remove"
        await kept.close()


async def test_a_disk_that_somebody_else_filled_heals(disk: Path) -> None:
    """What min_free lets go of goes while the store fails, too; to readers it was evicted."""
    kept = Kept.begin(disk / "state", min_free="1MiB", archive=False)
    text = "x" * 100_000
    for _ in range(20):
        await kept.publish(text)
    # Room that the index has already would hide what is to be seen.
    kept.durable._writer._state._checkpoint("TRUNCATE")
    fill(disk)
    await kept.publish(text)
    assert kept.store.is_failing
    async with looked_after(kept):
        await until(lambda: not kept.store.is_failing)
        await until(lambda: (kept.status.free_bytes or 0) >= 1 << 20)
        gap, *lines = await kept.told()
    assert isinstance(gap, Gap)
    assert gap.reason is Reason.EVICTED
    assert gap.count is not None
    assert gap.count + len(lines) == 21
    assert (set(lines), len(files(disk / "state"))) == ({text}, len(lines))
    await kept.close()


async def test_a_store_that_fails_with_room_left_lets_go_of_nothing(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of what goes once it works; and it is not looked at all the time."""
    monkeypatch.setattr(upkeep, "TICK_SECONDS", 0.2)
    kept = Kept.begin(disk / "state", archive=False)
    await kept.publish("a b c d e")
    await kept.close()
    remount(disk, "ro")
    kept = Kept.begin(disk / "state", archive=False)
    assert kept.store.is_failing
    submit, asked = kept.store.submit, list[object]()

    def noting(job: Callable[[], T]) -> "asyncio.Future[T]":
        asked.append(job)
        return submit(job)

    monkeypatch.setattr(kept.store, "submit", noting)
    async with looked_after(kept):
        await asyncio.sleep(1.1)
        assert await kept.told() == list("abcde")
        assert len(asked) < 30
        remount(disk, "rw")
        await until(lambda: len(files(disk / "state")) == 2)
    await kept.close()


async def test_what_was_not_archived_is_for_people_once_it_is(tmp_path: Path) -> None:
    """Lines that were kept as they are become objects when their segment is compressed."""
    kept = Kept.begin(tmp_path, archive=False)
    await kept.hub.publish([batch("web", "a b c d e f g h")])
    await kept.close()
    (file,) = files(tmp_path)
    assert b"\n a\n b\n" in file.read_bytes()
    kept = Kept.begin(tmp_path)
    async with looked_after(kept):
        await until(lambda: names(tmp_path) == ["ndjson.zst"])
        objects = read_text(files(tmp_path)[0]).splitlines()
        assert [json.loads(line)["message"] for line in objects] == list("abcdefgh")
        assert await kept.lines() == list("abcdefgh")
    await kept.close()
