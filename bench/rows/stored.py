"""What is stored and asked for again: pages, starts and memory with an archive on disk."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median

from bench.archive import CHANNEL, Archive, add_archive, add_segments, forget_cached
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import Server, Setup, State, get, relay, start_relay
from bench.workspace import Workspace

MB, GB = 1e6, 1e9
PAGES = 40
LIMIT = 500
"""Lines of a page, as where nothing is said."""
STARTS = 3


def measure_pages(workspace: Workspace, scale: Scale) -> Sample:
    """Ask for pages all over an archive that the system has not read yet."""
    state, archive = _archived(workspace, scale.archive_bytes)
    forget_cached(state)
    with _going_on(workspace, state) as server:
        times = sorted(_page_ms(server, archive, number) for number in range(PAGES))
    return {
        "median": median(times),
        "slowest": times[-1],
        "text": archive.text_bytes / GB,
        "on disk": archive.stored_bytes / GB,
    }


def measure_memory(workspace: Workspace, scale: Scale) -> Sample:
    """Start a relay that has an archive, and read pages all over it."""
    state, archive = _archived(workspace, scale.stored_bytes)
    with _going_on(workspace, state) as server:
        started = server.rss_bytes()
        for number in range(PAGES):
            _page_ms(server, archive, number)
        return {
            "started": started / MB,
            "growth by pages": (server.rss_bytes() - started) / MB,
        }


def measure_memory_of_little(workspace: Workspace, scale: Scale) -> Sample:
    """The same with an archive of one segment, which gives as many pages."""
    return measure_memory(workspace, replace(scale, stored_bytes=1))


def measure_start(workspace: Workspace, scale: Scale) -> Sample:
    """Start relays that have many segments, and as often one that has none."""
    state, empty = _prepared(workspace, "segments"), _prepared(workspace, "nothing")
    if not (state / "channels" / f"{CHANNEL}-0").exists():
        add_segments(state, scale.segments)
    times = [(_start_ms(workspace, state), _start_ms(workspace, empty)) for _ in range(STARTS)]
    return {
        "start": median(full for full, _ in times),
        "by the segments": median(full - none for full, none in times),
    }


def _start_ms(workspace: Workspace, state: Path) -> float:
    started = time.perf_counter()
    with _going_on(workspace, state):
        return (time.perf_counter() - started) * 1000


_made: dict[Path, Archive] = {}
"""Archives that other runs of a row can use."""


def _archived(workspace: Workspace, text_bytes: int) -> tuple[Path, Archive]:
    state = _prepared(workspace, f"archive-{text_bytes}")
    if state not in _made:
        _made[state] = add_archive(state, text_bytes)
    return state, _made[state]


def _prepared(workspace: Workspace, name: str) -> Path:
    """Return a state directory that a relay has made, and left as it should."""
    state = workspace.folder / name
    if not state.exists():
        with relay(workspace, Setup(State(state, archive=True))) as server:
            server.end()
    return state


@contextmanager
def _going_on(workspace: Workspace, state: Path) -> Iterator[Server]:
    """Run a relay that goes on with a state directory, from when it is ready."""
    server = start_relay(workspace, Setup(State(state, archive=True)))
    server.wait_until_ready()
    try:
        yield server
    finally:
        server.end()


def _page_ms(server: Server, archive: Archive, number: int) -> float:
    """
    Ask for a page after or before some place of an archive.

    Raises:
        RuntimeError: it is not whole.
    """
    place = Random(number).uniform(0.1, 0.9)
    id_ = archive.first_id + int((archive.last_id - archive.first_id) * place)
    way = ("after", "before")[number % 2]
    started = time.perf_counter()
    page = get(server.port, f"/api/v1/channels/{CHANNEL}/logs?{way}={id_}&limit={LIMIT}")
    seconds = time.perf_counter() - started
    found = json.loads(page)["logs"] if page else []
    if len(found) != LIMIT:
        raise RuntimeError(f"expected {LIMIT} lines {way} {id_}, got {len(found)}")
    return seconds * 1000


PAGE = Row(
    "store-page",
    "a page from anywhere in an archive that is not in memory",
    (
        Figure("median", " ms"),
        Figure("slowest", " ms", (Bar(200, at_most=True, of_share=False, unit=" ms"),)),
        Figure("text", " GB"),
        Figure("on disk", " GB"),
    ),
    measure_pages,
)

START = Row(
    "store-start",
    "start → ready, with 100,000 segments",
    (
        Figure("start", " ms"),
        Figure("by the segments", " ms", (Bar(1000, at_most=True, of_share=False, unit=" ms"),)),
    ),
    measure_start,
)

MEMORY = Row(
    "store-memory",
    "memory with 1 GB stored; the floor is the relay with 8 MB stored",
    (
        Figure("started", " MB", (Bar(1.1, at_most=True),)),
        Figure("growth by pages", " MB", (Bar(32, at_most=True, of_share=False, unit=" MB"),)),
    ),
    measure_memory,
    measure_memory_of_little,
)
