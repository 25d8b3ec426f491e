import os
import shutil
from pathlib import Path

import pytest

from relay.entry import Origin
from relay.sources.base import SourceState, SourceStatus
from relay.sources.file_names import Names
from relay.sources.file_reader import FileReader, ReaderSettings
from relay.sources.file_reading import Reading
from relay.sources.file_scan import Patterns
from relay.sources.file_set import FileSet
from relay.sources.file_watch import NameChange, NameEvent
from tests.sources.file_follower import Follower, append

CREATED, DELETED = NameChange.CREATED, NameChange.DELETED
MOVED_FROM, MOVED_TO = NameChange.MOVED_FROM, NameChange.MOVED_TO


class Late:
    """A set of files whose events come when everything has happened already."""

    def __init__(self, path: Path) -> None:
        settings = ReaderSettings("app", SourceStatus("app", "file"))
        patterns = Patterns([str(path)], ["*.gz"])
        self.files = FileSet(settings, patterns, lambda _: ("app", Origin("app")))
        self.reading = Reading(self.files)
        self.names = Names(self.files, self.reading.lives)
        for found in patterns.scan().files:
            self.files.look(found)
        self.files.running = True
        self.lines: list[str] = []
        self.losses = 0
        self.read()

    def tell(self, *events: tuple[NameChange, Path, int]) -> None:
        self.names.names_changed(
            [NameEvent(str(path), change, cookie) for change, path, cookie in events]
        )

    @property
    def reader(self) -> FileReader:
        """The reader of the file that ``a.log`` leads to."""
        (place,) = [place for path, place in self.files.places.items() if path.endswith("/a.log")]
        assert place.current is not None
        return place.current

    def write(self, text: str) -> None:
        """Append to the file, and let it be told."""
        with Path(self.reader.path).open("a") as file:
            file.write(text)
        self.names.file_changed(self.reader)

    def read(self) -> None:
        """Take all turns, and let all deadlines pass."""
        while True:
            for batch in self.reading.turn():
                self.lines += batch.lines.strings()
                self.losses += batch.loss is not None
            for reader in self.files.known.values():
                reader.grace_seconds = 0.0
            self.files.turns.mark_due(1e12)
            if self.files.turns.is_idle:
                return


def test_files_that_were_renamed_before_they_were_opened(tmp_path: Path) -> None:
    """Two whole generations went by between two looks: both are read, in their order."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(4)]
    log.write_text("one\n")
    late = Late(log)
    log.rename(old[3])
    old[2].write_text("two\n")
    old[1].write_text("three\n")
    log.write_text("four\n")
    late.tell(
        (MOVED_FROM, log, 1),
        (MOVED_TO, old[1], 1),
        (CREATED, log, 0),
        (MOVED_FROM, old[1], 2),
        (MOVED_TO, old[2], 2),
        (MOVED_FROM, log, 3),
        (MOVED_TO, old[1], 3),
        (CREATED, log, 0),
        (MOVED_FROM, old[2], 4),
        (MOVED_TO, old[3], 4),
        (MOVED_FROM, old[1], 5),
        (MOVED_TO, old[2], 5),
        (MOVED_FROM, log, 6),
        (MOVED_TO, old[1], 6),
        (CREATED, log, 0),
    )
    late.read()
    assert (late.lines, late.losses) == (["one", "two", "three", "four"], 0)
    late.files.close()


def test_an_older_file_that_is_found_after_a_younger(tmp_path: Path) -> None:
    """Where the move is told only after the next file was opened, the older still comes first."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(3)]
    log.write_text("one\n")
    late = Late(log)
    log.rename(old[1])
    old[2].write_text("two\n")
    log.write_text("three\n")
    late.tell((MOVED_FROM, log, 1), (MOVED_TO, old[1], 1), (CREATED, log, 0))
    late.tell((MOVED_FROM, log, 2), (MOVED_TO, old[2], 2), (CREATED, log, 0))
    by_name = sorted(late.files.known.values(), key=lambda reader: reader.made_ns(reader.name))
    # In this order they are taken up in another life.
    assert [reader.head for reader in by_name] == [b"one\n", b"two\n", b"three\n"]
    late.read()
    assert (late.lines, late.losses) == (["one", "two", "three"], 0)
    late.files.close()


