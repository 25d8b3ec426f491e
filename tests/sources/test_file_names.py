import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from relay.sources.base import SourceState
from relay.sources.file_names import LOOK_SECONDS
from relay.sources.file_watch import NameChange, NameEvent
from tests.sources.file_follower import Follower, append
from tests.sources.file_late import Late, Told, moved, rotated

ATTRIBUTES, CREATED, DELETED = NameChange.ATTRIBUTES, NameChange.CREATED, NameChange.DELETED
MOVED_FROM = NameChange.MOVED_FROM


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
        *rotated(log, old[1], 1),
        *moved(old[1], old[2], 2),
        *rotated(log, old[1], 3),
        *moved(old[2], old[3], 4),
        *moved(old[1], old[2], 5),
        *rotated(log, old[1], 6),
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
    late.tell(
        *rotated(log, old[1], 1),
        then=lambda: [*rotated(log, old[2], 2)],
    )
    by_name = sorted(late.files.known.values(), key=lambda reader: reader.made_ns(reader.name))
    # In this order they are taken up in another life.
    assert [reader.head for reader in by_name] == [b"one\n", b"two\n", b"three\n"]
    late.read()
    assert (late.lines, late.losses) == (["one", "two", "three"], 0)
    late.files.close()


def test_files_that_were_renamed_behind_one_that_was_opened_empty(tmp_path: Path) -> None:
    """What had the path itself is no copy of what was there before: it is read after it."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(4)]
    log.write_text("one\n")
    late = Late(log)
    first = late.reader
    log.rename(old[1])
    log.touch()
    late.tell(*rotated(log, old[1], 1))
    second = late.reader
    log.write_text("two\n")
    log.rename(old[2])
    log.write_text("three\n")
    # The first file says itself that it was moved, before its directory says what came then.
    late.names.file_moved(first)
    log.rename(old[3])
    log.write_text("four\n")
    late.tell(
        *rotated(log, old[2], 2),
        *rotated(log, old[3], 3),
    )
    late.names.file_changed(second)
    late.read()
    assert (late.lines, late.losses) == (["one", "two", "three", "four"], 0)
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


def test_a_file_that_was_opened_before_it_was_told_of(tmp_path: Path) -> None:
    """Its creation and deletion, told together later, are no loss."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    log.unlink()
    log.write_text("two\n")
    late.files.look(str(log))
    log.unlink()
    log.write_text("three\n")
    late.tell((DELETED, log, 0), (CREATED, log, 0), (DELETED, log, 0), (CREATED, log, 0))
    late.read()
    assert late.given == ["one", "two", "three"]
    late.files.close()


def test_one_of_two_deleted_files_was_opened(tmp_path: Path) -> None:
    """Nobody can tell which: there is a loss on either side of its lines."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    log.unlink()
    log.write_text("two\n")
    late.files.look(str(log))
    with log.open():
        log.unlink()
        log.write_text("three\n")
        log.unlink()
    log.write_text("four\n")
    late.tell((DELETED, log, 0), *[(CREATED, log, 0), (DELETED, log, 0)] * 2, (CREATED, log, 0))
    late.read()
    assert late.given == ["one", None, "two", None, "four"]
    late.files.close()


def test_a_deleted_file_among_others_of_which_one_was_opened(tmp_path: Path) -> None:
    """Where nobody can tell which it was, there is a loss on either side."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(2)]
    log.write_text("one\n")
    late = Late(log)
    log.rename(old[0])
    log.write_text("two\n")
    log.unlink()
    log.write_text("three\n")
    log.rename(old[1])
    log.write_text("four\n")
    late.files.look(str(log))
    log.unlink()
    log.write_text("five\n")
    gone = [(CREATED, log, 0), (DELETED, log, 0)]
    late.tell(
        *moved(log, old[0], 1),
        *gone,
        *[(CREATED, log, 0), *moved(log, old[1], 2)],
        *gone,
        (CREATED, log, 0),
    )
    late.read()
    # It passes for the one of which is told first: likely nothing had happened in between.
    assert late.given == ["one", None, "four", None, "three", None, "five"]
    late.files.close()


