import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from relay.entry import Origin
from relay.sources.base import ReaderStatus, SourceStatus
from relay.sources.file_identity import key_of, open_file
from relay.sources.file_reader import FileReader, ReaderSettings
from relay.sources.file_watch import COALESCE_WAKES, TELL_SECONDS, NameChange, NameEvent, Watch
from tests.sources.file_follower import TIMEOUT_SECONDS


class Told:
    """Note what a watch tells."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self._new = asyncio.Event()

    def file_changed(self, reader: FileReader) -> None:
        self._note(f"changed {reader.path}")

    def file_moved(self, reader: FileReader) -> None:
        self._note(f"moved {reader.path}")

    def names_changed(self, events: Sequence[NameEvent]) -> None:
        for event in events:
            self._note(f"{event.change.name} {event.path}")

    def events_lost(self) -> None:
        self._note("lost")

    def _note(self, event: str) -> None:
        self.events.append(event)
        self._new.set()

    async def until(self, *events: str) -> None:
        """Wait for these events, and return when all have come; others may come between."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not set(events) <= set(self.events):
                self._new.clear()
                await self._new.wait()
        self.events.clear()


@pytest.fixture
async def told() -> Told:
    return Told()


@pytest.fixture
async def watch(told: Told) -> AsyncIterator[Watch]:
    watch = Watch(told)
    yield watch
    watch.close()


def reader_of(path: Path) -> FileReader:
    """Open a file."""
    path.touch()
    file = open_file(str(path))
    assert file is not None
    settings = ReaderSettings("app", SourceStatus("app", "file"))
    row = ReaderStatus("reading")
    return FileReader(settings, "name", path.name, "app", Origin("app"), row, file)


async def test_a_file_is_watched_under_any_name(tmp_path: Path, watch: Watch, told: Told) -> None:
    """Writes, moves, modes and the last name's end are told for the file that was opened."""
    path = tmp_path / "a"
    reader = reader_of(path)
    path.rename(tmp_path / "b")
    watch.follow(reader)
    with (tmp_path / "b").open("a") as file:
        file.write("x")
        file.flush()
        await told.until("changed a")
        (tmp_path / "b").rename(tmp_path / "c")
        await told.until("moved a")
        os.chmod(tmp_path / "c", 0o600)
        await told.until("changed a")
        os.unlink(tmp_path / "c")
        await told.until("moved a")
        file.write("x")
        file.flush()
        await told.until("changed a")
    reader.close()


async def test_which_file_was_deleted(tmp_path: Path, watch: Watch) -> None:
    """A name that goes tells who reads its file, if that is open, and no other's reader."""
    first, second = reader_of(tmp_path / "a"), reader_of(tmp_path / "b")
    watch.follow_directories({str(tmp_path): key_of(os.stat(tmp_path))})
    watch.follow(first)
    watch.follow(second)
    for name in ("c", "d"):
        (tmp_path / name).touch()
    os.unlink(tmp_path / "c")
    os.unlink(tmp_path / "a")
    # This one goes on.
    os.chmod(tmp_path / "b", 0o600)
    os.unlink(tmp_path / "d")
    (tmp_path / "a").touch()
    os.unlink(tmp_path / "a")
    gone = [event for event in watch.gather() if event.change is NameChange.DELETED]
    assert [(Path(event.path).name, event.reader) for event in gone] == [
        ("c", None),
        ("a", first),
        ("d", None),
        ("a", None),
    ]
    first.close()
    second.close()


async def test_a_file_is_deleted_while_it_is_opened(tmp_path: Path, watch: Watch) -> None:
    """It is known which one it was, as of one that was followed before."""
    path = tmp_path / "a"
    path.touch()
    watch.follow_directories({str(tmp_path): key_of(os.stat(tmp_path))})
    with watch.expecting(str(path)):
        reader = reader_of(path)
        os.unlink(path)
        watch.follow(reader)
    (gone,) = [event for event in watch.gather() if event.change is NameChange.DELETED]
    assert gone.reader is reader
    reader.close()


def watches() -> int:
    """Return how many the kernel keeps for this process."""
    infos = Path("/proc/self/fdinfo").iterdir()
    return sum(info.read_text().count("inotify wd:") for info in infos if info.exists())


async def test_what_is_not_followed_in_the_end(tmp_path: Path, watch: Watch, told: Told) -> None:
    """It is watched no more; what was watched before is watched on."""
    path = tmp_path / "a"
    reader = reader_of(path)
    watch.follow_directories({str(tmp_path): key_of(os.stat(tmp_path))})
    before = watches()
    for name in (path, tmp_path, tmp_path / "missing"):
        with watch.expecting(str(name)):
            pass
    assert watches() == before
    watch.follow(reader)
    with watch.expecting(str(path)):
        pass
    path.write_text("x")
    (tmp_path / "b").touch()
    await told.until(f"CREATED {tmp_path}/b", "changed a")
    reader.close()


