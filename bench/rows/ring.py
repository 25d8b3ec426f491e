"""What a full ring costs in memory: distinct lines, before and after they were read."""

import json
import time
import urllib.request

from bench.clients import apart, count_held, first_cursor
from bench.floors import SOURCE
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import PATIENCE_SECONDS, Server, held, live, relay
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
        wait_until_held(server, lines)
        filled = server.rss_bytes()
        apart(count_held, server.port, held(cursor), lines)
        read = server.rss_bytes()
    return {
        "growth a line": (filled - empty) / lines,
        "growth a line, after a reader": (read - empty) / lines,
        "growth by the reader": (read - filled) / MIB,
    }


def wait_until_held(server: Server, lines: int) -> None:
    """
    Wait until the channel's newest line has the number ``lines``.

    Raises:
        RuntimeError: it does not come to that.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while newest_seq(server) < lines:
        if time.monotonic() > deadline:
            raise RuntimeError(f"expected {lines} lines, got {newest_seq(server)}")
        time.sleep(0.05)


def newest_seq(server: Server) -> int:
    """Return the number of the channel's newest line, 0 where there is none."""
    url = f"http://127.0.0.1:{server.port}/api/v1/logs?channel={SOURCE}&limit=1"
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as response:
        logs = json.load(response)["logs"]
    return int(logs[-1]["seq"]) if logs else 0


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
