"""What a full ring costs in memory: distinct lines, before and after they were read."""

from bench.clients import apart, count_held, first_cursor
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import FIRST_LINES, held, live, relay
from bench.workspace import Workspace, appear

MIB = 1 << 20


def measure_relay(workspace: Workspace, scale: Scale) -> Sample:
    """Fill a ring without a reader, then let one read it all."""
    lines = scale.ring_lines
    with relay(workspace) as server:
        # A greeting first, so that what the first answer loads is not counted.
        cursor = apart(first_cursor, server.port, live())
        empty = server.rss_bytes()
        appear(workspace.staged(lines), workspace.next_log())
        server.wait_for_lines(FIRST_LINES + lines)
        filled = server.rss_bytes()
        apart(count_held, server.port, held(cursor), lines)
        read = server.rss_bytes()
    return {
        "growth a line": (filled - empty) / lines,
        "growth a line, after a reader": (read - empty) / lines,
        "growth by the reader": (read - filled) / MIB,
    }


ROW = Row(
    "ring",
    "memory of a ring of 1,000,000 lines of 100 bytes",
    (
        Figure(
            "growth a line",
            " bytes",
            (Bar(140, at_most=True, of_share=False, unit=" bytes"),),
        ),
        Figure("growth a line, after a reader", " bytes"),
        Figure(
            "growth by the reader",
            " MiB",
            (Bar(64, at_most=True, of_share=False, unit=" MiB"),),
        ),
    ),
    measure_relay,
)
