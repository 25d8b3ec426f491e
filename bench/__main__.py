"""
Run the benchmarks and print their table.

    python -m bench [--quick] [--pairs N] [--archive-gb N] [--json FILE] [ROW ...]
    python -m bench --peers [the same]
    python -m bench --scaling [--quick]
"""

import argparse
import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.peers import PEERS
from bench.row import QUICK, DiscardedError, Measure, Row, Sample, Scale
from bench.rows import ROWS
from bench.scaling import measure_scaling
from bench.table import Result, render, save
from bench.workspace import Workspace

ATTEMPTS = 3
"""How often a run is repeated that does not count, before its row fails."""


def main() -> None:
    """Run the rows that were asked for."""
    arguments = parse()
    scale = QUICK if arguments.quick else Scale()
    if arguments.pairs:
        scale = replace(scale, pairs=arguments.pairs)
    if arguments.archive_gb:
        scale = replace(scale, archive_bytes=int(arguments.archive_gb * 1e9))
    allow_many_sockets()
    if arguments.scaling:
        print(measure_scaling(scale, is_quick=arguments.quick))
        return
    choice = PEERS if arguments.peers else ROWS
    rows = [row for row in choice if not arguments.rows or row.name in arguments.rows]
    results, failures = [], []
    for row in rows:
        print(f"{row.title} …", file=sys.stderr, flush=True)
        try:
            results.append(run(row, scale))
        except RuntimeError as error:
            failures.append(f"{row.name}: {error}")
    print(render(results))
    if arguments.json:
        save(results, arguments.json)
    sys.exit("\n".join(failures) or None)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[1])
    names = [row.name for row in (*ROWS, *PEERS)]
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", choices=[*names, []], help=", ".join(names)
    )
    parser.add_argument("--quick", action="store_true", help="one pair of short runs")
    parser.add_argument("--peers", action="store_true", help="beside others' servers")
    parser.add_argument("--scaling", action="store_true", help="how cost grows, instead of rows")
    parser.add_argument("--pairs", type=int, help="pairs of runs (5)")
    parser.add_argument("--archive-gb", type=float, help="text of the archive for store-page (10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    return parser.parse_args()


def allow_many_sockets() -> None:
    """Raise the limit of open files, for the clients and for the servers that inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(row: Row, scale: Scale) -> Result:
    """
    Measure the relay and its floor by turns.

    Raises:
        RuntimeError: a run lost lines, or none counted.
    """
    relay, floor, discarded = [], [], 0
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        workspace = Workspace(Path(folder))
        for _ in range(min(scale.pairs, row.most_pairs or scale.pairs)):
            sample, _ = attempt(row.relay, workspace, scale)
            relay.append(sample)
            if row.floor is not None:
                sample, failed = attempt(row.floor, workspace, scale)
                floor.append(sample)
                discarded += failed
            workspace.clear()
    return Result(row, relay, floor, discarded)


def attempt(measure: Measure, workspace: Workspace, scale: Scale) -> tuple[Sample, int]:
    """Return a run that counts, and how many did not."""
    for failed in range(ATTEMPTS):
        try:
            return measure(workspace, scale), failed
        except DiscardedError as error:
            print(f"  a run does not count: {error}", file=sys.stderr, flush=True)
    raise RuntimeError(f"no run of {ATTEMPTS} counts")


if __name__ == "__main__":
    main()