def test_a_deleted_file_that_the_kernel_tells_of(tmp_path: Path) -> None:
    """Which of them was opened is known where its watch told of it too."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(2)]
    log.write_text("one\n")
    late = Late(log)
    log.rename(old[0])
    log.write_text("two\n")
    log.unlink()
    log.write_text("three\n")
    late.files.look(str(log))
    opened = late.reader
    log.unlink()
    log.write_text("four\n")
    told = [*moved(log, old[0], 1), (CREATED, log, 0), (DELETED, log, 0), (CREATED, log, 0)]
    events = [NameEvent(str(path), change, cookie) for change, path, cookie in told]
    events.append(NameEvent(str(log), DELETED, 0, reader=opened))
    late.names.names_changed([*events, NameEvent(str(log), CREATED, 0)])
    late.read()
    assert late.given == ["one", None, "three", "four"]
    late.files.close()


def test_a_file_that_left_before_another_was_opened_is_not_that_one(tmp_path: Path) -> None:
    """What was deleted before a file was opened was another, so that no doubt remains."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    log.unlink()
    log.write_text("three\n")

    def go_on() -> list[tuple[NameChange, Path, int]]:
        log.unlink()
        log.write_text("four\n")
        return [(CREATED, log, 0), (DELETED, log, 0), (CREATED, log, 0)]

    late.tell((DELETED, log, 0), (CREATED, log, 0), (DELETED, log, 0), then=go_on)
    late.read()
    assert late.given == ["one", None, "three", "four"]
    late.files.close()


def test_a_loss_among_files_that_were_renamed(tmp_path: Path) -> None:
    """It stands where the lines of the deleted file would, not behind all that is known."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(3)]
    log.write_text("one\n")
    late = Late(log)
    log.rename(old[1])
    log.write_text("two\n")
    log.unlink()
    old[2].write_text("three\n")
    log.write_text("four\n")
    late.tell(
        *rotated(log, old[1], 1),
        (DELETED, log, 0),
        (CREATED, log, 0),
        *rotated(log, old[2], 2),
    )
    late.read()
    assert late.given == ["one", None, "three", "four"]
    late.files.close()


def test_a_file_that_left_the_directory_before_it_was_opened(tmp_path: Path) -> None:
    """Where it went nobody looks: a loss."""
    log = tmp_path / "a.log"
    late = Late(log)
    log.write_text("one\n")
    (tmp_path / "archive").mkdir()
    log.rename(tmp_path / "archive" / "a.log")
    log.write_text("two\n")
    late.tell((CREATED, log, 0), (MOVED_FROM, log, 1), (CREATED, log, 0))
    late.read()
    assert late.given == [None, "two"]
    late.files.close()


def test_a_younger_file_that_was_moved_on_while_names_are_looked_at(tmp_path: Path) -> None:
    """The older one, of which is told first, is read first though the younger was opened first."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(4)]
    log.write_text("one\n")
    late = Late(log)
    log.rename(old[1])
    old[2].write_text("two\n")
    log.write_text("three\n")
    late.files.look(str(log))
    log.rename(old[3])
    log.write_text("four\n")
    late.tell(
        *rotated(log, old[1], 1),
        *rotated(log, old[2], 2),
        then=lambda: [*rotated(log, old[3], 3)],
    )
    late.read()
    assert late.given == ["one", "two", "three", "four"]
    late.files.close()


def test_a_rotated_file_that_was_opened_under_its_new_name(tmp_path: Path) -> None:
    """Where a glob takes that in too, it still stands among the lines of its old name."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(3)]
    log.write_text("one\n")
    late = Late(tmp_path / "a.log*")
    log.rename(old[1])
    old[2].write_text("two\n")
    log.write_text("three\n")
    late.files.look(str(log))
    late.files.look(str(old[2]))
    late.tell(
        *rotated(log, old[1], 1),
        *rotated(log, old[2], 2),
    )
    late.read()
    assert late.given == ["one", "two", "three"]
    assert {reader.path for reader in late.files.known.values()} == {str(log)}
    late.files.close()


def test_a_file_that_was_finished_is_not_taken_for_another(tmp_path: Path) -> None:
    """A rotated file that is known is not read again when it is moved on."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(3)]
    log.write_text("one\n")
    late = Late(log)
    log.rename(old[1])
    late.tell(*moved(log, old[1], 1))
    old[1].rename(old[2])
    late.tell(*moved(old[1], old[2], 2))
    late.read()
    assert (late.lines, late.losses) == (["one"], 0)


def test_lost_events_make_everything_be_looked_at(tmp_path: Path) -> None:
    """When the kernel's queue was full, nobody knows what came between two files."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    log.rename(tmp_path / "old")
    log.write_text("two\n")
    late.names.events_lost()
    late.read()
    assert late.given == ["one", None, "two"]
    status = late.files.status
    assert status.state is SourceState.RUNNING
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
        *rotated(log, old[1], 1),
        *moved(old[1], old[2], 2),
        *rotated(log, old[1], 3),
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


def test_names_that_change_whenever_they_are_looked_at(tmp_path: Path) -> None:
    """However often that is, what was renamed in the last moment is found."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    late.tell((ATTRIBUTES, log, 0), then=busy(late, log, 100, seconds=0.0))
    late.read()
    assert late.given == ["one", "two", "three"]
    late.files.close()


