import asyncio
import os
import shutil
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relay.entry import Loss, Position, Reason
from relay.sources.file_identity import FilePosition
from relay.sources.file_left import MOST_LEFT
from relay.sources.file_reader import IDLE_SECONDS
from relay.sources.file_turns import MOST_BATCHES
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


async def test_truncated_meanwhile_and_begun_alike(tmp_path: Path) -> None:
    """Where the banner is the same and more follows than before, the last bytes read tell."""
    log, banner = tmp_path / "a.log", "#" * 2000
    append(log, f"{banner}\none\n")
    positions = await read(log, banner, "one")
    log.write_text(f"{banner}\ntwo\nthree\n")
    async with Follower(log, positions, start="end") as follower:
        await follower.until_lines(banner, "two", "three")
    assert follower.losses == 1


async def test_an_earlier_life_is_no_copy(tmp_path: Path) -> None:
    """Where lives begin alike, what an older copy holds further on is not given again."""
    log = tmp_path / "a.log"
    append(tmp_path / "a.log.1", "start\nold\n")
    os.utime(tmp_path / "a.log.1", (1, 1))
    append(log, "start\n")
    positions = await read(log, "start")
    log.write_text("two\n")
    async with Follower(log, positions) as follower:
        await follower.until_lines("two")
    assert follower.losses == 1


async def test_gone_meanwhile(tmp_path: Path) -> None:
    """A file that is found nowhere is a loss in its channel, once."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    log.unlink()
    async with Follower(log, positions) as follower:
        await follower.until(lambda: follower.losses)
    assert [batch.channel for batch in follower.batches] == ["a"]
    append(log, "two\n")
    async with Follower(log, follower.positions, start="end") as again:
        await again.until_lines("two")
    assert again.losses == 0
    assert len(again.positions) == 1
    assert again.positions.keys().isdisjoint(positions)


NAMES = [
    ["a.log.3", "a.log.2", "a.log.1"],
    ["a.log-20261119", "a.log-20261120", "a.log-20261121"],
    ["a.log.20261119", "a.log.20261120", "a.log.20261121"],
    ["a-20261119.log", "a-20261120.log", "a-20261121.log"],
    ["a.log.1", "a.log.2", "a.log.3"],
    ["elsewhere", "a.log.older", "a.log.old"],
]


# With `*.log` names such as `a-20261119.log` are the source's own.
GLOBS = [
    (glob, names)
    for glob in ("a.log", "*.log", "a.log*")
    for names in NAMES
    if (glob, names[0]) != ("*.log", "a-20261119.log")
]


@pytest.mark.parametrize(
    ("glob", "names"), GLOBS, ids=lambda one: one[1] if isinstance(one, list) else one
)
async def test_generations_that_nobody_saw(tmp_path: Path, glob: str, names: list[str]) -> None:
    """Files that were created and renamed meanwhile are read whole, each at its place."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(tmp_path / glob, "one")
    for number, name in enumerate(names):
        append(log, f"{number}\n")
        log.rename(tmp_path / name)
        append(log, f"{number}.5\n")
    append(log, "last\n")
    async with Follower(tmp_path / glob, positions, start="end") as follower:
        await follower.until_lines("0", "0.5", "1", "1.5", "2", "2.5", "last")
    assert follower.losses == 0
    assert {batch.channel for batch in follower.batches} == {"a"}


async def test_files_that_are_no_generations(tmp_path: Path) -> None:
    """Older ones, others' logs, and what other programs put beside a log."""
    log = tmp_path / "a.log"
    append(tmp_path / "a.log.9", "older\n")
    append(log, "one\n")
    positions = await read(log, "one")
    append(log, "two\n")
    log.rename(tmp_path / "a.log.1")
    append(log, "three\n")
    for name in ("b.log.1", "a.logger", "a.log.pos", "a.log.tmp", "ab-1.log"):
        append(tmp_path / name, "other\n")
    append(log, "four\n")
    append(tmp_path / "a.log.errors", "younger\n")
    async with Follower(log, positions) as follower:
        await follower.until_lines("two", "three", "four")
        await asyncio.sleep(IDLE_SECONDS * 1.5)
    assert follower.lines == ["two", "three", "four"]
    assert follower.losses == 0


