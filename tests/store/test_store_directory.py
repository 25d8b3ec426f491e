"""A state directory that goes away under a store, and comes back."""

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.entry import Batch, Gap, Position, Reason
from relay.errors import StoreError
from relay.status import StoreState
from relay.store.lock import take_lock
from relay.subscription import Delivery
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


async def test_a_directory_that_was_removed_is_given_what_the_rings_hold(kept: Kept) -> None:
    """Whatever was stored of it before: a kill loses no more than a reader was told of."""
    await kept.publish("x", channel="jobs", position="9")
    await kept.publish("o", channel="quiet")
    shutil.rmtree(kept.directory)
    await kept.store.check()
    await kept.publish("f", position="7")
    await kept.store.check()
    assert not kept.store.is_failing
    assert kept.status.behind_lines == 0

    def expect(told: list[str | Delivery], newest: str) -> None:
        assert sorted(one for one in told if isinstance(one, str)) == sorted(newest)
        gaps = [one for one in told if isinstance(one, Gap)]
        assert [(gap.channel, gap.count, gap.reason) for gap in gaps] == [
            ("web", 4, Reason.STORAGE)
        ]

    expect(await kept.told(), "efox")
    again = kept.after_a_kill()
    assert again.durable.stored.news == []
    expect(await again.told(), "efox")
    assert again.durable.stored.positions == {("app", "f"): Position("7")}
    await again.publish("g")
    assert again.hub.channels["web"].last_seq == 7
    expect(await again.told(), "efgox")
    await again.close()


async def test_an_index_that_is_begun_anew_is_given_record_keys(tmp_path: Path) -> None:
    """A source recognises after a kill what it had read before, and since."""
    top, elsewhere = tmp_path / "top", tmp_path / "elsewhere"
    top.mkdir()
    kept = Kept.begin(top / "state")

    async def note(time: int, value: str) -> None:
        at = Position(value, key(time), 2)
        await kept.hub.publish([Batch("app", "web", reader="r", position=at)])

    def key(time: int) -> bytes:
        return time.to_bytes(8) + b"a record"

    async def lose_index(time: int) -> None:
        shutil.rmtree(kept.directory)
        top.rename(elsewhere)
        await kept.store.check()
        await note(time, "lost")
        await kept.store.check()
        elsewhere.rename(top)
        await kept.store.check()
        assert not kept.store.is_failing

    await note(3, "7")
    await note(4, "7")
    await lose_index(5)
    await note(6, "8")
    await lose_index(7)
    again = kept.after_a_kill()
    keys = b"".join([key(time) for time in range(3, 8)])
    assert again.durable.stored.positions == {("app", "r"): Position("lost", keys)}
    await again.close()
    await kept.close()


async def test_a_removal_is_noticed_by_the_next_commit(kept: Kept) -> None:
    """What goes to files that nobody finds any more does not count as stored."""
    kept.directory.rename(kept.directory.with_name("gone"))
    await kept.publish("f")
    assert kept.status.reason == (
        f"state.directory {kept.directory} is gone: no such file or directory"
    )
    shutil.rmtree(kept.directory.with_name("gone"))
    await kept.store.check()
    assert not kept.store.is_failing
    again = kept.after_a_kill()
    assert await again.lines() == ["e", "f"]
    await again.close()


async def test_a_directory_that_is_made_again_is_locked(kept: Kept) -> None:
    """Also while the one that had its name is somewhere else."""
    kept.directory.rename(kept.directory.with_name("away"))
    await kept.store.check()
    await kept.store.check()
    assert not kept.store.is_failing
    with pytest.raises(StoreError) as caught:
        take_lock(kept.directory)
    assert str(caught.value) == (
        f"state.directory {kept.directory} is used by another relay, pid {os.getpid()}"
    )


async def test_catching_up_after_a_removal_is_tried_again(kept: Kept) -> None:
    """A commit that fails leaves nothing that is taken for a segment."""
    await kept.publish("x", channel="jobs")
    shutil.rmtree(kept.directory)
    await kept.store.check()
    assert kept.durable._writer.reopen() is False
    no_room = kept.directory / "channels" / "jobs"
    no_room.parent.mkdir()
    no_room.write_text("no directory")
    await kept.store.check()
    assert kept.status.reason == (
        f"state.directory {kept.directory} cannot be written: file exists"
    )
    no_room.unlink()
    await kept.store.check()
    assert not kept.store.is_failing
    again = kept.after_a_kill()
    assert sorted(await again.lines()) == ["d", "e", "x"]
    await again.close()


async def test_what_a_ring_holds_is_not_missing_with_its_segment(kept: Kept) -> None:
    """A segment that was deleted is a gap up to where the ring begins, and no further."""
    (segment,) = (kept.directory / "channels" / "web").glob("*/*.ndjson")
    segment.unlink()
    gap, *lines = await kept.told()
    assert lines == ["d", "e"]
    assert isinstance(gap, Gap)
    assert (gap.after, gap.count, gap.reason) == (0, 3, Reason.STORAGE)


