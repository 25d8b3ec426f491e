"""What is done for the store besides its commits."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.entry import Gap, Reason
from relay.store import plan, upkeep
from tests.kept import Kept

TIMEOUT_SECONDS = 20.0


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
