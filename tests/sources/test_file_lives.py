import asyncio
import os
import shutil
import time
from pathlib import Path

import pytest

from relay.sources.base import TURN_BYTES
from relay.sources.file_reader import IDLE_SECONDS
from relay.sources.file_watch import NameChange
from tests.sources.file_follower import Follower, append
from tests.sources.file_late import Late, rotated

CREATED, DELETED = NameChange.CREATED, NameChange.DELETED

WATCH = pytest.mark.parametrize("watch", ["inotify", "poll"])


@WATCH
async def test_a_quiet_file_is_truncated(tmp_path: Path, watch: str) -> None:
    """A file that was read to its end and is emptied loses nothing."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    os.utime(log, (1, 1))
    async with Follower(log, watch=watch) as follower:
        await follower.until_lines("one")
        reader = next(iter(follower.positions))
        await asyncio.sleep(IDLE_SECONDS * 1.1)
        os.truncate(log, 0)
        await follower.until(lambda: reader not in follower.positions)
        append(log, "two\n")
        await follower.until_lines("one", "two")
    assert follower.losses == 0


async def test_a_file_that_just_grew_is_truncated(tmp_path: Path) -> None:
    """What was written between the copying and the truncating is gone: a loss."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(log) as follower:
        await follower.until_lines("one")
        log.write_text("two\n")
        await follower.until_lines("one", "two")
    losses = [batch.loss for batch in follower.batches if batch.loss]
    assert [(loss.reason, loss.count, loss.at_least) for loss in losses] == [("source", None, 0)]


async def test_an_unfinished_line_of_a_truncated_file(tmp_path: Path) -> None:
    """Its rest is lost: it is a part, and no line."""
    log = tmp_path / "a.log"
    append(log, "one\ntw")
    async with Follower(log) as follower:
        await follower.until_lines("one")
        log.write_text("three\n")
        await follower.until_lines("one", "tw", "three")
    assert [batch.parts for batch in follower.batches if batch.lines] == [
        frozenset(),
        frozenset([0]),
        frozenset(),
    ]


async def test_a_truncated_file_that_grew_past_the_old_end(tmp_path: Path) -> None:
    """A file that is longer again when it is looked at is found out by its beginning."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(log) as follower:
        await follower.until_lines("one")
        log.write_text("another beginning\nand more\n")
        await follower.until_lines("one", "another beginning", "and more")


async def test_a_truncated_file_that_begins_alike(tmp_path: Path) -> None:
    """Where every life of a file begins with one banner, the last bytes read tell."""
    log, banner = tmp_path / "a.log", "#" * 2000
    append(log, banner + "\none\n")
    async with Follower(log) as follower:
        await follower.until_lines(banner, "one")
        log.write_text(banner + "\ntwo\nthree\n")
        await follower.until_lines(banner, "one", banner, "two", "three")


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
@WATCH
async def test_copied_and_truncated(tmp_path: Path, watch: str, glob: str) -> None:
    """Unread lines are found in the copy, which is not read again as a file of its own."""
    log = tmp_path / "a.log"
    append(log, "one\ntw")
    async with Follower(tmp_path / glob, watch=watch) as follower:
        await follower.until_lines("one")
        append(log, "o\nthree\n")
        shutil.copyfile(log, tmp_path / "a.log.1")
        os.truncate(log, 0)
        append(log, "four\n")
        await follower.until_lines("one", "two", "three", "four")
        shutil.copyfile(log, tmp_path / "a.log.2")
        os.truncate(log, 0)
        append(log, "five\n")
        await follower.until_lines("one", "two", "three", "four", "five")
        append(log, "six\n")
        await follower.until_lines("one", "two", "three", "four", "five", "six")


async def test_an_earlier_life_is_no_copy(tmp_path: Path) -> None:
    """Where lives begin alike, what an older copy holds further on is not given again."""
    log = tmp_path / "a.log"
    append(tmp_path / "a.log.1", "start\nold\n")
    os.utime(tmp_path / "a.log.1", (1, 1))
    append(log, "start\n")
    async with Follower(log) as follower:
        await follower.until_lines("start")
        log.write_text("")
        append(log, "two\n")
        await follower.until_lines("start", "two")
    assert follower.losses == 1


async def test_a_copy_while_the_clock_is_not_the_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long a copy has not grown is no matter of the clock, which may be stepped."""
    days, right = 3 * 86_400.0, time.time
    monkeypatch.setattr(time, "time", lambda: right() - days)
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(tmp_path / "a.log*") as follower:
        await follower.until_lines("one")
        shutil.copyfile(log, tmp_path / "a.log.1")
        await follower.until(lambda: len(follower.positions) == 2)
        os.truncate(log, 0)
        append(log, "two\n")
        await follower.until_lines("one", "two")


