import os
import shutil
from pathlib import Path

import pytest

from tests.sources.file_follower import Follower, append


def copy_and_truncate(log: Path, text: str) -> None:
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
            copy_and_truncate(log, text)
            await until_copy_is_read(follower, before)
            await follower.until_lines("one", *text.split())
    if is_down:
        copy_and_truncate(log, text)
        async with Follower(log, follower.positions) as follower:
            await until_copy_is_read(follower, before)
            await follower.until_lines(*text.split())
    log.with_name("a.log.1").rename(tmp_path / "a.log.2")
    log.rename(tmp_path / "a.log.1")
    append(log, "three\n")
    async with Follower(log, follower.positions) as follower:
        await follower.until_lines("three")
