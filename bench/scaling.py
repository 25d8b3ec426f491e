"""
How cost grows: with the number of clients, of channels, and of lines in the ring.

Tables of the relay alone, one run a line; no floor stands beside them.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from bench.clients import apart, count_coming, first_cursor
from bench.latencies import time_lines
from bench.row import Scale
from bench.rows.fanout import measure_relay
from bench.servers import FIRST_LINES, SOURCE, Server, Setup, get, live, relay
from bench.workspace import Workspace, appear

__all__ = ["measure_scaling"]

CLIENTS = (1, 10, 100, 1000)
CHANNELS = (1, 10, 100, 1000)
RING_LINES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)

CHANNEL_LINES = 500_000
"""Over all channels together."""

RATE = 100
"""Lines a second of which the latency is taken."""

PAGES = 20
PATIENCE_SECONDS = 600.0

Line = Sequence[float]


def measure_scaling(scale: Scale, *, is_quick: bool) -> str:
    """
    Return three tables as text.

    Args:
        scale: how long lines are written.
        is_quick: whether the dearest line of each is left out, and the rest is shorter.
    """
    tables: list[tuple[str, tuple[str, ...], Sequence[int], Callable[..., Line]]] = [
        (
            "clients",
            ("events/s", "ns an event", "p50 ms", "p99 ms"),
            CLIENTS,
            partial(_of_clients, scale),
        ),
        ("channels", ("lines/s", "µs a line", "p50 ms", "p99 ms"), CHANNELS, _of_channels),
        (
            "lines in the ring",
            ("µs a line", "bytes a line", "newest page ms", "middle page ms"),
            RING_LINES,
            _of_lines,
        ),
    ]
    return "\n\n".join(
        _table(name, headings, sizes[:-1] if is_quick else sizes, measure)
        for name, headings, sizes, measure in tables
    )


def _table(
    name: str, headings: Sequence[str], sizes: Sequence[int], measure: Callable[..., Line]
) -> str:
    lines = [f"{name:>18}" + "".join(f"{heading:>16}" for heading in headings)]
    for size in sizes:
        print(f"{size:,} {name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
            values = measure(Workspace(Path(folder)), size)
        cells = [f"{value:,.{0 if value >= 100 else 2}f}" for value in values]
        lines.append(f"{size:>18,}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def _of_clients(scale: Scale, workspace: Workspace, clients: int) -> Line:
    """So many clients read what is held; then as many are told what comes."""
    lines = min(scale.lines, scale.fanout_lines * 200 // clients)
    sample = measure_relay(workspace, replace(scale, clients=clients, fanout_lines=lines))
    with relay(workspace) as server:
        log = workspace.next_log()
        times = apart(
            time_lines, server.port, live(), log, clients, RATE, scale.seconds, server.pid
        )
    return (
        sample["events/s"],
        sample["processor time an event"],
        times.p50_ms,
        times.p99_ms,
    )


def _of_channels(workspace: Workspace, channels: int) -> Line:
    """Files of so many channels appear, and one client reads them all."""
    each = CHANNEL_LINES // channels
    with relay(workspace, Setup(channel="{stem}"), has_channel=False) as server:
        before = server.cpu_seconds()
        logs = [workspace.logs / f"app-{number}.log" for number in range(channels)]
        start = partial(appear_all, workspace.staged(each), logs)
        seconds = apart(count_coming, server.port, "/sse?tail=0", start, each * channels)
        used = server.cpu_seconds() - before
        quiet = workspace.logs / "app-0.log"
        # One channel's lines for the client that follows them all.
        times = apart(time_lines, server.port, "/sse?tail=0", quiet, 1, RATE, 2.0, server.pid)
    total = each * channels
    return total / seconds, used / total * 1e6, times.p50_ms, times.p99_ms


def appear_all(staged: Path, logs: Sequence[Path]) -> None:
    """Let the same lines appear in many files; a link would be the same file to a reader."""
    for log in logs:
        copy = staged.with_name(f"{log.name}.copy")
        shutil.copyfile(staged, copy)
        copy.rename(log)


def _of_lines(workspace: Workspace, lines: int) -> Line:
    """A ring is filled with so many lines, and pages are asked for."""
    staged = workspace.staged(lines)
    with relay(workspace, Setup(lines=2 * lines)) as server:
        first = apart(first_cursor, server.port, live())
        empty, before = server.rss_bytes(), server.cpu_seconds()
        appear(staged, workspace.next_log())
        server.wait_for_lines(FIRST_LINES + lines, PATIENCE_SECONDS)
        used, grown = server.cpu_seconds() - before, server.rss_bytes() - empty
        newest, last = _page_ms(server, "")
        middle, _ = _page_ms(server, f"&after={(first + last) // 2}")
    return used / lines * 1e6, grown / lines, newest, middle


def _page_ms(server: Server, place: str) -> tuple[float, int]:
    """Return how long a page takes, and the last id on it."""
    times = []
    page = b""
    for _ in range(PAGES):
        started = time.perf_counter()
        page = get(server.port, f"/api/v1/logs?channel={SOURCE}&limit=500{place}") or b""
        times.append(time.perf_counter() - started)
    return median(times) * 1000, int(json.loads(page)["logs"][-1]["id"])
