"""How long a quiet channel's lines take while another is flooded at full speed."""

import shlex
from functools import partial

from bench.clients import apart, beside, drain_live
from bench.latencies import time_lines
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import Setup, State, live, relay
from bench.workspace import Workspace

RATE = 100
"""Lines a second of the quiet channel."""

FLOOD_LINES = 100_000
"""Of the file that is said over and over."""

FLOOD = """
[sources.flood]
type = "process"
command = {command!r}
restart = "never"

[channels.flood]
lines = 100_000
bytes = "64MiB"
"""


def measure(is_stored: bool, workspace: Workspace, scale: Scale) -> Sample:
    """Time lines of one channel; another has a client too, which takes all it is given."""
    state = State(workspace.new_state()) if is_stored else None
    # It ends with the pipe: "cat" fails once nobody reads.
    command = f"while cat {shlex.quote(str(workspace.staged(FLOOD_LINES)))}; do :; done"
    setup = Setup(state, more=FLOOD.format(command=command))
    with relay(workspace, setup) as server, beside(drain_live, server.port, "/flood/sse?tail=0"):
        log = workspace.next_log()
        before = server.newest("flood")
        times = apart(
            time_lines, server.port, live(), log, 1, RATE, scale.flood_seconds, server.pid
        )
        flooded = server.newest("flood") - before
    return {
        "p50": times.p50_ms,
        "p99": times.p99_ms,
        "flood": flooded / scale.flood_seconds,
    }


def _row(name: str, title: str, is_stored: bool) -> Row:
    figures = (
        Figure("p50", " ms"),
        Figure("p99", " ms", (Bar(50, at_most=True, of_share=False, unit=" ms"),)),
        Figure("flood", " lines/s"),
    )
    return Row(name, title, figures, partial(measure, is_stored))


QUIET = _row("flood", "a quiet channel beside one that is flooded", False)
STORED = _row("store-flood", "a quiet channel beside one that is flooded, with a store", True)