async def test_files_that_may_be_copies(tmp_path: Path) -> None:
    """They are not read, since nothing may come twice; that something may be missing is told."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    append(log, "two\n")
    shutil.copyfile(log, tmp_path / "a.log.copy")
    log.rename(tmp_path / "a.log.1")
    append(log, "three\n")
    shutil.copyfile(log, tmp_path / "a.log.2")
    append(log, "four\n")
    async with Follower(log, positions) as follower:
        await follower.until_lines("two", "three", "four")
        await asyncio.sleep(IDLE_SECONDS * 1.5)
    assert follower.lines == ["two", "three", "four"]
    assert follower.losses == 1


TICK_SECONDS = 0.02
"""Longer than what a file system's clock takes for one moment."""


@pytest.mark.parametrize(
    "lives",
    [
        ["a\n", "a\nb\n"],
        ["a\n", "a\n"],
        ["one\n", "one\n"],
        ["one\nmore\n", "one\n"],
        ["a\nb\n", "a\n"],
        ["", "a\n"],
        ["a\n", ""],
        ["a\n", "a\n", "a\n", "a\nb\n"],
    ],
    ids=repr,
)
async def test_generations_that_begin_alike(tmp_path: Path, lives: list[str]) -> None:
    """Files that were renamed are read whatever they hold: programs say the same each time."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    for number, life in enumerate(lives):
        await asyncio.sleep(TICK_SECONDS)
        log.rename(tmp_path / f"a.log.{9 - number}")
        append(log, life)
    async with Follower(log, positions) as follower:
        await follower.until_lines(*"".join(lives).split())
        await follower.until(lambda: len(follower.positions) == 1)
    assert follower.lines == "".join(lives).split()
    assert follower.losses == 0


@pytest.mark.parametrize("end", [".gz", ".xz", ".zst", ".bz2"])
async def test_a_generation_that_was_compressed(tmp_path: Path, end: str) -> None:
    """Its lines are a loss that nobody can count, at its place, and once."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    append(log, "two\n")
    log.rename(tmp_path / "a.log.3")
    append(tmp_path / f"a.log.2{end}", "cannot be read")
    append(tmp_path / "a.log.1", "four\n")
    append(log, "five\n")
    async with Follower(log, positions) as follower:
        await follower.until_lines("two", "four", "five")
    told = [
        batch.lines.strings() or "loss" for batch in follower.batches if batch.lines or batch.loss
    ]
    assert told == [["two"], "loss", ["four"], ["five"]]
    async with Follower(log, follower.positions) as again:
        append(log, "six\n")
        await again.until_lines("six")
    assert again.losses == 0


async def after_first_commit(path: Path, positions: dict[str, Position]) -> dict[str, Position]:
    """Return the positions once what a source gives first is committed, and no more."""
    follower = Follower(path, positions)
    async with asyncio.timeout(5), aclosing(follower.source.batches(positions)) as lists:
        given = await anext(lists)
    kept = positions | {batch.reader: batch.position for batch in given if batch.position}
    return {reader: position for reader, position in kept.items() if position.value}


async def test_a_loss_outlives_the_relay(tmp_path: Path) -> None:
    """It is declared at its place, also by a later life that no longer looks for it."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    append(log, "two\n")
    log.rename(tmp_path / "a.log.2")
    append(tmp_path / "a.log.1.gz", "cannot be read")
    append(log, "four\n")
    positions = await after_first_commit(log, positions)
    assert len(positions) == 2
    async with Follower(log, positions) as follower:
        await follower.until_lines("two", "four")
    assert follower.losses == 1


async def test_what_is_found_is_known_at_once(tmp_path: Path) -> None:
    """A kill between the loss of a file and the first lines of the next changes nothing."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    log.unlink()
    append(tmp_path / "a.log.1", "two\n")
    append(log, "three\n")
    positions = await after_first_commit(log, positions)
    async with Follower(log, positions) as follower:
        await follower.until_lines("two", "three")
    assert follower.losses == 0


