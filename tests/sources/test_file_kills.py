"""Files under rotation, and a relay that is killed at any moment."""

import asyncio
import random
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from relay.entry import Loss
from relay.sources.file import FileOptions, FileSource
from relay.sources.supervisor import Supervisor
from relay.status import SourceStatus
from tests.sources.committed import Committed

KILLS = 14
"""Of one test; each comes up to KILL_SECONDS after a start."""

KILL_SECONDS = 0.25

SECONDS = 30.0
"""How long the last life may take."""


class Program:
    """
    Writes numbered lines to a file, and rotates it.

    Args:
        path: of the file.
        chance: what happens.
        how: one way of rotating, of ``rename``, ``chain``, ``dates`` and ``copytruncate``.
    """

    def __init__(self, path: Path, chance: random.Random, how: str) -> None:
        self.lines = 0
        self._path = path
        self._chance = chance
        self._how = how
        self._rotations = 0

    def work(self) -> None:
        """Write some lines, which may be cut anywhere, and maybe rotate."""
        with self._path.open("a") as file:
            for _ in range(self._chance.randrange(60)):
                file.write(f"{self.lines:06} {'x' * self._chance.randrange(200)}\n")
                self.lines += 1
        if self._chance.random() < 0.3:
            self._rotate()

    def _rotate(self) -> None:
        self._rotations += 1
        name = self._path.name
        if self._how == "chain":
            for number in range(self._rotations, 0, -1):
                old = self._path.with_name(f"{name}.{number}")
                if old.exists():
                    old.rename(self._path.with_name(f"{name}.{number + 1}"))
            self._path.rename(self._path.with_name(f"{name}.1"))
        elif self._how == "dates":
            self._path.rename(self._path.with_name(f"{name}-{20261100 + self._rotations}"))
        elif self._how == "rename":
            self._path.rename(self._path.with_name(f"{name}.{self._rotations}"))
        else:
            shutil.copyfile(self._path, self._path.with_name(f"{name}.{self._rotations}"))
            self._path.write_text("")
        if self._chance.random() < 0.5:
            self._path.touch()


def numbers(store: Committed) -> list[int]:
    """Return the numbers of the lines that were committed."""
    return [int(line[:6]) for line in store.held("a") if isinstance(line, str)]


def losses(store: Committed) -> int:
    """Return how many losses were committed."""
    return sum(isinstance(item, Loss) for item in store.held("a"))


def start(store: Committed, path: Path, **options: Any) -> "asyncio.Task[None]":
    """Begin a new life."""
    hub = store.new_hub()
    given = FileOptions.model_validate({"type": "file", "path": str(path), **options})
    source = FileSource("app", given, SourceStatus("app", "file"))
    positions = {reader: kept for (_, reader), kept in store.positions.items()}
    return asyncio.create_task(Supervisor(source, hub, positions=positions).run())


async def write_for_a_while(program: Program, chance: random.Random) -> None:
    """Let the program work while the relay reads."""
    loop = asyncio.get_running_loop()
    until = loop.time() + chance.random() * KILL_SECONDS
    while loop.time() < until:
        program.work()
        await asyncio.sleep(chance.choice([0.0, 0.001, 0.03]))


@pytest.mark.parametrize("how", ["rename", "chain", "dates", "copytruncate"])
@pytest.mark.parametrize("glob", ["a.log", "*.log"])
@pytest.mark.parametrize("seed", [1])
async def test_every_line_once_over_any_kill(
    tmp_path: Path, how: str, glob: str, seed: int
) -> None:
    """Also over rotations while nobody looks; only truncation may lose, and says so."""
    chance = random.Random(f"{seed} {how} {glob}")
    store = Committed()
    program = Program(tmp_path / "a.log", chance, how)
    (tmp_path / "a.log").touch()
    await (first := asyncio.create_task(committed(store, tmp_path / glob)))
    del first
    for _ in range(KILLS):
        task = start(store, tmp_path / glob, max_line_bytes="256B")
        await write_for_a_while(program, chance)
        await store.kill(task)
        for _ in range(chance.randrange(3)):
            program.work()
    task = start(store, tmp_path / glob, max_line_bytes="256B")
    try:
        async with asyncio.timeout(SECONDS):
            while (numbers(store) or [0])[-1] < program.lines - 1:
                await asyncio.sleep(0.02)
    except TimeoutError:
        pass
    finally:
        await store.kill(task)
    given = numbers(store)
    assert given == sorted(set(given))
    if how == "copytruncate":
        assert given[-1] == program.lines - 1
        assert losses(store) or given == list(range(program.lines))
    else:
        assert given == list(range(program.lines))
        assert losses(store) == 0
    assert len(store.positions) < 4 + (how == "copytruncate") * 40


async def committed(store: Committed, path: Path) -> None:
    """Live until the first position is committed."""
    task = start(store, path)
    async with asyncio.timeout(SECONDS):
        while not store.positions:
            await asyncio.sleep(0)
    await store.kill(task)


async def test_lines_that_are_held_back_come_once(tmp_path: Path) -> None:
    """A position covers what has passed, not what was read."""
    store = Committed()
    with (tmp_path / "a.log").open("w") as file:
        file.writelines(f"{number:06}\n" for number in range(400))
    for _ in range(3):
        task = start(store, tmp_path / "a.log", start="beginning", max_lines_per_second=90)
        before = len(numbers(store))
        async with asyncio.timeout(SECONDS):
            while len(numbers(store)) == before:
                await asyncio.sleep(0.001)
        await store.kill(task)
    given = numbers(store)
    assert given == list(range(len(given)))
    assert 3 <= len(given) < 400


LIFE_SECONDS = 0.5
"""Shorter than the grace that a file has whose name has gone."""


async def test_lives_that_are_shorter_than_the_grace_get_on(tmp_path: Path) -> None:
    """What is behind a file that was finished in an earlier life is read all the same."""
    path = tmp_path / "a.log"
    store = Committed()

    def write(first: int, stop: int) -> None:
        with path.open("a") as file:
            file.write("".join(f"{number:06} x\n" for number in range(first, stop)))

    async def live(until: int) -> None:
        task = start(store, tmp_path / "a.log*", channel="a")
        with suppress(TimeoutError):
            async with asyncio.timeout(LIFE_SECONDS):
                while (numbers(store) or [-1])[-1] < until - 1:
                    await asyncio.sleep(0.02)
        await store.kill(task)

    write(0, 200)
    await committed(store, tmp_path / "a.log*")
    write(200, 300)
    task = start(store, tmp_path / "a.log*", channel="a")
    while (numbers(store) or [-1])[-1] < 299:
        await asyncio.sleep(0.02)
    shutil.copyfile(path, tmp_path / "a.log.1")
    path.write_text("")
    write(300, 400)
    while (numbers(store) or [-1])[-1] < 399:
        await asyncio.sleep(0.02)
    await store.kill(task)
    write(400, 500)
    for _ in range(20):
        await live(500)
    assert numbers(store)[-1] == 499
