"""A state directory becomes what a hub rests on."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.config.model import ChannelOptions, Config, StateOptions
from relay.durable import Durable
from relay.errors import StoreError
from relay.hub import Hub
from relay.query import Query
from relay.span import Span
from relay.status import StoreState
from relay.subscription import Delivery
from tests.building import batch


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, which can be filled."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def fill(disk: Path) -> None:
    """Leave no room."""
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        step = 1 << 20
        while step:
            try:
                ballast.write(bytes(step))
            except OSError:
                step //= 2


def remount(disk: Path, option: str) -> None:
    """Let a disk be read-only, or not."""
    subprocess.run(["mount", "-o", f"remount,{option}", disk], check=True)


def begin(directory: Path) -> tuple[Durable, Hub]:
    """Start a relay's store, and its hub; its ring holds two lines."""
    state = StateOptions(directory=str(directory))
    config = Config(state=state, channel=ChannelOptions(lines=2, archive=True))
    durable = Durable(config)
    hub = Hub(config.channel_options, durable.store)
    durable.connect(hub)
    return durable, hub


async def publish(hub: Hub, text: str) -> None:
    for line in text.split():
        await hub.publish([batch("web", line)])


async def told(hub: Hub) -> list[str | Delivery]:
    """Return what a reader from the beginning on is given."""
    given: list[str | Delivery] = []
    with hub.subscribe(Query(), 0) as subscription:
        while subscription.has_news:
            for one in await subscription.read():
                if isinstance(one, Span):
                    lines = one.block.lines.split()[one.start : one.stop]
                    given += [line.decode() for line in lines]
                else:
                    given.append(one)
    return given


async def leave(directory: Path, *, clean: bool) -> None:
    """Let a life have left five lines, and end well or not."""
    durable, hub = begin(directory)
    await publish(hub, "a b c d e")
    if clean:
        await durable.store.close()
        return
    found = directory.with_name("found")
    shutil.copytree(directory, found)
    await durable.store.close()
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
    durable, hub = begin(disk / "state")
    assert durable.status.state is StoreState.FAILING
    await publish(hub, "f g")
    assert await told(hub) == list("abcdefg")
    if trouble == "full":
        fill(disk)  # What came to nothing has left some room.
    await durable.store.check()
    assert durable.status.reason is not None
    if trouble == "full":
        (disk / "ballast").unlink()
    else:
        remount(disk, "rw")
    await durable.store.check()
    assert durable.status.reason is None
    await publish(hub, "h i j")
    assert await told(hub) == list("abcdefghij")
    await durable.store.close()
    durable, hub = begin(disk / "state")
    assert await told(hub) == list("abcdefghij")
    await durable.store.close()


async def test_what_is_mended_late_is_told(disk: Path) -> None:
    """An entry that a power cut took becomes a gap once something can be written."""
    await leave(disk / "state", clean=False)
    (segment,) = (disk / "state" / "channels" / "web").glob("*/*.ndjson")
    os.truncate(segment, segment.stat().st_size - 1)
    remount(disk, "ro")
    durable, hub = begin(disk / "state")
    assert durable.status.recovered == []
    assert (await told(hub))[:4] == list("abcd")
    remount(disk, "rw")
    await durable.store.check()
    sentence = "channel web: 1 line had not reached the disk, and is lost"
    assert durable.status.recovered == [sentence]
    await publish(hub, "f")
    assert [one for one in await told(hub) if isinstance(one, str)] == list("abcdf")
    await durable.store.close()


@pytest.mark.parametrize("damage", ["index.db", "index.db-wal"])
async def test_what_is_not_whole_is_not_begun_with(disk: Path, damage: str) -> None:
    """Ids and seqs would be given again that are in segments only."""
    await leave(disk / "state", clean=False)
    (disk / "state" / damage).unlink()
    remount(disk, "ro")
    with pytest.raises(StoreError) as caught:
        begin(disk / "state")
    assert str(caught.value).startswith(f"state.directory {disk}/state cannot be written: ")
    remount(disk, "rw")
    durable, hub = begin(disk / "state")
    assert [one for one in await told(hub) if isinstance(one, str)] == list("abcde")
    await durable.store.close()
