import asyncio
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.sources.file_reader import IDLE_SECONDS
from tests.sources.file_follower import TIMEOUT_SECONDS, Follower, append

WATCH = pytest.mark.parametrize("watch", ["inotify", "poll"])


@WATCH
async def test_renamed_and_created(tmp_path: Path, watch: str) -> None:
    """The old file is read to its end before the new one, late lines included."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(log, watch=watch) as follower:
        await follower.until_lines("one")
        with log.open("a") as old:
            log.rename(tmp_path / "a.log.1")
            append(log, "four\n")
            old.write("two\n")
            old.flush()
            await follower.until_lines("one", "two")
            old.write("three")
        await follower.until_lines("one", "two", "three", "four")
    assert follower.losses == 0
    assert [batch.parts for batch in follower.batches if batch.lines] == [frozenset()] * 4


@WATCH
async def test_deleted_and_created(tmp_path: Path, watch: str) -> None:
    """A deleted file is read to its end, then the new one."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(log, watch=watch) as follower:
        await follower.until_lines("one")
        with log.open("a") as old:
            log.unlink()
            append(log, "three\n")
            old.write("two\n")
        await follower.until_lines("one", "two", "three")
    assert follower.losses == 0


@WATCH
async def test_a_rotated_file_that_still_matches(tmp_path: Path, watch: str) -> None:
    """A file whose new name is taken in by the glob is not read again, and still followed."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(tmp_path / "a.log*", watch=watch) as follower:
        await follower.until_lines("one")
        log.rename(tmp_path / "a.log.1")
        append(log, "two\n")
        await follower.until_lines("one", "two")
        append(tmp_path / "a.log.1", "late\n")
        await follower.until_lines("one", "two", "late")
        (tmp_path / "a.log.1").rename(tmp_path / "a.log.2")
        log.rename(tmp_path / "a.log.1")
        append(log, "three\n")
        await follower.until_lines("one", "two", "late", "three")
    assert {batch.channel for batch in follower.batches} == {"a"}


async def test_a_finished_reader_is_forgotten(tmp_path: Path) -> None:
    """Once a rotated file that nobody asks for is finished, only the new one is kept."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(log) as follower:
        await follower.until_lines("one")
        (first,) = follower.positions
        log.rename(tmp_path / "old")
        append(log, "two\n")
        await follower.until_lines("one", "two")
        await follower.until(lambda: len(follower.positions) == 1)
        assert first not in follower.positions


@WATCH
async def test_a_file_that_comes_back_to_its_name(tmp_path: Path, watch: str) -> None:
    """Also after it was finished nothing is read again, unless it is another."""
    log = tmp_path / "a.log"
    append(log, "one\nhal")
    async with Follower(log, watch=watch) as follower:
        for end in ("two\n", "three\n"):
            await follower.until(lambda: follower.lines)
            log.rename(tmp_path / "b")
            await follower.until(lambda: '"done": true' in str(follower.positions))
            append(tmp_path / "b", end)
            (tmp_path / "b").rename(log)
            await follower.until(lambda: '"done": true' not in str(follower.positions))
        append(log, "four\n")
        await follower.until_lines("one", "hal", "two", "three", "four")
        assert len(follower.positions) == 1
        log.rename(tmp_path / "b")
        await follower.until(lambda: '"done": true' in str(follower.positions))
        (tmp_path / "b").write_text("five\n")
        (tmp_path / "b").rename(log)
        await follower.until_lines("one", "hal", "two", "three", "four", "five")
        await follower.until(lambda: len(follower.positions) == 1)
    assert follower.losses == 0


async def test_a_symlink_that_leads_elsewhere(tmp_path: Path) -> None:
    """Pointing a symlink to another file is a rotation."""
    link = tmp_path / "current"
    append(tmp_path / "1", "one\n")
    append(tmp_path / "2", "two\n")
    link.symlink_to("1")
    async with Follower(link) as follower:
        await follower.until_lines("one")
        (tmp_path / "next").symlink_to("2")
        (tmp_path / "next").rename(link)
        await follower.until_lines("one", "two")
        append(tmp_path / "2", "three\n")
        await follower.until_lines("one", "two", "three")


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


async def test_a_writer_that_does_not_append(tmp_path: Path) -> None:
    """The hole before its next line, after a truncation, is no text."""
    log = tmp_path / "a.log"
    with log.open("w") as writer:
        writer.write("x" * 10_000 + "\n")
        writer.flush()
        async with Follower(log) as follower:
            await follower.until_lines("x" * 10_000)
            os.truncate(log, 0)
            writer.write("after\n")
            writer.flush()
            await follower.until_lines("x" * 10_000, "after")


