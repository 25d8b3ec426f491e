import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from relay.entry import Position
from relay.sources.file_reader import IDLE_SECONDS
from tests.sources.file_follower import Follower, append


async def read(path: Path, *lines: str, **options: Any) -> dict[str, Position]:
    """Follow until these lines have come, and return the positions."""
    async with Follower(path, **options) as follower:
        await follower.until_lines(*lines)
    return follower.positions


async def test_a_file_is_read_on_where_it_was_left(tmp_path: Path) -> None:
    """Nothing is read twice, and what was written meanwhile comes, whatever ``start`` says."""
    log = tmp_path / "a.log"
    append(log, "one\ntw")
    positions = await read(log, "one")
    append(log, "o\nthree\n")
    async with Follower(log, positions, start="end") as follower:
        await follower.until_lines("two", "three")
    assert list(follower.positions) == list(positions)


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
async def test_rotated_meanwhile(tmp_path: Path, glob: str) -> None:
    """The file is found under its new name and finished before the one that has its name."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(tmp_path / glob, "one")
    append(log, "two\n")
    log.rename(tmp_path / "a.log.1")
    append(log, "three\n")
    async with Follower(tmp_path / glob, positions, start="end") as follower:
        await follower.until_lines("two", "three")
    assert follower.losses == 0
    assert {batch.channel for batch in follower.batches} == {"a"}


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
async def test_copied_and_truncated_meanwhile(tmp_path: Path, glob: str) -> None:
    """The rest comes from the copy; a loss is declared, since nobody looked."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(tmp_path / glob, "one")
    append(log, "two\n")
    shutil.copyfile(log, tmp_path / "a.log.1")
    log.write_text("three\n")
    async with Follower(tmp_path / glob, positions, start="end") as follower:
        await follower.until_lines("two", "three")
        await asyncio.sleep(IDLE_SECONDS * 1.2)
    assert follower.lines == ["two", "three"]
    assert follower.losses == 1


async def test_truncated_meanwhile(tmp_path: Path) -> None:
    """Without a copy the unread rest is a loss, and the file is read from its beginning."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    log.write_text("2\n")
    async with Follower(log, positions, start="end") as follower:
        await follower.until_lines("2")
    assert follower.losses == 1
    assert positions.keys().isdisjoint(follower.positions)


async def test_gone_meanwhile(tmp_path: Path) -> None:
    """A file that is found nowhere is a loss in its channel, once."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    log.unlink()
    async with Follower(log, positions) as follower:
        await follower.until(lambda: follower.losses)
    assert [batch.channel for batch in follower.batches] == ["a"]
    assert follower.positions == {}


async def test_a_finished_file_that_is_gone_is_no_loss(tmp_path: Path) -> None:
    """A rotated file that was read to its end may be deleted."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(tmp_path / "a.log*") as follower:
        await follower.until_lines("one")
        log.rename(tmp_path / "a.log.1")
        append(log, "two\n")
        await follower.until_lines("one", "two")
    assert len(follower.positions) == 2
    (tmp_path / "a.log.1").unlink()
    async with Follower(tmp_path / "a.log*", follower.positions) as again:
        append(log, "three\n")
        await again.until_lines("three")
    assert again.losses == 0
    assert len(again.positions) == 1


async def test_a_file_that_appeared_meanwhile_is_read_whole(tmp_path: Path) -> None:
    """Beside files that were read before, ``start`` does not concern it."""
    append(tmp_path / "a.log", "one\n")
    positions = await read(tmp_path / "*.log", "one")
    append(tmp_path / "b.log", "two\n")
    async with Follower(tmp_path / "*.log", positions, start="end") as follower:
        await follower.until_lines("two")


async def test_a_file_that_was_written_anew(tmp_path: Path) -> None:
    """A file with another inode that holds the same and more is read on."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    shutil.copyfile(log, tmp_path / "new")
    append(tmp_path / "new", "two\n")
    (tmp_path / "new").rename(log)
    async with Follower(log, positions) as follower:
        await follower.until_lines("two")
    assert follower.losses == 0


async def test_positions_of_others_are_left_alone(tmp_path: Path) -> None:
    """What cannot be read, and paths that are not asked for any more, are no error."""
    append(tmp_path / "a.log", "one\n")
    append(tmp_path / "b.log", "two\n")
    positions = await read(tmp_path / "b.log", "two")
    positions |= {"x": Position("[]"), "y": Position(""), "z": Position('{"path": 1}')}
    async with Follower(tmp_path / "a.log", positions) as follower:
        await follower.until_lines("one")


async def test_from_every_position_the_rest_follows(tmp_path: Path) -> None:
    """After any batch another follower goes on without a line lost or repeated."""
    log = tmp_path / "a.log"
    text = "".join(f"{n} {'é' * (n * 7 % 900)}{chr(13) * (n % 3)}\n" for n in range(900)) + "end\n"
    log.write_bytes(text.encode())
    async with Follower(log, max_line_bytes="1KiB") as follower:
        await follower.until(lambda: follower.lines[-1:] == ["end"])
    whole = follower.lines
    assert len(follower.batches) > 4
    given = 0
    for batch in follower.batches:
        assert batch.position is not None
        given += batch.lines.count
        assert await rest(log, {batch.reader: batch.position}, whole[given:]) == whole[given:]


async def rest(log: Path, positions: dict[str, Position], expected: list[str]) -> list[str]:
    """Return what comes after these positions, once as much has come as is expected."""
    async with Follower(log, positions, max_line_bytes="1KiB") as follower:
        await follower.until(lambda: len(follower.lines) >= len(expected))
    return follower.lines