def test_a_file_that_was_deleted_before_it_was_opened(tmp_path: Path) -> None:
    """Nobody can read it any more: a loss."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    with log.open() as kept:
        os.unlink(log)
        log.write_text("three\n")
        late.tell((DELETED, log, 0), (CREATED, log, 0), (DELETED, log, 0), (CREATED, log, 0))
        late.read()
        assert kept.read() == "one\n"
    assert (late.lines, late.losses) == (["one", "three"], 1)
    late.files.close()


def test_a_file_that_is_deleted_after_it_was_opened(tmp_path: Path) -> None:
    """It was read through its descriptor: no loss, however the events come."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    log.unlink()
    log.write_text("two\n")
    late.tell((DELETED, log, 0))
    late.tell((CREATED, log, 0))
    log.unlink()
    late.tell((DELETED, log, 0))
    late.read()
    assert (late.lines, late.losses) == (["one", "two"], 0)
    assert late.files.known == {}
    assert late.reading.turn() == []


def test_a_file_that_was_finished_is_not_taken_for_another(tmp_path: Path) -> None:
    """A rotated file that is known is not read again when it is moved on."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(3)]
    log.write_text("one\n")
    late = Late(log)
    log.rename(old[1])
    late.tell((MOVED_FROM, log, 1), (MOVED_TO, old[1], 1))
    old[1].rename(old[2])
    late.tell((MOVED_FROM, old[1], 2), (MOVED_TO, old[2], 2))
    late.read()
    assert (late.lines, late.losses) == (["one"], 0)


def test_a_file_that_was_truncated_twice_between_two_turns(tmp_path: Path) -> None:
    """Each event is looked into at once, so that both copies are found."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    late.write("two\n")
    for number, text in enumerate(["three\n", "four\n"]):
        shutil.copyfile(log, tmp_path / f"a.log.{number}")
        os.truncate(log, 0)
        late.names.file_changed(late.reader)
        late.write(text)
    late.read()
    assert late.lines == ["one", "two", "three", "four"]
    assert late.losses == 2
    late.files.close()


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
def test_a_file_that_was_truncated_twice_between_two_looks(tmp_path: Path, glob: str) -> None:
    """The copy of the life that nobody saw is known by its creation, and read in its place."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(tmp_path / glob)
    late.write("two\n")
    for number, text in enumerate(["three\n", "four\n"]):
        shutil.copyfile(log, tmp_path / f"a.log.{number}")
        log.write_text(text)
    created = ["a.log.0", "b.log", "a.log.gz", "a.log.1", "a.log.bin"]
    (tmp_path / "b.log").write_text("another\n")
    (tmp_path / "a.log.gz").write_text("packed\n")
    (tmp_path / "a.log.bin").write_bytes(b"\0")
    late.tell(*[(CREATED, tmp_path / name, 0) for name in created])
    late.names.file_changed(late.reader)
    late.read()
    assert [line for line in late.lines if line != "\0"] == ["one", "two", "three", "four"]
    assert late.losses == 2
    late.files.close()


def test_lost_events_make_everything_be_looked_at(tmp_path: Path) -> None:
    """When the kernel's queue was full, each path is looked at again."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    log.rename(tmp_path / "old")
    log.write_text("two\n")
    late.names.events_lost()
    late.read()
    assert late.lines == ["one", "two"]
    status = late.files.status
    assert status.state is SourceState.RUNNING
    late.files.close()


