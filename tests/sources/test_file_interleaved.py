import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.sources.file_interleaved import follow

SEEDS = 25


def check(given: Sequence[int | None], written: int, ways: Sequence[str]) -> None:
    """See that all comes once, in order, and that where anything is missing there is a loss."""
    is_exact = not {"delete", "copytruncate"} & set(ways)
    # Of two files that were deleted at once nobody may know which was open: between losses.
    is_doubtful = {"delete", "rename"} <= set(ways)
    expected, is_lossy, seen = 0, False, set[int]()
    for number in given:
        if number is None:
            assert not is_exact, given
            is_lossy = True
            continue
        assert number not in seen, given
        assert number == expected or is_lossy, given
        assert number >= expected or is_doubtful, given
        seen.add(number)
        expected, is_lossy = max(expected, number + 1), False
    assert expected == written, given


@pytest.mark.parametrize("glob", ["a.log", "a.log*"])
@pytest.mark.parametrize(
    "ways",
    [
        ("rename",),
        ("chain",),
        ("delete",),
        ("copytruncate",),
        ("rename", "delete"),
        ("rename", "copytruncate"),
        ("rename", "copytruncate", "delete"),
    ],
    ids="+".join,
)
def test_a_program_that_rotates_between_any_two_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ways: Sequence[str], glob: str
) -> None:
    """Each line comes once, in order; what nobody could read is a loss at its place."""
    for seed in range(SEEDS):
        directory = tmp_path / str(seed)
        directory.mkdir()
        check(*follow(monkeypatch, directory, ways, glob, seed), ways)
        shutil.rmtree(directory)
