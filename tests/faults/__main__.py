"""
Let faults strike the relay, and print what came of it.

    python -m tests.faults [--faults 1000] [--seed N] [--kinds KIND,KIND]
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from tests.faults.kinds import KINDS
from tests.faults.run import Outcome, run

__all__ = ["main"]


def main() -> int:
    """Run as the command line says; return 1 where a promise was broken."""
    options = _options()
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)  # noqa: T201 a command's output
    started = time.monotonic()
    with (
        _folder(options.folder) as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        outcome = runner.run(run(folder, options.faults, seed, options.kinds, _tell))
    _report(outcome, time.monotonic() - started)
    return 1 if outcome.failures else 0


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="relay-faults-") as folder:
        yield Path(folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__)
    parser.add_argument("--faults", type=int, default=1000, help="how many")
    parser.add_argument("--seed", type=int, help="of all chance; another each time by default")
    parser.add_argument("--kinds", type=_kinds, default=list(KINDS), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--folder", type=Path, help="new, and kept with all that was written")
    return parser.parse_args()


def _kinds(text: str) -> list[str]:
    kinds = text.split(",")
    for kind in kinds:
        if kind not in KINDS:
            raise argparse.ArgumentTypeError(f"expected of {', '.join(KINDS)}, got {kind!r}")
    return kinds


def _tell(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 a command's output


def _report(outcome: Outcome, seconds: float) -> None:
    _tell(f"\n{outcome.table}\n\nseed {outcome.seed}, {seconds:.0f} s")
    if outcome.failures:
        _tell(f"{len(outcome.failures)} failures; the relay's log ends with\n{outcome.log}")


if __name__ == "__main__":
    sys.exit(main())