async def test_a_wal_that_is_removed_is_made_again(kept: Kept) -> None:
    """Nobody else would find what is written to it, nor would the next life."""
    await kept.publish("f", position="6")
    (kept.directory / "index.db-wal").unlink()
    await kept.store.check()
    assert kept.status.reason == f"state.directory {kept.directory} has lost its index.db-wal"
    await kept.publish("g", position="7")
    await kept.store.check()
    assert not kept.store.is_failing
    await kept.publish("h i j", position="8")
    assert await kept.told() == list("abcdefghij")
    again = kept.after_a_kill()
    assert again.durable.stored.news == []
    assert again.durable.stored.positions["app", "f"] == Position("8")
    assert await again.told() == list("abcdefghij")
    await again.close()


async def test_a_segment_that_is_written_again_stays(kept: Kept) -> None:
    """One that was cut is begun anew with what a ring holds, under the name that it had."""
    await kept.publish("f g", channel="api")
    (segment,) = (kept.directory / "channels" / "api").glob("*/*.ndjson")
    os.truncate(segment, 10)
    kept.store.fail("it is tried again")
    await kept.store.check()
    assert not kept.store.is_failing
    written = [*(kept.directory / "channels" / "api").glob("*/*.ndjson")]
    assert written == [segment]
    kept.durable._writer.remove(kept.durable._writer.take_unneeded())
    await kept.publish("h i j", channel="api")
    assert await kept.lines() == list("abcdefghij")


async def test_a_disk_that_comes_back_older_is_caught_up(kept: Kept) -> None:
    """What had not reached it is written again, as far as a ring holds it."""
    path = kept.directory / "index.db"
    other = sqlite3.connect(path)
    before = other.execute("SELECT * FROM channels").fetchall()
    await kept.publish("f g h", position="8")
    kept.store.fail("pulled out")
    other.execute("DELETE FROM channels")
    places = ", ".join("?" * len(before[0]))
    other.executemany(f"INSERT INTO channels VALUES ({places})", before)
    other.execute("DELETE FROM positions")
    other.commit()
    other.close()
    await kept.store.check()
    assert not kept.store.is_failing
    await kept.publish("i j k l")
    told = await kept.told()
    assert [one for one in told if isinstance(one, str)] == list("abcdeghijkl")
    assert [(one.count, one.reason) for one in told if isinstance(one, Gap)] == [
        (1, Reason.STORAGE)
    ]
    await kept.close()
    again = Kept.begin(kept.directory)
    assert await again.lines() == list("abcdeghijkl")
    assert again.durable.stored.positions["app", "f"] == Position("8")
    await again.close()


async def lose_index(kept: Kept) -> None:
    """Remove the directory, and let the writer lose what it has open of it."""
    shutil.rmtree(kept.directory)
    kept.directory.parent.rename(kept.directory.parent.with_name("elsewhere"))
    await kept.store.check()
    await kept.store.check()
    assert kept.durable._writer._state._connection is None
    kept.directory.parent.with_name("elsewhere").rename(kept.directory.parent)


@pytest.fixture
async def orphaned(tmp_path: Path) -> AsyncIterator[Kept]:
    """One of the second life, whose directory and index are lost while it publishes."""
    (tmp_path / "var").mkdir()
    first = Kept.begin(tmp_path / "var" / "state")
    await first.publish("a b", position="2")
    await first.publish("x", channel="jobs", position="9")
    await first.hub.publish([Batch("app", "web", reader="idle", position=Position("7"))])
    await first.close()
    kept = Kept.begin(tmp_path / "var" / "state")
    await kept.publish("c d e", position="5")
    await lose_index(kept)
    assert kept.store.is_failing
    await kept.publish("f g", position="7")
    yield kept
    await kept.close()


async def test_a_store_whose_index_is_lost_begins_anew(orphaned: Kept) -> None:
    """It is given what the rings hold, all positions, and a gap for the rest."""
    kept = orphaned
    await kept.store.check()
    assert (kept.status.state, kept.status.reason) == (StoreState.OK, None)
    await kept.publish("h i j", position="10")

    def expect(told: list[str | Delivery], newest: str) -> None:
        assert [one for one in told if isinstance(one, str)] == list(newest)
        gaps = [one for one in told if isinstance(one, Gap)]
        counted = {(gap.channel, gap.count, gap.reason) for gap in gaps}
        assert counted == {("web", 5, Reason.STORAGE), ("jobs", 1, Reason.STORAGE)}

    expect(await kept.told(), "fghij")
    await kept.close()
    again = Kept.begin(kept.directory)
    assert again.durable.stored.news == []
    expect(await again.told(), "fghij")
    assert again.durable.stored.positions == {
        ("app", "f"): Position("10"),
        ("app", "idle"): Position("7"),
    }
    await again.publish("k l m")
    assert again.hub.channels["web"].last_seq == 13
    expect(await again.told(), "fghijklm")
    await again.close()


async def test_an_index_alone_that_is_lost_is_made_from_the_segments(kept: Kept) -> None:
    """Its history is there again, without a gap."""
    await kept.publish("x", channel="jobs")
    away = kept.directory.with_name("away")
    kept.directory.rename(away)
    await kept.store.check()
    kept.durable._writer._state.disconnect()
    away.rename(kept.directory)
    for path in kept.directory.glob("index.db*"):
        path.unlink()
    await kept.publish("f g")
    await kept.store.check()
    assert not kept.store.is_failing
    await kept.publish("h i j")
    assert sorted(await kept.lines()) == list("abcdefghijx")
    await kept.close()
    again = Kept.begin(kept.directory)
    assert sorted(await again.lines()) == list("abcdefghijx")
    await again.close()
