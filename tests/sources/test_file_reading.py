import asyncio
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.file_follower import TIMEOUT_SECONDS, Follower, append
from tests.sources.file_late import Late, Told, moved

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
            await follower.until(lambda: '"done":true' in str(follower.positions))
            append(tmp_path / "b", end)
            (tmp_path / "b").rename(log)
            await follower.until(lambda: '"done":true' not in str(follower.positions))
        append(log, "four\n")
        await follower.until_lines("one", "hal", "two", "three", "four")
        assert len(follower.positions) == 1
        log.rename(tmp_path / "b")
        await follower.until(lambda: '"done":true' in str(follower.positions))
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


def test_many_files_that_end_at_once(tmp_path: Path) -> None:
    """Each is looked for under its new name, by turns that are as short as others."""
    late = Late(tmp_path / "*.log")
    told: list[Told] = []
    for number in range(600):
        log = tmp_path / f"{number}.log"
        log.write_text(f"{number}\n")
        late.files.look(str(log))
    late.read()
    for number, log in enumerate(sorted(tmp_path.iterdir())):
        log.rename(f"{log}.1")
        told += moved(log, Path(f"{log}.1"), number + 1)
    late.tell(*told)
    for reader in late.files.known.values():
        reader.grace_seconds = 0.0
    longest_seconds = 0.0
    while late.files.known:
        late.files.turns.mark_due(1e12)
        started = time.process_time()
        late.reading.turn()
        longest_seconds = max(longest_seconds, time.process_time() - started)
    assert longest_seconds < 0.2
    late.files.close()