async def test_copies_that_nobody_saw_made(tmp_path: Path) -> None:
    """Truncated more than once: all copies are read, with a loss after each."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    append(log, "two\n")
    shutil.copyfile(log, tmp_path / "a.log.2")
    log.write_text("three\n")
    shutil.copyfile(log, tmp_path / "a.log.1")
    log.write_text("four\n")
    async with Follower(log, positions, start="end") as follower:
        await follower.until_lines("two", "three", "four")
        await follower.until(lambda: follower.losses == 2)


@pytest.mark.parametrize("now", ["", "two\n"])
async def test_an_empty_file_that_was_filled_and_truncated(tmp_path: Path, now: str) -> None:
    """It looks as it did, or as if it had just grown: its copy tells."""
    log = tmp_path / "a.log"
    log.touch()
    async with Follower(log) as follower:
        await follower.until_watching()
    append(log, "one\n")
    shutil.copyfile(log, tmp_path / "a.log.1")
    log.write_text(now)
    async with Follower(log, follower.positions) as again:
        await again.until_lines("one", *now.split())
        await again.until(lambda: again.losses == 1)
        await again.until(lambda: len(again.positions) == 1)


async def test_generations_after_a_file_that_is_gone(tmp_path: Path) -> None:
    """The loss first, then what came since."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    log.unlink()
    append(tmp_path / "a.log.1", "two\n")
    append(log, "three\n")
    async with Follower(log, positions, start="end") as follower:
        await follower.until_lines("two", "three")
    assert follower.batches[0].loss == Loss(Reason.SOURCE)
    assert follower.losses == 1


async def test_a_file_that_is_gone_after_one_that_is_not_finished(tmp_path: Path) -> None:
    """The loss is declared between the lines of the files before and after it."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    log.rename(tmp_path / "a.log.1")
    append(log, "lost\n")
    async with Follower(log, positions) as between:
        # It waits for the file before it, and ends before that is finished.
        await between.until(lambda: len(between.positions) == 2)
    log.unlink()
    append(tmp_path / "a.log.1", "two\n")
    append(log, "three\n")
    async with Follower(log, between.positions) as follower:
        await follower.until_lines("two", "three")
    told = [(batch.lines.strings(), batch.loss) for batch in follower.batches]
    assert [one for one in told if one != ([], None)] == [
        (["two"], None),
        ([], Loss(Reason.SOURCE)),
        (["three"], None),
    ]


@pytest.mark.parametrize("glob", ["a.log", "*.log"])
@pytest.mark.parametrize("is_rotated", [True, False])
async def test_a_path_that_led_nowhere(tmp_path: Path, glob: str, is_rotated: bool) -> None:
    """What appeared there while nobody looked is read whole, and so is what went again."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(tmp_path / glob) as follower:
        await follower.until_lines("one")
        log.rename(tmp_path / "x") if is_rotated else log.unlink()
        await follower.until(lambda: '"done":true' in str(follower.positions))
    async with Follower(tmp_path / glob, follower.positions, start="end") as second:
        await second.until_watching()
        await asyncio.sleep(IDLE_SECONDS * 1.2)
    assert second.losses == 0
    append(log, "two\n")
    log.rename(tmp_path / "a.log.1")
    append(log, "three\n")
    async with Follower(tmp_path / glob, second.positions, start="end") as third:
        await third.until_lines("two", "three")
    assert third.losses == 0
    assert third.positions.keys().isdisjoint(follower.positions)


async def test_a_path_that_led_nowhere_at_first(tmp_path: Path) -> None:
    """It has a position all the same."""
    log = tmp_path / "a.log"
    async with Follower(log, start="end") as follower:
        await follower.until_watching()
    append(log, "one\n")
    log.rename(tmp_path / "a.log.1")
    append(log, "two\n")
    async with Follower(log, follower.positions, start="end") as again:
        await again.until_lines("one", "two")
    assert again.losses == 0
    assert len(again.positions) in (1, 2)
    assert again.positions.keys().isdisjoint(follower.positions)


async def test_files_of_a_glob_that_are_gone_leave_few_positions(tmp_path: Path) -> None:
    """Their names may never come again."""
    for number in range(MOST_LEFT + 10):
        append(tmp_path / f"{number:03}.log", f"{number}\n")
    async with Follower(tmp_path / "*.log") as follower:
        await follower.until(lambda: len(follower.lines) == MOST_LEFT + 10)
        for number in range(MOST_LEFT + 10):
            (tmp_path / f"{number:03}.log").unlink()
        await follower.until(lambda: len(follower.positions) == MOST_LEFT)


