"""
What a full ring costs in memory: distinct lines, before and after they were read.

They come in bulk, or one at a time, of stdout and stderr by turns.
"""

import shlex
import sys

from bench.clients import apart, count_held, first_cursor
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import FIRST_LINES, Server, Setup, held, live, relay
from bench.workspace import Workspace, appear, knock

MIB = 1 << 20

RATE = 20_000
"""Lines a second, of those that are said one at a time."""

PATIENCE_SECONDS = 600.0
"""What they may take on a machine that has more to do."""

PROCESS = 'type = "process"\ncommand = {command!r}\nrestart = "never"\n'

FILTER, FILTERED = "q=worker%5B3%5D", 97
"""A filter, and of how many lines it passes one."""


def measure_bulk(workspace: Workspace, scale: Scale) -> Sample:
    """Fill a ring from a file without a reader, then let it be read."""
    lines = scale.ring_lines
    with relay(workspace) as server:
        cursor, empty = _begin(server)
        appear(workspace.staged(lines), workspace.next_log())
        server.wait_for_lines(FIRST_LINES + lines)
        return _read(server, cursor, empty, lines)


def measure_single(workspace: Workspace, scale: Scale) -> Sample:
    """Fill a ring from a process that says one line at a time."""
    lines, door = scale.single_lines, workspace.fifo("door")
    producer = shlex.join([sys.executable, "-m", "bench.producer", str(RATE), str(lines)])
    command = f"echo INFO first; read _ <{shlex.quote(str(door))}; exec {producer}"
    with relay(workspace, Setup(keys=PROCESS.format(command=command))) as server:
        cursor, empty = _begin(server)
        knock(door)
        server.wait_for_lines(FIRST_LINES + lines, PATIENCE_SECONDS)
        return _read(server, cursor, empty, lines)


def _begin(server: Server) -> tuple[int, int]:
    """Return the cursor before the lines, and the memory."""
    # A greeting first, so that what the first answer loads is not counted.
    return apart(first_cursor, server.port, live()), server.rss_bytes()


def _read(server: Server, cursor: int, empty: int, lines: int) -> Sample:
    """Let two readers read it all."""
    filled = server.rss_bytes()
    apart(count_held, server.port, held(cursor), lines)
    read = server.rss_bytes()
    selected = len(range(3, lines, FILTERED))
    apart(count_held, server.port, held(cursor, FILTER), selected)
    both = server.rss_bytes()
    return {
        "growth a line": (filled - empty) / lines,
        "growth by an SSE reader": (read - filled) / MIB,
        "growth by it and a filtered one": (both - filled) / MIB,
    }


FIGURES = (
    Figure("growth a line", " bytes", (Bar(140, at_most=True, of_share=False, unit=" bytes"),)),
    Figure("growth by an SSE reader", " MiB"),
    Figure(
        "growth by it and a filtered one",
        " MiB",
        (Bar(64, at_most=True, of_share=False, unit=" MiB"),),
    ),
)

BULK = Row("ring", "memory of a ring of 1,000,000 lines of 100 bytes", FIGURES, measure_bulk)
SINGLE = Row(
    "ring-single",
    "the same, one line at a time, stdout and stderr by turns",
    FIGURES,
    measure_single,
    most_pairs=2,
)
