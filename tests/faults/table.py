"""What a run of faults showed, as a table: a row for each kind."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.faults.check import Failure
from tests.faults.pulse import Waits
from tests.faults.steps import STARTING, STEPS

__all__ = ["Row", "Table"]


@dataclass(slots=True)
class Row:
    """What came of one kind of fault."""

    faults: int = 0
    lines: int = 0
    lost: int = 0
    repeated: int = 0
    other: int = 0
    gaps: int = 0
    in_gaps: int = 0
    """Lines that gaps declare, to any reader."""
    uncounted: int = 0
    """Gaps that do not say how many."""


@dataclass
class Table:
    """Rows by the kind of fault."""

    rows: dict[str, Row] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    """Kills of the relay by the step that it had come to."""
    waits: dict[str, Waits] = field(default_factory=dict)
    """How long lines waited, by the fault of the disk."""

    def row(self, kind: str) -> Row:
        """Return the row of a kind."""
        return self.rows.setdefault(kind, Row())

    def add(self, failures: Iterable[Failure]) -> None:
        """Count failures, each for the kind of the last fault before it."""
        for failure in failures:
            row = self.row(failure.kind)
            if failure.what in ("lost", "repeated"):
                setattr(row, failure.what, getattr(row, failure.what) + failure.lines)
            else:
                row.other += 1

    def __str__(self) -> str:
        rows = [("kind", *Row.__slots__)] + [
            (kind, *(str(getattr(row, name)) for name in Row.__slots__))
            for kind, row in [*self.rows.items(), ("all", self._sum())]
        ]
        text = _aligned(rows)
        if self.kills:
            kills = [(step, str(self.kills[step])) for step in (STARTING, *STEPS)]
            kills.append(("all", str(self.kills.total())))
            text += "\n\n" + _aligned([("killed after", "times"), *kills])
        if self.waits:
            waits = [
                (kind, str(one.lines), f"{one.longest:.3f}", f"{one.p99:.3f}")
                for kind, one in self.waits.items()
            ]
            head = ("a quiet channel", "lines", "longest wait, s", "p99 while failing, s")
            text += "\n\n" + _aligned([head, *waits])
        return text

    def _sum(self) -> Row:
        total = Row()
        for row in self.rows.values():
            for name in Row.__slots__:
                setattr(total, name, getattr(total, name) + getattr(row, name))
        return total


def _aligned(rows: Iterable[tuple[str, ...]]) -> str:
    columns = list(zip(*rows, strict=True))
    first, *rest = [(column, max(map(len, column))) for column in columns]
    lines = []
    for number, name in enumerate(first[0]):
        cells = [column[number].rjust(width) for column, width in rest]
        lines.append("  ".join([name.ljust(first[1]), *cells]))
    return "\n".join(lines)