async def test_an_empty_file_is_read_from_where_it_ended_at_first(tmp_path: Path) -> None:
    """Its position is given before anything is read, whatever ``start`` says."""
    log = tmp_path / "a.log"
    log.touch()
    async with Follower(log, start="end") as follower:
        await follower.until_watching()
    append(log, "one\n")
    log.rename(tmp_path / "a.log.1")
    append(log, "two\n")
    async with Follower(log, follower.positions, start="end") as again:
        await again.until_lines("one", "two")
    assert again.losses == 0


async def test_the_order_of_generations_is_no_matter_of_the_clock(tmp_path: Path) -> None:
    """A relay whose clock was set back since still reads the older file first."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    (name,) = positions
    key, _, born = name.rpartition(":")
    late = f"{key}:{int(born, 16) + 3600 * 10**9:x}"
    log.rename(tmp_path / "a.log.1")
    append(log, "three\n")
    async with Follower(log, {late: positions[name]}) as follower:
        await follower.until(lambda: len(follower.positions) == 2)
    append(tmp_path / "a.log.1", "two\n")
    async with Follower(log, follower.positions) as again:
        await again.until_lines("two", "three")


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
    """A file with another inode that holds the same and more is read on; it may be the next."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    shutil.copyfile(log, tmp_path / "new")
    append(tmp_path / "new", "two\n")
    (tmp_path / "new").rename(log)
    async with Follower(log, positions) as follower:
        await follower.until_lines("two")
    assert follower.losses == 1
    async with Follower(log, follower.positions) as again:
        append(log, "three\n")
        await again.until_lines("three")
    assert again.losses == 0


async def test_the_next_file_begins_alike(tmp_path: Path) -> None:
    """Where what was read is gone, and was rotated, the file at its path is another."""
    log = tmp_path / "a.log"
    append(log, "start\n")
    positions = await read(log, "start")
    log.unlink()
    append(tmp_path / "a.log.1.gz", "cannot be read")
    append(log, "start\ntwo\n")
    async with Follower(log, positions) as follower:
        await follower.until_lines("start", "two")
    assert follower.losses == 1


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
async def test_copied_truncated_and_begun_alike(tmp_path: Path, glob: str) -> None:
    """It looks as if it had only grown: its copy tells."""
    log = tmp_path / "a.log"
    append(log, "start\n")
    positions = await read(tmp_path / glob, "start")
    append(log, "one\n")
    shutil.copyfile(log, tmp_path / "a.log.1")
    log.write_text("start\ntwo\n")
    async with Follower(tmp_path / glob, positions) as follower:
        await follower.until_lines("one", "start", "two")
        await follower.until(lambda: follower.losses == 1)


@pytest.mark.parametrize("end", ["1", "1.gz", "copy"])
async def test_a_copy_of_what_is_still_there(tmp_path: Path, end: str) -> None:
    """It was made to keep, or the file says the same again: a loss, once, and it is read on."""
    log = tmp_path / "a.log"
    append(log, "start\n")
    positions = await read(log, "start")
    shutil.copyfile(log, tmp_path / f"a.log.{end}")
    await asyncio.sleep(TICK_SECONDS)
    append(log, "two\n")
    async with Follower(log, positions) as follower:
        await follower.until_lines("two")
    assert follower.losses == 1
    async with Follower(log, follower.positions) as again:
        append(log, "three\n")
        await again.until_lines("three")
    assert again.losses == 0


