"""Samples into a table, and into JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.row import Figure, Row, Sample

__all__ = ["Result", "render", "save"]


@dataclass(frozen=True, slots=True)
class Result:
    """
    All runs of a row.

    Args:
        row: which.
        relay: samples of the relay.
        floor: samples of the floor, each the neighbour of the relay's; empty without a floor.
        discarded: runs that did not count.
    """

    row: Row
    relay: Sequence[Sample]
    floor: Sequence[Sample]
    discarded: int = 0

    def shares(self, figure: Figure) -> list[float]:
        """Return the ratio of each pair; none without a floor."""
        pairs = zip(self.relay, self.floor, strict=bool(self.floor))
        return [relay[figure.name] / floor[figure.name] for relay, floor in pairs]


HEADINGS = ("", "relay", "floor", "share", "spread", "to reach", "")


def render(results: Sequence[Result]) -> str:
    """Lay the results out as text."""
    lines: list[tuple[str, ...]] = [HEADINGS]
    for result in results:
        note = f" ({result.discarded} runs discarded)" if result.discarded else ""
        lines.append((result.row.title + note, "", "", "", "", "", ""))
        lines.extend(_cells(result, figure) for figure in result.row.figures)
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(result: Result, figure: Figure) -> tuple[str, ...]:
    relay = median(sample[figure.name] for sample in result.relay)
    shares = result.shares(figure)
    share = median(shares) if shares else None
    return (
        f"  {figure.name}",
        _value(relay, figure.unit),
        _value(median(s[figure.name] for s in result.floor), figure.unit) if shares else "",
        "" if share is None else f"{share:.2f} ×",
        f"{min(shares):.2f} – {max(shares):.2f}" if len(shares) > 1 else "",
        ", ".join(str(bar) for bar in figure.bars),
        _verdict(figure, relay, share),
    )


def _verdict(figure: Figure, relay: float, share: float | None) -> str:
    if not figure.bars:
        return ""
    return "met" if all(bar.is_met(relay, share) for bar in figure.bars) else "MISSED"


def _value(value: float, unit: str) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}{unit}"


def save(results: Sequence[Result], path: Path) -> None:
    """Write every sample as JSON."""
    rows = {
        result.row.name: {
            "title": result.row.title,
            "relay": list(result.relay),
            "floor": list(result.floor),
            "discarded": result.discarded,
        }
        for result in results
    }
    path.write_text(json.dumps(rows, indent=2) + "\n")