async def test_a_copy_that_is_never_followed_by_a_truncation(tmp_path: Path) -> None:
    """A file that begins like another waits a second, and is then read for itself."""
    log = tmp_path / "a.log"
    append(log, "start\n")
    async with Follower(tmp_path / "*.log") as follower:
        await follower.until_lines("start")
        append(tmp_path / "b.log", "start\n")
        await follower.until_lines("start", "start")


async def test_a_file_that_begins_like_another_and_differs(tmp_path: Path) -> None:
    """As soon as it holds anything else it is read."""
    log = tmp_path / "a.log"
    append(log, "start\none\n")
    async with Follower(tmp_path / "*.log") as follower:
        await follower.until_lines("start", "one")
        append(tmp_path / "b.log", "start\nother\n")
        async with asyncio.timeout(IDLE_SECONDS / 2):
            await follower.until_lines("start", "one", "start", "other")


def copy_in_one_tick(log: Path, text: str) -> None:
    """Copy and truncate a log, and write on, all within one tick of the kernel's clock."""
    copy = log.with_name("a.log.1")
    shutil.copyfile(log, copy)
    log.write_text(text)
    of_both = log.stat().st_mtime_ns
    os.utime(copy, ns=(of_both, of_both))


async def until_copy_is_read(follower: Follower, before: set[str]) -> None:
    """Wait until the life that the copy holds is finished and forgotten."""
    await follower.until(lambda: follower.positions and before.isdisjoint(follower.positions))


@pytest.mark.parametrize("text", ["", "two\n"])
@pytest.mark.parametrize("is_down", [False, True])
async def test_a_copy_as_old_as_the_truncation(tmp_path: Path, text: str, is_down: bool) -> None:
    """Once it is read it is no life that nobody saw, though its file is renamed meanwhile."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(log) as follower:
        await follower.until_lines("one")
        before = set(follower.positions)
        if not is_down:
            copy_in_one_tick(log, text)
            await until_copy_is_read(follower, before)
            await follower.until_lines("one", *text.split())
    if is_down:
        copy_in_one_tick(log, text)
        async with Follower(log, follower.positions) as follower:
            await until_copy_is_read(follower, before)
            await follower.until_lines(*text.split())
    log.with_name("a.log.1").rename(tmp_path / "a.log.2")
    log.rename(tmp_path / "a.log.1")
    append(log, "three\n")
    async with Follower(log, follower.positions) as follower:
        await follower.until_lines("three")


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


def test_a_file_that_was_empty_at_the_start(tmp_path: Path) -> None:
    """What it held before its first bytes were seen stands in its copy."""
    log, old = tmp_path / "a.log", tmp_path / "a.log.1"
    log.touch()
    late = Late(log)
    late.write_unseen("one\n")
    copy_and_truncate(log, old, "two\n")
    late.tell((CREATED, old, 0))
    late.names.file_changed(late.reader)
    late.read()
    assert late.given == ["one", None, "two"]
    late.files.close()


@pytest.mark.parametrize("is_told", [False, True])
def test_a_copy_of_which_is_told_after_the_first_bytes(tmp_path: Path, is_told: bool) -> None:
    """Once they are known the kernel is asked for what came before, whoever saw them first."""
    log, old = tmp_path / "a.log", tmp_path / "a.log.1"
    log.touch()
    late = Late(log)
    late.write_unseen("one\n")
    copy_and_truncate(log, old, "two\n")
    late.when_asked(lambda: [(CREATED, old, 0)])
    if is_told:
        late.names.file_changed(late.reader)
    else:
        late.files.turns.mark(late.reader)
    late.read()
    assert late.given == ["one", None, "two"]
    late.files.close()


@pytest.mark.parametrize("text", ["", "three\n"])
def test_a_file_that_is_truncated_while_its_copy_is_looked_for(tmp_path: Path, text: str) -> None:
    """What it holds by then are later lives, which come behind the one that is begun."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(3)]
    log.write_text("one\n")
    late = Late(log)
    late.write("two\n")
    copy_and_truncate(log, old[0], text)

    def go_on() -> list[tuple[NameChange, Path, int]]:
        copy_and_truncate(log, old[1], "four\n")
        copy_and_truncate(log, old[2], "five\n")
        return [(CREATED, path, 0) for path in old]

    late.when_asked(go_on)
    late.names.file_changed(late.reader)
    late.names.file_changed(late.reader)
    late.read()
    third = ["three", None] if text else []
    assert late.given == ["one", "two", None, *third, "four", None, "five"]
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
        *rotated(log, old[1], 1),
        *rotated(old[1], old[2], 2),
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
    late.tell(*rotated(log, old[2], 1))
    log.write_text("two\n")
    copy_and_truncate(log, old[1], "")
    late.tell((CREATED, old[1], 0))
    late.names.file_changed(late.reader)
    late.write("three\n")
    late.read()
    assert (late.lines, late.losses) == (["one", "two", "three"], 1)
    late.files.close()


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
def test_a_copy_of_a_file_that_was_deleted_unopened(tmp_path: Path, glob: str) -> None:
    """What it holds stands where the deleted file would, and the loss behind it."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(2)]
    log.write_text("one\n")
    late = Late(tmp_path / glob)
    log.unlink()
    for number, text in enumerate(["two\n", "three\n"]):
        with log.open("a") as file:
            file.write(text)
        copy_and_truncate(log, old[number], "")
    log.unlink()
    log.write_text("five\n")
    copied = [(CREATED, path, 0) for path in old]
    late.tell(
        *[(DELETED, log, 0), (CREATED, log, 0), *copied], (DELETED, log, 0), (CREATED, log, 0)
    )
    late.read()
    assert late.given == ["one", "two", None, "three", None, "five"]
    late.files.close()


def test_a_copy_of_the_file_that_came_next(tmp_path: Path) -> None:
    """What was copied after a file had left its path is none of what that held."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(4)]
    log.write_text("one\n")
    late = Late(log)
    log.rename(old[1])
    log.touch()
    late.tell(*rotated(log, old[1], 1))
    second = late.reader
    late.write_unseen("two\n")
    log.rename(old[2])
    log.write_text("three\n")
    copy_and_truncate(log, old[3], "")
    late.tell(*rotated(log, old[2], 2), (CREATED, old[3], 0))
    late.names.file_changed(second)
    late.write("four\n")
    late.read()
    assert late.given == ["one", "two", "three", None, "four"]
    late.files.close()