def copy_and_truncate(log: Path, copy: Path, then: str) -> None:
    """Rotate as logrotate does with ``copytruncate``, and write on."""
    shutil.copyfile(log, copy)
    os.truncate(log, 0)
    with log.open("a") as file:
        file.write(then)


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
def test_a_copy_of_a_file_that_was_truncated_before_it_was_opened(
    tmp_path: Path, glob: str
) -> None:
    """It was created after the file, and holds what that does not: it is read first."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(3)]
    log.write_text("one\n")
    late = Late(tmp_path / glob)
    log.rename(old[2])
    log.write_text("two\n")
    copy_and_truncate(log, old[1], "three\n")
    late.tell(
        (MOVED_FROM, log, 1),
        (MOVED_TO, old[1], 1),
        (CREATED, log, 0),
        (MOVED_FROM, old[1], 2),
        (MOVED_TO, old[2], 2),
        (CREATED, old[1], 0),
    )
    late.read()
    assert (late.lines, late.losses) == (["one", "two", "three"], 1)
    late.files.close()


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
def test_a_copy_of_a_file_that_was_opened_while_it_was_empty(tmp_path: Path, glob: str) -> None:
    """Nothing of what it held before it was truncated has been seen."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(3)]
    log.write_text("one\n")
    late = Late(tmp_path / glob)
    log.rename(old[2])
    log.touch()
    late.tell((MOVED_FROM, log, 1), (MOVED_TO, old[2], 1), (CREATED, log, 0))
    log.write_text("two\n")
    copy_and_truncate(log, old[1], "")
    late.tell((CREATED, old[1], 0))
    late.names.file_changed(late.reader)
    late.write("three\n")
    late.read()
    assert (late.lines, late.losses) == (["one", "two", "three"], 1)
    late.files.close()


def test_a_copy_that_was_moved_on_before_it_was_opened(tmp_path: Path) -> None:
    """Copies are known by their creation whatever their name is now; the oldest comes first."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(4)]
    log.write_text("one\n")
    late = Late(log)
    log.rename(old[3])
    log.write_text("two\n")
    copy_and_truncate(log, old[2], "three\n")
    copy_and_truncate(log, old[1], "four\n")
    late.tell(
        (MOVED_FROM, log, 1),
        (MOVED_TO, old[3], 1),
        (CREATED, log, 0),
        (CREATED, old[1], 0),
        (MOVED_FROM, old[1], 2),
        (MOVED_TO, old[2], 2),
        (CREATED, old[1], 0),
    )
    late.read()
    assert (late.lines, late.losses) == (["one", "two", "three", "four"], 2)
    late.files.close()


def test_other_logs_that_are_created_beside_a_new_one(tmp_path: Path) -> None:
    """They are no copies, nor is what holds the same as the file."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    log.unlink()
    log.write_text("two\nthree\n")
    made = {"a-error.log": "x\n", "a.log.errors": "x\n", "b.log": "x\n", "a.log.1": "two\n"}
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    late.tell((DELETED, log, 0), (CREATED, log, 0))
    late.tell(*[(CREATED, tmp_path / name, 0) for name in made])
    late.read()
    assert (late.lines, late.losses) == (["one", "two", "three"], 0)
    late.files.close()


def test_a_rotated_file_of_a_glob_that_was_never_opened(tmp_path: Path) -> None:
    """Its new name is one of ours; it is read at its place among those of its old one."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(3)]
    log.write_text("one\n")
    late = Late(tmp_path / "a.log*")
    log.rename(old[2])
    log.write_text("two\n")
    log.rename(old[1])
    log.write_text("three\n")
    late.tell(
        (MOVED_FROM, log, 1),
        (MOVED_TO, old[1], 1),
        (CREATED, log, 0),
        (MOVED_FROM, old[1], 2),
        (MOVED_TO, old[2], 2),
        (MOVED_FROM, log, 3),
        (MOVED_TO, old[1], 3),
        (CREATED, log, 0),
    )
    late.read()
    assert (late.lines, late.losses) == (["one", "two", "three"], 0)
    assert {reader.path for reader in late.files.known.values()} == {str(log)}
    with old[1].open("a") as file:
        file.write("late\n")
    late.files.glance(late.files.places[str(old[1])], 0.0)
    late.read()
    assert late.lines == ["one", "two", "three", "late"]
    late.files.close()


async def test_a_file_that_was_moved_unopened_after_one_that_was_deleted(tmp_path: Path) -> None:
    """What the deleted one held, which is still open, comes before it."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(log) as follower:
        await follower.until_lines("one")
        append(log, "two\n")
        log.unlink()
        append(log, "three\n")
        log.rename(tmp_path / "a.log.1")
        append(log, "four\n")
        await follower.until_lines("one", "two", "three", "four")