def test_names_that_change_for_long(tmp_path: Path) -> None:
    """The loop has its turn meanwhile; nothing new is read before it is known what came first."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    late.tell((ATTRIBUTES, log, 0), then=busy(late, log, 3, seconds=LOOK_SECONDS))
    assert late.files.is_behind
    late.files.look(str(log))
    assert late.reading.turn() == []
    late.read()
    assert late.given == ["one", "two", "three"]
    late.files.close()


def busy(late: Late, log: Path, looks: int, seconds: float) -> Callable[[], Sequence[Told]]:
    """Let a name change after each of so many looks, which take so long; then rotate twice."""

    def then() -> Sequence[Told]:
        nonlocal looks
        looks -= 1
        time.sleep(seconds)
        if looks:
            late.when_asked(then)
            return [(ATTRIBUTES, log, 0)]
        log.rename(log.with_name("a.log.1"))
        log.write_text("two\n")
        log.rename(log.with_name("a.log.2"))
        log.write_text("three\n")
        return [
            *rotated(log, log.with_name("a.log.1"), 1),
            *rotated(log, log.with_name("a.log.2"), 2),
        ]

    return then


def test_a_renamed_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """Nobody has read it, and nobody can: a loss."""
    log = tmp_path / "a.log"
    log.write_text("one\n")
    late = Late(log)
    old, unreadable = tmp_path / "a.log.1", tmp_path / "a.log.2"
    log.rename(old)
    unreadable.symlink_to(unreadable)
    log.write_text("three\n")
    late.tell(*rotated(log, old, 1), *rotated(log, unreadable, 2))
    late.read()
    assert late.given == ["one", None, "three"]
    late.files.close()


def test_a_file_that_is_moved_to_another_path_by_way_of_a_third(tmp_path: Path) -> None:
    """What was opened to find out which it is is closed again."""
    log, other, between = (tmp_path / name for name in ("a.log", "b.log", "a.tmp"))
    log.write_text("one\n")
    late = Late(tmp_path / "*.log")
    before = os.listdir("/proc/self/fd")

    def go_on() -> list[Told]:
        between.rename(other)
        return moved(between, other, 2)

    log.rename(between)
    late.tell(*moved(log, between, 1), then=go_on)
    assert os.listdir("/proc/self/fd") == before
    late.read()
    assert late.given == ["one"]
    late.files.close()


def test_a_file_that_was_read_is_moved_to_another_path_and_deleted(tmp_path: Path) -> None:
    """Its reader has it open: nothing is lost."""
    log, other = tmp_path / "a.log", tmp_path / "b.log"
    log.write_text("one\n")
    late = Late(tmp_path / "*.log")
    log.rename(other)
    other.unlink()
    late.tell(*moved(log, other, 1), (DELETED, other, 0))
    late.read()
    assert late.given == ["one"]
    late.files.close()


def test_rotation_among_paths_of_ours(tmp_path: Path) -> None:
    """Files that were read are moved, and overwritten, twice between two looks: no loss."""
    log, first, second = (tmp_path / name for name in ("x", "x.1", "x.2"))
    for path in (log, first, second):
        path.write_text(f"{path.name}\n")
    late = Late(tmp_path / "*")
    told: list[Told] = []
    for number in range(2):
        first.rename(second)
        log.rename(first)
        log.write_text(f"new {number}\n")
        told += [*moved(first, second, 2 * number + 1), *rotated(log, first, 2 * number + 2)]
    late.tell(*told)
    late.read()
    assert late.given == ["x", "x.1", "x.2", "new 0", "new 1"]
    late.files.close()


async def test_directories_that_come_and_go(tmp_path: Path) -> None:
    """They are no files that nobody has read."""
    log, directory = tmp_path / "a.log", tmp_path / "b.log"
    append(log, "one\n")
    async with Follower(tmp_path / "*.log") as follower:
        await follower.until_lines("one")
        directory.mkdir()
        directory.rmdir()
        append(log, "two\n")
        await follower.until_lines("one", "two")
    assert follower.losses == 0


def test_events_are_lost_while_names_change_for_long(tmp_path: Path) -> None:
    """What was told by then is settled, and nothing is left open; what was not may be a loss."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(3)]
    log.write_text("one\n")
    late = Late(log)
    before = len(os.listdir("/proc/self/fd"))
    log.rename(old[1])
    old[2].write_text("two\n")
    log.write_text("three\n")

    def slow_change() -> list[Told]:
        time.sleep(LOOK_SECONDS)
        return [(ATTRIBUTES, log, 0)]

    late.tell(*rotated(log, old[1], 1), *rotated(log, old[2], 2), then=slow_change)
    assert late.files.is_behind
    log.rename(tmp_path / "a.log.3")
    log.write_text("five\n")
    late.names.events_lost()
    assert len(os.listdir("/proc/self/fd")) == before + 3
    late.read()
    assert late.given == ["one", "two", "three", None, "five"]
    late.files.close()