async def test_a_reader_takes_over_a_watch(tmp_path: Path, watch: Watch, told: Told) -> None:
    """A second reader of a file is told instead of the first, whose end changes nothing."""
    first, second = reader_of(tmp_path / "a"), reader_of(tmp_path / "a")
    second.path = "second"
    watch.follow(first)
    watch.follow(second)
    watch.drop(first)
    (tmp_path / "a").write_text("x")
    await told.until("changed second")
    watch.drop(second)
    (tmp_path / "a").write_text("y")
    watch.follow_directories({str(tmp_path): key_of(os.stat(tmp_path))})
    (tmp_path / "b").touch()
    await told.until(f"CREATED {tmp_path}/b")
    assert told.events == []
    first.close()
    second.close()


class Asking(Told):
    """Ask what has happened while it is told of a file, where the next one has changed."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.watch: Watch | None = None
        self.files: list[Path] = []
        self.deepest = 0
        self._depth = 0
        self._seconds = seconds

    def file_changed(self, reader: FileReader) -> None:
        super().file_changed(reader)
        self._depth += 1
        self.deepest = max(self.deepest, self._depth)
        time.sleep(self._seconds)
        if self.files and self.watch is not None:
            self.files.pop().write_text("x")
            self.watch.read()
        self._depth -= 1


async def follow_in_a_row(asking: Asking, directory: Path, count: int) -> None:
    """Let each of so many files change while it is told of the one before it."""
    asking.watch = watch = Watch(asking)
    readers = [reader_of(directory / str(number)) for number in range(count)]
    for reader in readers:
        watch.follow(reader)
    asking.files = [directory / str(number) for number in range(count)]
    asking.files.pop().write_text("x")
    watch.read()
    told_at_once = len(asking.events)
    await asking.until(*[f"changed {number}" for number in range(count)])
    watch.close()
    for reader in readers:
        reader.close()
    asking.events.append(f"{told_at_once} at once")


async def test_many_files_that_change_one_after_the_other_while_it_is_told(tmp_path: Path) -> None:
    """It is told of one when the one before it is done with, however many they are."""
    asking = Asking()
    await follow_in_a_row(asking, tmp_path, 400)
    assert asking.deepest == 1


async def test_being_told_takes_long(tmp_path: Path) -> None:
    """The loop has its turn before it is told of the rest."""
    asking = Asking(seconds=TELL_SECONDS)
    await follow_in_a_row(asking, tmp_path, 3)
    assert asking.events == ["1 at once"]


async def test_names_are_told_in_order(tmp_path: Path, watch: Watch, told: Told) -> None:
    """What comes, goes and changes its name in a directory, and nothing that is written."""
    assert watch.follow_directories({str(tmp_path): key_of(os.stat(tmp_path))})
    path = tmp_path / "a"
    path.write_text("x")
    path.rename(tmp_path / "b")
    os.unlink(tmp_path / "b")
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while len(told.events) < 4:
            await asyncio.sleep(0)
    expected = ["CREATED a", "MOVED_FROM a", "MOVED_TO b", "DELETED b"]
    assert [event.replace(f"{tmp_path}/", "") for event in told.events] == expected


async def test_a_directory_that_is_another_now(tmp_path: Path, watch: Watch, told: Told) -> None:
    """The new one of that name is watched, and the old one no more."""
    logs = tmp_path / "logs"
    logs.mkdir()
    found = {str(logs): key_of(os.stat(logs))}
    assert watch.follow_directories(found)
    assert not watch.follow_directories(found)
    logs.rename(tmp_path / "old")
    logs.mkdir()
    assert watch.follow_directories({str(logs): key_of(os.stat(logs))})
    (tmp_path / "old" / "a").touch()
    (logs / "b").touch()
    await told.until(f"CREATED {logs}/b")
    assert told.events == []


async def test_a_directory_that_is_removed_and_made_again(
    tmp_path: Path, watch: Watch, told: Told
) -> None:
    """Its watch ends with it; a new look watches what has its name."""
    logs = tmp_path / "logs"
    logs.mkdir()
    assert watch.follow_directories({str(logs): key_of(os.stat(logs))})
    assert not watch.follow_directories({})
    logs.rmdir()
    logs.mkdir()
    assert watch.follow_directories({str(logs): key_of(os.stat(logs)), "/none": (0, 0)})
    (logs / "b").touch()
    await told.until(f"CREATED {logs}/b")


def is_waiting(watch: Watch) -> bool:
    """Calm once, and tell whether that would have to wait."""
    calming = watch.calm()
    try:
        calming.send(None)
    except StopIteration:
        return False
    calming.close()
    return True


async def test_many_wakes_are_calmed(watch: Watch) -> None:
    """A few wakes in a row pass at once; one that comes in quick succession waits."""
    for _ in range(COALESCE_WAKES):
        assert not is_waiting(watch)
    # However slow the machine: some nine of so many come within 4 ms.
    assert any(is_waiting(watch) for _ in range(1000))
