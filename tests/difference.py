"""How a long list of lines differs from what was expected, in a few words."""

from collections import Counter
from collections.abc import Sequence

__all__ = ["difference"]

MOST_RUNS = 30


def difference(given: Sequence[str], expected: Sequence[str]) -> str:
    """
    Say what is missing, repeated, foreign or out of order; ``""``: nothing is.

    Args:
        given: lines as they came.
        expected: the same, each different from all others.
    """
    if list(given) == list(expected):
        return ""
    at = {line: number for number, line in enumerate(expected)}
    missing = len(at.keys() - set(given))
    repeated = sum(count - 1 for count in Counter(given).values())
    foreign = sum(line not in at for line in given)
    runs = _runs([at.get(line, line) for line in given])
    shown = ", ".join(runs[:MOST_RUNS]) + (" …" if len(runs) > MOST_RUNS else "")
    counts = f"{missing} missing, {repeated} repeated, {foreign} foreign"
    return f"of {len(expected)} lines {counts}; in this order came: {shown}"


def _runs(items: Sequence[int | str]) -> list[str]:
    """Return lines, given by their numbers, as runs from first to last; foreign ones as text."""
    runs: list[tuple[int | str, int | str]] = []
    for item in items:
        if runs and isinstance(item, int) and isinstance(runs[-1][1], int):
            first, last = runs[-1][0], runs[-1][1]
            if item == last + 1:
                runs[-1] = first, item
                continue
        runs.append((item, item))
    return [f"{first!r}" if first == last else f"{first}-{last}" for first, last in runs]