NUMBERED = re.compile(r"(\d{8}) a line like any other, of some sixty bytes, by a program")


async def follow_writer(follower: Follower, path: Path, how: str, every: float) -> int:
    """Run the writer to its end and wait for its last line; return how many it wrote."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.sources.file_writer", str(path), how, "50", str(every)),
        stdout=asyncio.subprocess.PIPE,
    )
    written = int((await asyncio.wait_for(writer.communicate(), TIMEOUT_SECONDS))[0])
    last = f"{written - 1:08d} ".encode()
    await follower.until(lambda: any(last in batch.lines.text for batch in follower.batches[-9:]))
    return written


async def test_rotated_fifty_times_under_load(tmp_path: Path) -> None:
    """0 lost, 0 repeated, in order."""
    log = tmp_path / "a.log"
    async with Follower(tmp_path / "*.log") as follower:
        written = await follow_writer(follower, log, "rename", 0.06)
    numbers = [int(line[:8]) for line in follower.lines]
    assert numbers == list(range(written))
    assert follower.losses == 0


async def test_deleted_fifty_times_under_load(tmp_path: Path) -> None:
    """A file that came and went while the loop was held up is a loss; of others all comes."""
    log = tmp_path / "a.log"
    async with Follower(tmp_path / "*.log") as follower:
        written = await follow_writer(follower, log, "delete", 0.06)
    lossy, expected = False, 0
    for number in arrivals(follower):
        assert number is None or number == expected or (lossy and number > expected)
        lossy, expected = number is None, expected if number is None else number + 1
    assert expected == written
    assert follower.losses <= 10


@pytest.mark.parametrize(
    ("glob", "pause_seconds"), [("a.log", 0.0), ("a.log*", 0.0), ("a.log*", 0.15)]
)
async def test_copied_and_truncated_fifty_times_under_load(
    tmp_path: Path, glob: str, pause_seconds: float
) -> None:
    """
    What is in a copy or in the file comes once; where anything else is missing is a loss.

    Also where each turn is published only after the file was truncated twice.
    """
    log = tmp_path / "a.log"
    async with Follower(tmp_path / glob, pause_seconds=pause_seconds) as follower:
        written = await follow_writer(follower, log, "copytruncate", 0.06)
    missing: set[int] = set()
    lossy, expected = False, 0
    for number in arrivals(follower):
        if number is None:
            lossy = True
        else:
            assert number == expected or (lossy and number > expected)
            missing.update(range(expected, number))
            lossy, expected = False, number + 1
    assert expected == written
    assert missing.isdisjoint(numbers_kept(tmp_path, files=51))


def numbers_kept(directory: Path, *, files: int) -> set[int]:
    """Return the numbers of the lines that the copies and the file hold."""
    paths = list(directory.iterdir())
    assert len(paths) == files
    return {int(number) for path in paths for number in NUMBERED.findall(path.read_text())}


def arrivals(follower: Follower) -> Iterator[int | None]:
    """Return the numbers as they came; ``None`` where a loss was declared."""
    for batch in follower.batches:
        *lines, last = batch.lines.strings() or [""]
        for line in lines:
            assert NUMBERED.fullmatch(line)
            yield int(line[:8])
        if NUMBERED.fullmatch(last):
            yield int(last[:8])
        else:
            # A copy may end within a line that was just being written.
            assert not last or batch.loss is not None
        if batch.loss is not None:
            yield None


@pytest.mark.parametrize("unseen", [1, 2, 5])
async def test_generations_that_went_by_between_two_looks_come_in_order(
    tmp_path: Path, unseen: int
) -> None:
    """Renamed before they were opened, while one that was read is renamed too."""
    log = tmp_path / "a.log"
    append(log, "0\n")
    async with Follower(log) as follower:
        await follower.until_lines("0")
        expected = ["0"]
        for number in range(unseen + 1):
            # Nothing is awaited: all of it is told at once, and nothing of it is read before.
            append(log, f"{number} more\n")
            expected.append(f"{number} more")
            log.rename(tmp_path / f"a.log.{number}")
            append(log, f"{number + 1}\n")
            expected.append(f"{number + 1}")
        await follower.until_lines(*expected)
        assert follower.losses == 0