def test_a_copy_of_a_file_that_was_renamed_while_it_was_empty(tmp_path: Path) -> None:
    """It is of the file that had the path when it was created, not of the one after it."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(4)]
    log.write_text("one\n")
    late = Late(log)
    log.rename(old[1])
    log.write_text("two\n")
    copy_and_truncate(log, old[2], "")
    log.rename(old[3])
    log.write_text("three\n")
    log.rename(old[0])
    log.write_text("four\n")
    late.tell(
        *rotated(log, old[1], 1),
        then=lambda: [(CREATED, old[2], 0), *rotated(log, old[3], 2), *rotated(log, old[0], 3)],
    )
    late.read()
    assert late.given == ["one", "two", None, "three", "four"]
    late.files.close()


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
def test_a_file_that_was_truncated_and_renamed_between_two_looks(
    tmp_path: Path, glob: str
) -> None:
    """It goes on in its copy, then under its new name, then comes the next file of its path."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(2)]
    log.write_text("one\n")
    late = Late(tmp_path / glob)
    late.write_unseen("two\n")
    copy_and_truncate(log, old[0], "three\n")
    log.rename(old[1])
    log.write_text("four\n")
    first = late.reader
    late.tell((CREATED, old[0], 0), *rotated(log, old[1], 1))
    late.names.file_changed(first)
    late.read()
    assert late.given == ["one", "two", None, "three", "four"]
    assert {reader.path for reader in late.files.known.values()} == {str(log)}
    late.files.close()


def test_files_that_are_lost_behind_one_that_was_truncated(tmp_path: Path) -> None:
    """Their loss stands behind its last life, not behind the one that its copy holds."""
    log, old = tmp_path / "a.log", tmp_path / "a.log.1"
    log.write_text("one\n")
    late = Late(log)
    first = late.reader
    copy_and_truncate(log, old, "two\n")
    log.unlink()
    log.write_text("three\n")
    log.unlink()
    log.write_text("four\n")
    late.tell((CREATED, old, 0), *[(DELETED, log, 0), (CREATED, log, 0)] * 2)
    late.names.file_changed(first)
    late.read()
    assert late.given == ["one", None, "two", None, "four"]
    late.files.close()


