"""
A run: fault after fault, at random from a seed, while lines flow.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.check import Failure
from tests.faults.kinds import DISK_KINDS, DURABLE_KINDS, KINDS
from tests.faults.scene import Scene, StuckError
from tests.faults.table import Table

__all__ = ["Outcome", "run"]

SETTLE_EVERY = 25
"""After so many faults everything that was written must have arrived."""

LINES_BETWEEN = (50, 700)
"""Written between two faults."""

MAX_WAIT_SECONDS = 2.0
"""Of a line whose store fails: ``commit_timeout``, and as much for a busy machine."""

MAX_P99_SECONDS = 0.5
"""Of a quiet channel while the store fails; 0.1 on a machine that has nothing else to do."""

MAX_FAILURES = 20
"""After so many a run ends: they have one cause mostly."""


@dataclass
class Outcome:
    """
    What a run showed.

    Args:
        seed: that repeats its faults.
        table: counts for each kind.
        failures: promises that were broken.
        log: end of the relay's log, where something failed.
    """

    seed: int
    table: Table = field(default_factory=Table)
    failures: list[Failure] = field(default_factory=list)
    log: str = ""
    told: int = 0
    """How many of the failures were told already."""


async def run(
    folder: Path,
    faults: int,
    seed: int,
    kinds: Sequence[str] = tuple(KINDS),
    tell: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """
    Let faults strike, and judge what readers were given.

    Args:
        folder: empty, for everything that is written.
        faults: how many.
        seed: of all chance.
        kinds: of faults.
        tell: takes sentences about how it goes.
    """
    outcome = Outcome(seed)
    rng = random.Random(seed)
    has_disk = not DISK_KINDS.keys().isdisjoint(kinds)
    has_store = has_disk or not DURABLE_KINDS.keys().isdisjoint(kinds)
    async with Scene(folder, rng, has_store=has_store, has_disk=has_disk) as scene:
        try:
            await scene.flow(max(LINES_BETWEEN))
            await scene.settle()
            await _strike(scene, outcome, faults, kinds, tell)
            if not scene.failures:
                await scene.finish()
                _judge_waits(scene)
        except StuckError as error:
            scene.fail("stuck", str(error))
        _tell(scene.failures[outcome.told :], tell)
        outcome.failures = scene.failures
        _count(scene, outcome)
        if outcome.failures:
            outcome.log = scene.relay.tail()
    return outcome


async def _strike(
    scene: Scene, outcome: Outcome, faults: int, kinds: Sequence[str], tell: Callable[[str], None]
) -> None:
    for number, kind in enumerate(_draw(scene.rng, faults, kinds), 1):
        scene.kind = kind
        lines = scene.record.total
        scene.tell(f"{number}: {kind}")
        await KINDS[kind].strike(scene)
        await scene.flow(scene.rng.randrange(*LINES_BETWEEN))
        row = outcome.table.row(kind)
        row.faults += 1
        row.lines += scene.record.total - lines
        if number % SETTLE_EVERY == 0:
            await scene.settle()
            tell(f"{number} of {faults} faults, {scene.record.total} lines")
        scene.collect()
        _tell(scene.failures[outcome.told :], tell)
        outcome.told = len(scene.failures)
        if len(scene.failures) >= MAX_FAILURES:
            return


def _draw(rng: random.Random, faults: int, kinds: Sequence[str]) -> list[str]:
    """Return kinds in random order, each at least as often as it wants."""
    drawn = [kind for kind in kinds for _ in range(KINDS[kind].least)]
    more = max(0, faults - len(drawn))
    drawn += rng.choices(kinds, [KINDS[kind].weight for kind in kinds], k=more)
    rng.shuffle(drawn)
    return drawn[:faults]


def _tell(failures: Sequence[Failure], tell: Callable[[str], None]) -> None:
    for failure in failures:
        tell(str(failure))


def _judge_waits(scene: Scene) -> None:
    """Hold against the promise how long lines waited while the store was no use."""
    for kind, waits in scene.pulse.waits().items():
        if waits.longest > MAX_WAIT_SECONDS or waits.p99 > MAX_P99_SECONDS:
            scene.kind = kind
            scene.fail("slow", f"a line waited {waits.longest:.2f} s, p99 {waits.p99:.3f} s")


def _count(scene: Scene, outcome: Outcome) -> None:
    """Enter failures and gaps into the table, by what struck before them."""
    outcome.table.add(outcome.failures)
    outcome.table.kills = scene.kills
    outcome.table.waits = scene.pulse.waits()
    for reader in scene.every_reader:
        for hole in reader.judge.holes:
            reasons = {gap["reason"] for gap in hole.gaps}
            stream = scene.record.streams[hole.stream]
            kind = stream.kind_at(hole.until)
            if "evicted" in reasons:
                kind = reader.struck
            elif "storage" in reasons:
                kind = stream.damage_in(hole.first, hole.until) or kind
            row = outcome.table.row(kind)
            row.gaps += 1
            row.in_gaps += hole.missing
            row.uncounted += hole.count is None
