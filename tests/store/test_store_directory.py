"""A state directory that goes away under a store, and comes back."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.entry import Gap, Reason
from tests.kept import Kept


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    """One with lines in its store that no ring holds."""
    kept = Kept.begin(tmp_path / "state")
    await kept.publish("a b c d e")
    assert await kept.told() == ["a", "b", "c", "d", "e"]
    yield kept
    await kept.close()


async def test_a_directory_that_was_away_is_read_and_written_again(
    kept: Kept, tmp_path: Path
) -> None:
    """What was published meanwhile is caught up."""
    kept.directory.rename(tmp_path / "away")
    await kept.store.check()
    assert kept.store.is_failing
    await kept.publish("f g")
    (tmp_path / "away").rename(kept.directory)
    await kept.store.check()
    assert not kept.store.is_failing
    await kept.publish("h i j")
    assert await kept.told() == list("abcdefghij")


async def test_a_directory_that_was_removed_is_made_again_and_read(kept: Kept) -> None:
    """Its history is a gap; what comes after is read from the new one."""
    shutil.rmtree(kept.directory)
    await kept.store.check()
    assert kept.status.reason == (
        f"state.directory {kept.directory} is gone: no such file or directory"
    )
    await kept.publish("f g")
    await kept.store.check()
    assert not kept.store.is_failing
    await kept.publish("h i j")
    gap, *lines = await kept.told()
    assert lines == list("fghij")
    assert isinstance(gap, Gap)
    assert (gap.after, gap.count, gap.reason) == (0, 5, Reason.STORAGE)


async def test_what_a_ring_holds_is_not_missing_with_its_segment(kept: Kept) -> None:
    """A segment that was deleted is a gap up to where the ring begins, and no further."""
    (segment,) = (kept.directory / "channels" / "web").glob("*/*.ndjson")
    segment.unlink()
    gap, *lines = await kept.told()
    assert lines == ["d", "e"]
    assert isinstance(gap, Gap)
    assert (gap.after, gap.count, gap.reason) == (0, 3, Reason.STORAGE)