def test_a_copy_of_a_file_that_is_still_empty(tmp_path: Path) -> None:
    """Under a glob that takes it in too it is not read as a log of its own meanwhile."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(2)]
    log.touch()
    late = Late(tmp_path / "a.log*")
    for number, text in enumerate(["one\n", "two\n"]):
        late.write_unseen(text)
        copy_and_truncate(log, old[number], "")
        late.tell((CREATED, old[number], 0))
        late.names.file_changed(late.reader)
    late.read()
    assert {reader.path for reader in late.files.known.values()} == {str(log)}
    late.write("three\n")
    late.read()
    assert late.given == ["one", None, "two", None, "three"]
    late.files.close()


def test_a_copy_that_comes_first_whose_turn_it_is(tmp_path: Path) -> None:
    """Before it is read its original is looked at, which has been truncated."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(2)]
    log.write_text("one\n")
    late = Late(tmp_path / "a.log*")
    late.write_unseen("two\n")
    copy_and_truncate(log, old[0], "three\n")
    copy_and_truncate(log, old[1], "four\n")
    late.tell(*[(CREATED, path, 0) for path in old])
    late.read()
    assert late.given == ["one", "two", None, "three", None, "four"]
    late.files.close()


def test_a_numbered_log_beside_one_that_is_empty(tmp_path: Path) -> None:
    """What is written beside a file that is never truncated is a log of its own."""
    log, other = tmp_path / "a.log", tmp_path / "a.log.1"
    log.touch()
    os.utime(log, (1, 1))
    late = Late(tmp_path / "a.log*")
    other.write_text("one\n")
    late.tell((CREATED, other, 0))
    late.read()
    assert late.given == ["one"]
    assert {reader.path for reader in late.files.known.values()} == {str(log), str(other)}
    late.files.close()


def test_a_copy_that_is_told_of_within_a_turn(tmp_path: Path) -> None:
    """It is not found again when its original, which waits for it, is truncated next."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(2)]
    log.touch()
    late = Late(log)
    # A turn reads no more: it ends with the copy, before the log has its own turn.
    first = "x" * (TURN_BYTES - 1024)
    late.write_unseen(f"{first}\n")
    copy_and_truncate(log, old[0], "two\n")
    late.when_asked(lambda: [(CREATED, old[0], 0)])
    late.files.turns.mark(late.reader)
    while not late.given:
        late.take(late.reading.turn())
    copy_and_truncate(log, old[1], "three\n")
    late.tell((CREATED, old[1], 0))
    late.names.file_changed(late.reader)
    late.read()
    assert late.given == [first, None, "two", None, "three"]
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
        *rotated(log, old[3], 1),
        (CREATED, old[1], 0),
        *rotated(old[1], old[2], 2),
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


def test_many_files_that_are_truncated_at_once(tmp_path: Path) -> None:
    """The copy of each is known by its name: the directory is not listed for every one."""
    logs = [tmp_path / f"{number}.log" for number in range(600)]
    for log in logs:
        log.write_text(f"{log.name} one\n")
    late = Late(tmp_path / "*.log")
    readers = list(late.files.known.values())
    for log in logs:
        with log.open("a") as file:
            file.write(f"{log.name} two\n")
        copy_and_truncate(log, Path(f"{log}.1"), f"{log.name} three\n")
    started = time.process_time()
    late.tell(*[(CREATED, Path(f"{log}.1"), 0) for log in logs])
    for reader in readers:
        late.names.file_changed(reader)
    late.read()
    assert time.process_time() - started < 1.5
    of_first = [line for line in late.lines if line.startswith("0.log ")]
    assert of_first == ["0.log one", "0.log two", "0.log three"]
    assert len(late.lines) == 3 * len(logs)
    late.files.close()


def test_a_copy_that_cannot_be_read(tmp_path: Path) -> None:
    """It keeps nothing else from being read."""
    log, old = tmp_path / "a.log", [tmp_path / f"a.log.{n}" for n in range(3)]
    log.write_text("one\n")
    late = Late(log)
    late.write("two\n")
    copy_and_truncate(log, old[0], "three\n")
    # It can be opened, and nothing is at its beginning: an input/output error.
    old[1].symlink_to("/proc/self/mem")
    copy_and_truncate(log, old[2], "four\n")
    late.tell(*[(CREATED, path, 0) for path in old])
    late.names.file_changed(late.reader)
    late.read()
    assert late.given == ["one", "two", None, "three", None, "four"]
    late.files.close()