async def test_a_copy_in_the_making_at_the_start(tmp_path: Path) -> None:
    """The file is truncated a moment after both were seen: nothing comes twice."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(tmp_path / "a.log*", "one")
    shutil.copyfile(log, tmp_path / "a.log.1")
    async with Follower(tmp_path / "a.log*", positions, channel="a") as follower:
        await follower.until(lambda: follower.source.status.readers.keys() >= {f"{log}.1"})
        log.write_text("")
        append(log, "two\n")
        await follower.until_lines("two")
        await asyncio.sleep(IDLE_SECONDS * 1.2)
    assert follower.lines == ["two"]


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


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
@pytest.mark.parametrize("is_rotated", [True, False])
async def test_an_empty_file_that_was_truncated_and_renamed_meanwhile(
    tmp_path: Path, glob: str, is_rotated: bool
) -> None:
    """A position in a file that was empty says nothing of its lives: its copy comes first."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(tmp_path / glob) as before:
        await before.until_lines("one")
        log.unlink()
        log.touch()
        # It waits for the file before it, and the relay ends before that is finished.
        await before.until(lambda: len(before.positions) == 2)
    append(log, "two\n")
    shutil.copyfile(log, tmp_path / "a.log-00001")
    os.truncate(log, 0)
    await asyncio.sleep(TICK_SECONDS)
    append(log, "three\n")
    if is_rotated:
        log.rename(tmp_path / "a.log.1")
        await asyncio.sleep(TICK_SECONDS)
        append(log, "four\n")
    rest = ["four"] if is_rotated else []
    async with Follower(tmp_path / glob, before.positions) as follower:
        await follower.until_lines("two", "three", *rest)
    told = [
        batch.lines.strings() or "loss" for batch in follower.batches if batch.lines or batch.loss
    ]
    assert "loss" in told[told.index(["two"]) : told.index(["three"])]


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
async def test_a_file_that_was_truncated_while_it_waited(tmp_path: Path, glob: str) -> None:
    """That its reader goes on in a copy is known before anything is read of it."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(tmp_path / glob) as before:
        await before.until_lines("one")
        log.rename(tmp_path / "a.log.1")
        log.touch()
        await before.until(lambda: len(before.positions) == 2)
        append(log, "two\n")
        await asyncio.sleep(TICK_SECONDS)
        (tmp_path / "a.log.1").rename(tmp_path / "a.log.2")
        shutil.copyfile(log, tmp_path / "a.log.1")
        os.truncate(log, 0)
        await before.until(lambda: len(before.positions) == 3)
    assert before.lines == ["one"]
    append(log, "three\n")
    (tmp_path / "a.log.1").rename(tmp_path / "a.log.3")
    log.rename(tmp_path / "a.log.1")
    append(log, "four\n")
    async with Follower(tmp_path / glob, before.positions) as follower:
        await follower.until_lines("two", "three", "four")
    assert follower.losses == 1


async def test_a_file_that_was_truncated_while_it_waited_and_is_lost(tmp_path: Path) -> None:
    """Its loss is known too, and stands before the file's next life."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    async with Follower(log) as before:
        await before.until_lines("one")
        log.rename(tmp_path / "a.log.1")
        log.touch()
        await before.until(lambda: len(before.positions) == 2)
        append(log, "two\n")
        await asyncio.sleep(TICK_SECONDS)
        os.truncate(log, 0)
        await before.until(lambda: len(before.positions) == 3)
    append(log, "three\n")
    async with Follower(log, before.positions) as follower:
        await follower.until_lines("three")
    told = [
        batch.lines.strings() or "loss" for batch in follower.batches if batch.lines or batch.loss
    ]
    assert told == ["loss", ["three"]]


async def test_an_empty_file_whose_inode_another_log_has_now(tmp_path: Path) -> None:
    """Where births are not told its name tells: the other's lines are not given as its own."""
    log, other = tmp_path / "a.log", tmp_path / "b.log"
    log.touch()
    async with Follower(log) as follower:
        await follower.until_watching()
    # As if it had been deleted and its inode given to the next file.
    log.rename(other)
    append(other, "another\n")
    append(log, "one\n")
    ((name, kept),) = follower.positions.items()
    position = FilePosition.parse(kept.value)
    assert position is not None
    unborn = Position(replace(position, born_ns=0).text())
    async with Follower(log, {name: unborn}) as again:
        await again.until_lines("one")
        await asyncio.sleep(IDLE_SECONDS * 1.2)
    assert again.lines == ["one"]


