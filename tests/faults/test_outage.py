"""What readers are excused from while the disk is no use."""

import pytest

from tests.faults.outage import excused
from tests.faults.test_check import gap, judged, log, logs, record, said

LINES = 3000
"""Three times what a ring holds."""


@pytest.mark.parametrize(
    ("until", "is_prompt", "passes"),
    [(55, True, False), (55, False, True), (1005, True, False), (LINES, True, True)],
)
@pytest.mark.parametrize("count", [None, "all"])
def test_a_start_excuses_of_what_left_the_rings(
    until: int, is_prompt: bool, passes: bool, count: str | None
) -> None:
    """What the rings hold a prompt reader is given, and others may be told that it is gone."""
    made = record()
    made.streams["web"].count = lambda: until
    judge, _ = judged(*logs(0, 1, 2, 3, 4), record=made, fading=[])
    starts, seen, counts = {"web": 5}, {"web": 5, "db": 0}, {"web": until, "db": 100}
    judge.excuse(excused(starts, seen, counts, is_prompt=is_prompt), counts)
    told = until - 5 if count else None
    judge.take(gap(5, until, told, at_least=told or 0, reason="storage"))
    judge.take(log(until))
    judge.settle()
    assert (said(judge) == []) is passes


def test_each_stream_is_excused_for_itself() -> None:
    """That much was written to one says nothing of another."""
    starts, seen = {"web": 5, "db": 7}, {"web": 5, "db": 7, "job": 0}
    counts = {"web": 1006, "db": 1007, "job": 9999}
    assert excused(starts, seen, counts, is_prompt=True) == {"web": 5}
    assert excused(starts, seen, counts, is_prompt=False) == {"web": 5, "db": 7}
