"""
What happens to runs: started, counted, entered, ended, left.

Rule of this file: the hub does this to the runs in memory and a store to those in its index, so
that the next life goes on with the same.
"""

from relay.run import Counted, Ending, Run, Start
from relay.span import Span

__all__ = ["count_run", "end_run", "ending_in", "enter_runs", "leave_run", "start_run"]

Runs = dict[str, Run]
"""Runs by id."""


def start_run(runs: Runs, start: Start, last_id: int) -> list[str]:
    """
    Start a run, or take back its ending if its name comes again.

    Args:
        runs: that are known; changed.
        start: what was said.
        last_id: the greatest id before it.

    Returns:
        The channels in which its ending is taken back.
    """
    change, reopened = start.change, list[str]()
    run = runs.get(change.run)
    if run is None:
        run = Run(change.run, start.source, change.started_ns, change.instance, change.pid)
        runs[change.run] = run
    elif run.ending_id is not None:
        reopened = list(run.last_ids)
        run.ending_id = run.ended_ns = run.exit_code = run.signal = None
        run.status = "running"
        if change.anew:
            run.offset, run.offset_bytes = 0, 0
    run.last_ids.setdefault(start.channel, last_id)
    return reopened


def count_run(runs: Runs, counted: Counted) -> None:
    """Note how much of a pushed run has been taken, if it is known."""
    run = runs.get(counted.change.run)
    if run is not None:
        run.offset, run.offset_bytes = counted.change.offset, counted.change.offset_bytes


def enter_runs(runs: Runs, span: Span) -> list[Run]:
    """Count the lines of a span to their runs, made if they are new, and return these."""
    block, entered = span.block, list[Run]()
    for index, origin in enumerate(block.origins):
        if origin.run is None:
            continue
        run = runs.get(origin.run)
        if run is None:
            run = Run(origin.run, origin.source, block.arrival_ns, origin.instance)
            runs[origin.run] = run
        if block.origin_index is None:
            run.lines += span.stop - span.start
        else:
            run.lines += block.origin_index.count(index, span.start, span.stop)
        run.last_ids[block.channel] = span.last_id
        entered.append(run)
    return entered


def end_run(runs: Runs, ending: Ending) -> Run:
    """End a run, made if it is new, and return it."""
    run = runs.get(ending.run)
    if run is None:
        run = runs[ending.run] = Run(ending.run, "", ending.timestamp_ns)
    run.last_ids.setdefault(ending.channel, ending.id)
    run.ended_ns, run.ending_id = ending.timestamp_ns, ending.id
    run.status, run.exit_code, run.signal = ending.status, ending.exit_code, ending.signal
    return run


def leave_run(runs: Runs, name: str, channel: str) -> None:
    """Let a known run have nothing in a channel; one with no channel left is forgotten."""
    run = runs.get(name)
    if run is not None:
        run.last_ids.pop(channel, None)
        if not run.last_ids:
            del runs[name]


def ending_in(run: Run, channel: str) -> Ending | None:
    """Return a run's ending as one of its channels has it; ``None`` while it is under way."""
    if run.ending_id is None or run.ended_ns is None:
        return None
    return Ending(
        run.ending_id, channel, run.id, run.ended_ns, run.status, run.exit_code, run.signal
    )
