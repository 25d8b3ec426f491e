"""The table: medians, shares of neighbours, and whether the bars are met."""

from bench.row import Bar, Figure, Row, Sample, Scale
from bench.table import Result, render
from bench.workspace import Workspace


def nothing(workspace: Workspace, scale: Scale) -> Sample:
    """Never called here."""
    raise AssertionError


SPEED = Row(
    "speed",
    "how fast",
    (
        Figure("lines/s", "", (Bar(0.5), Bar(1e6, of_share=False))),
        Figure("p99", " ms", (Bar(1.5, at_most=True),)),
    ),
    nothing,
    nothing,
)
MEMORY = Row("memory", "how big", (Figure("growth", " bytes"),), nothing)


def test_a_share_is_the_median_of_neighbours_ratios() -> None:
    """Not the ratio of medians: a slow minute touches both of a pair."""
    relay = [
        {"lines/s": 1.2e6, "p99": 3.0},
        {"lines/s": 0.1e6, "p99": 9.0},
        {"lines/s": 2e6, "p99": 4},
    ]
    floor = [
        {"lines/s": 2e6, "p99": 1.0},
        {"lines/s": 0.2e6, "p99": 3.0},
        {"lines/s": 2e6, "p99": 4.0},
    ]
    lines = render([Result(SPEED, relay, floor, discarded=2)]).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "relay floor share spread to reach",
        "how fast (2 runs discarded)",
        "lines/s 1,200,000 2,000,000 0.60 × 0.50 – 1.00 ≥ 0.5 ×, ≥ 1,000,000 met",
        "p99 4.00 ms 3.00 ms 3.00 × 1.00 – 3.00 ≤ 1.5 × MISSED",
    ]


def test_a_row_without_a_floor_has_only_the_relays_figures() -> None:
    """No share, and no verdict where nothing is to be reached."""
    assert render([Result(MEMORY, [{"growth": 139.46}], [])]) == (
        "              relay  floor  share  spread  to reach\nhow big\n  growth  139 bytes"
    )