async def test_copied_truncated_and_deleted_meanwhile(tmp_path: Path) -> None:
    """What it held at last is gone: the loss lies behind its last copy."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    for number, line in ((2, "two\n"), (1, "three\n")):
        append(log, line)
        shutil.copyfile(log, tmp_path / f"a.log.{number}")
        await asyncio.sleep(TICK_SECONDS)
        log.write_text("")
    append(log, "four\n")
    log.unlink()
    append(log, "five\n")
    async with Follower(log, positions) as follower:
        await follower.until_lines("two", "three", "five")
    told = [
        batch.lines.strings() or "loss" for batch in follower.batches if batch.lines or batch.loss
    ]
    assert told == [["two"], "loss", ["three"], "loss", ["five"]]


@pytest.mark.parametrize("name", ["a.log.1", "old-a.log", "a.bak"])
async def test_an_empty_file_that_was_filled_and_renamed(tmp_path: Path, name: str) -> None:
    """It is known by its inode and its birth under any name, and finished first."""
    log = tmp_path / "a.log"
    log.touch()
    async with Follower(log) as follower:
        await follower.until_watching()
    append(log, "one\n")
    log.rename(tmp_path / name)
    append(log, "two\n")
    async with Follower(log, follower.positions) as again:
        await again.until_lines("one", "two")
    assert again.losses == 0


@pytest.mark.parametrize("text", ["three\n", "one\nthree\n"])
async def test_a_file_that_has_the_inode_of_one_that_is_gone(tmp_path: Path, text: str) -> None:
    """It is told by its birth: it was not truncated, nor is it the other, grown."""
    log = tmp_path / "a.log"
    append(log, "one\n")
    positions = await read(log, "one")
    log.unlink()
    append(log, "two\n")
    await asyncio.sleep(TICK_SECONDS)
    log.rename(tmp_path / "a.log.1")
    append(log, text)
    ((name, kept),) = positions.items()
    position = FilePosition.parse(kept.value)
    assert position is not None
    assert position.born_ns
    reused = Position(replace(position, ino=log.stat().st_ino).text())
    async with Follower(log, {name: reused}) as follower:
        await follower.until_lines("two", *text.split())
    told = [
        batch.lines.strings() or "loss" for batch in follower.batches if batch.lines or batch.loss
    ]
    assert told == ["loss", ["two"], text.split()]


async def first_look(path: Path, **options: Any) -> dict[str, Position]:
    """Follow until a glob has its position, and return all positions."""
    async with Follower(path, start="end", **options) as follower:
        await follower.until(lambda: follower.globs)
    return follower.positions | follower.globs


@pytest.mark.parametrize("watch", ["inotify", "poll"])
async def test_a_glob_that_found_nothing(tmp_path: Path, watch: str) -> None:
    """What has appeared since is read whole, whatever ``start`` says."""
    positions = await first_look(tmp_path / "*.log", watch=watch)
    append(tmp_path / "a.log", "one\n")
    async with Follower(tmp_path / "*.log", positions, start="end", watch=watch) as follower:
        await follower.until_lines("one")
    assert follower.globs == {}


async def test_a_directory_that_appeared_meanwhile(tmp_path: Path) -> None:
    """It is one of ``**``, and has no position of its own."""
    (tmp_path / "old").mkdir()
    append(tmp_path / "old" / "a.log", "zero\n")
    positions = await first_look(tmp_path / "**" / "*.log")
    assert len(positions) == 2
    (tmp_path / "new" / "deep").mkdir(parents=True)
    append(tmp_path / "new" / "deep" / "a.log", "one\n")
    append(tmp_path / "old" / "a.log", "two\n")
    async with Follower(tmp_path / "**" / "*.log", positions, start="end") as follower:
        await follower.until(lambda: len(follower.lines) == 2)
    assert sorted(follower.lines) == ["one", "two"]


async def test_a_glob_that_is_new_in_the_configuration(tmp_path: Path) -> None:
    """What it takes in is begun where ``start`` says."""
    positions = await first_look(tmp_path / "*.log")
    append(tmp_path / "a.txt", "one\n")
    globs = [str(tmp_path / "*.log"), str(tmp_path / "*.txt")]
    async with Follower(globs, positions, start="end") as follower:
        await follower.until(lambda: follower.globs)
        append(tmp_path / "a.txt", "two\n")
        await follower.until_lines("two")
    assert len(follower.globs) == 1


async def test_a_glob_has_its_position_behind_those_of_its_files(tmp_path: Path) -> None:
    """Else a crash between would let a file that was there be read whole."""
    for number in range(MOST_BATCHES + 1):
        append(tmp_path / f"{number}.log", "one\n")
    async with Follower(tmp_path / "*.log", start="end") as follower:
        await follower.until(lambda: follower.globs)
    assert follower.before_globs == MOST_BATCHES + 1
