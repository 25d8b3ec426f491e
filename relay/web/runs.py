"""Runs as they are now."""

from typing import Any

from aiohttp import web

from relay.encode.objects import timestamp
from relay.run import Run
from relay.web.answers import answer
from relay.web.keys import HUB

__all__ = ["all_runs", "one_run", "run_object"]


async def all_runs(request: web.Request) -> web.Response:
    """Answer with all runs that are known, by their start."""
    runs = sorted(request.app[HUB].runs.values(), key=lambda run: run.started_ns)
    return answer({"runs": [run_object(run) for run in runs]})


async def one_run(request: web.Request) -> web.Response:
    """Answer with one run."""
    return answer(run_object(request.app[HUB].run(request.match_info["run"])))


def run_object(run: Run) -> dict[str, Any]:
    """Return a run as JSON shows it."""
    return {
        "id": run.id,
        "source": run.source,
        "instance": run.instance,
        "channels": sorted(run.last_ids),
        "started": timestamp(run.started_ns).decode(),
        "ended": None if run.ended_ns is None else timestamp(run.ended_ns).decode(),
        "status": run.status,
        "exit_code": run.exit_code,
        "signal": run.signal,
        "pid": run.pid,
        "lines": run.lines,
        "offset": run.offset,
        "ending_id": run.ending_id,
    }
