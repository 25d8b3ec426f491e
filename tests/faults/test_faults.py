"""A short share of `make faults`: every kind that there is, from a fixed seed."""

from pathlib import Path

from tests.faults.kinds import KINDS
from tests.faults.run import run
from tests.faults.steps import STEPS

FAULTS = sum(kind.least for kind in KINDS.values())
SEED = 4


async def test_faults_under_load_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """Real files, programs, clients and disks; the writers' record says what has to arrive."""
    outcome = await run(tmp_path, FAULTS, SEED, list(KINDS))
    assert [str(failure) for failure in outcome.failures] == [], outcome.log
    assert set(outcome.table.rows) >= set(KINDS)
    assert sum(row.faults for row in outcome.table.rows.values()) == FAULTS
    assert all(outcome.table.kills[step] for step in STEPS)
