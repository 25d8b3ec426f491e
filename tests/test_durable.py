"""A state directory becomes what a hub rests on."""

import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from relay.durable import DAY_NS
from relay.errors import StoreError
from relay.status import StoreState
from relay.store import store
from relay.store.upkeep import AGE
from tests.kept import Kept
from tests.small_disk import fill, remount


async def leave(directory: Path, *, clean: bool) -> None:
    """Let a life have left five lines, and end well or not."""
    kept = Kept.begin(directory)
    await kept.publish("a b c d e")
    if clean:
        await kept.close()
        return
    found = directory.with_name("found")
    shutil.copytree(directory, found)
    await kept.close()
    shutil.rmtree(directory)
    found.rename(directory)


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("trouble", ["full", "read-only"])
async def test_a_disk_that_cannot_be_written_yet(disk: Path, trouble: str, clean: bool) -> None:
    """What it has is given, what comes is shown, and kept when there is room."""
    await leave(disk / "state", clean=clean)
    if trouble == "full":
        fill(disk)
    else:
        remount(disk, "ro")
    kept = Kept.begin(disk / "state")
    assert kept.status.state is StoreState.FAILING
    await kept.publish("f g")
    assert await kept.told() == list("abcdefg")
    if trouble == "full":
        fill(disk)  # What came to nothing has left some room.
    await kept.store.check()
    assert kept.status.reason is not None
    if trouble == "full":
        (disk / "ballast").unlink()
    else:
        remount(disk, "rw")
    await kept.store.check()
    assert kept.status.reason is None
    await kept.publish("h i j")
    assert await kept.told() == list("abcdefghij")
    await kept.close()
    kept = Kept.begin(disk / "state")
    assert await kept.told() == list("abcdefghij")
    await kept.close()


async def test_a_crash_on_a_disk_that_is_read_only_since(disk: Path) -> None:
    """What no reader can take up from the WAL as it lies there is read all the same."""
    await leave(disk / "state", clean=False)
    (disk / "state" / "index.db-shm").unlink(missing_ok=True)
    remount(disk, "ro")
    kept = Kept.begin(disk / "state")
    assert kept.status.state is StoreState.FAILING
    await kept.publish("f g")
    assert await kept.told() == list("abcdefg")
    remount(disk, "rw")
    await kept.store.check()
    await kept.publish("h i j")
    assert await kept.told() == list("abcdefghij")
    await kept.close()


async def test_what_is_mended_late_is_told(disk: Path) -> None:
    """An entry that a power cut took becomes a gap once something can be written."""
    await leave(disk / "state", clean=False)
    (segment,) = (disk / "state" / "channels" / "web").glob("*/*.ndjson")
    os.truncate(segment, segment.stat().st_size - 1)
    remount(disk, "ro")
    kept = Kept.begin(disk / "state")
    assert kept.status.recovered == []
    assert (await kept.told())[:4] == list("abcd")
    remount(disk, "rw")
    await kept.store.check()
    sentence = "channel web: 1 line had not reached the disk, and is lost"
    assert kept.status.recovered == [sentence]
    await kept.publish("f")
    assert await kept.lines() == list("abcdf")
    await kept.close()


@pytest.mark.parametrize("damage", ["index.db", "index.db-wal"])
async def test_what_is_not_whole_is_not_begun_with(disk: Path, damage: str) -> None:
    """Ids and seqs would be given again that are in segments only."""
    await leave(disk / "state", clean=False)
    (disk / "state" / damage).unlink()
    remount(disk, "ro")
    with pytest.raises(StoreError) as caught:
        Kept.begin(disk / "state")
    assert str(caught.value).startswith(f"state.directory {disk}/state cannot be written: ")
    remount(disk, "rw")
    kept = Kept.begin(disk / "state")
    assert await kept.lines() == list("abcde")
    await kept.close()


async def test_how_long_channels_were_silent_outlives_a_restart(tmp_path: Path) -> None:
    """By the age clock: of open segments, of sealed ones, and of what holds nothing."""
    kept = Kept.begin(tmp_path)
    await kept.publish("a", "sealed")
    began_ns = kept.durable._clock.now_ns()
    await kept.publish("b", "forgotten")
    await kept.store.submit(partial(kept.durable._writer.seal_old, began_ns + 2 * DAY_NS))
    await kept.publish("c", "open")
    kept.hub.forget("forgotten")
    await kept.store.submit(partial(kept.durable._writer.put_values, {AGE: began_ns + 2 * DAY_NS}))
    await kept.close()
    kept = Kept.begin(tmp_path)
    for name in ("sealed", "forgotten", "open"):
        silence = kept.durable.silence[name]
        assert 2 * 86_400 - 20 < silence.seconds < 2 * 86_400 + 20
        known = kept.hub.channels.get(name)
        assert known is None or known.last_id == silence.last_id
    await kept.close()


async def test_what_was_counted_of_silence_outlives_a_restart(tmp_path: Path) -> None:
    """What is counted no more is let go of."""
    kept = Kept.begin(tmp_path)
    await kept.publish("a", "web")
    await kept.publish("a", "jobs")
    kept.durable.count_silence(lambda: {"web": 7, "jobs": 9})
    await kept.durable._upkeep._put_values(1)
    await kept.close()
    for counted, before in [({"jobs": 8}, {"web": 7, "jobs": 9}), ({}, {"web": 0, "jobs": 8})]:
        kept = Kept.begin(tmp_path)
        assert {name: one.counted for name, one in kept.durable.silence.items()} == before
        kept.durable.count_silence(lambda counted=counted: counted)  # type: ignore[misc]
        await kept.durable._upkeep._put_values(1)
        await kept.close()
    kept = Kept.begin(tmp_path)
    assert set(kept.durable._values) == {AGE, "is_clean", "last_id"}
    await kept.close()


async def test_the_log_says_what_there_is_and_that_it_still_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, when it fails, and from time to time until it works again."""
    kept = Kept.begin(tmp_path)
    await kept.publish("a b", "web", position="2")
    last_id = kept.hub.channels["web"].last_id
    await kept.close()
    caplog.set_level("INFO")
    kept = Kept.begin(tmp_path)
    assert caplog.messages == [
        f"store: {tmp_path}: of earlier lives channels 1, runs 0, positions 1, last id {last_id}"
    ]
    caplog.clear()
    kept.store.fail("pulled out")
    await kept.publish("c d", "web")
    kept.store.measure()
    monkeypatch.setattr(store, "TELL_SECONDS", 0.0)
    kept.store.measure()
    assert caplog.messages == [
        "store: failing: pulled out; lines are published without it",
        "store: still failing: pulled out; 2 lines behind",
    ]
    await kept.close()
