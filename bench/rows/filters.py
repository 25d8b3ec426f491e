"""500 clients with 50 different filters, against 500 with one, of equal bytes."""

from functools import partial
from urllib.parse import quote

from bench.clients import apart, count_selected
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import live, relay
from bench.workspace import LINE_BYTES, Workspace, appear

LINES = 100_000
"""Each has another number of five digits: every digit at every place has a tenth of them."""

STRIDE = 61_803
"""The numbers come in an order in which what passes a filter lies among what does not."""

LEVELS = ("TRACE", "DEBUG", "WARN", "ERROR", "FATAL")
HOSTS = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay")
PATHS = ("cart", "home", "item", "list", "menu", "news", "page", "sale", "team", "user")


def selectable(number: int) -> bytes:
    """Return the line of this number."""
    five = f"{number * STRIDE % LINES:05d}"
    level, host, path, status, millis = map(int, five)
    text = (
        f"2026-11-21T09:47:{number % 60:02d}.123 {LEVELS[level] if level < 5 else 'INFO'} "
        f"phase={level} host={HOSTS[host]} GET /{PATHS[path]}/{number % 1000} "
        f"status={status}{number % 100:02d} took={millis}{number % 10}ms ok "
    )
    return text.ljust(LINE_BYTES, "x").encode() + b"\n"


ONE_FILTER = "q=host%3Dfox"

FILTERS = (
    *(f"level={level.lower()}" for level in LEVELS),
    *(f"q=phase%3D{digit}" for digit in range(5, 10)),
    *(f"q=host%3D{host}" for host in HOSTS),
    *(f"q=/{path}/" for path in PATHS),
    *(f"regex={quote(rf'status={digit}[0-9]+')}" for digit in range(10)),
    *(f"regex={quote(rf'(?:took|time)={digit}[0-9]?ms')}" for digit in range(10)),
)
"""Levels, texts and patterns, fifty together; each passes another tenth of the lines."""


def measure_many(workspace: Workspace, scale: Scale) -> Sample:
    """Let each client have one of the filters."""
    return _measure([FILTERS[i % len(FILTERS)] for i in range(scale.filter_clients)], workspace)


def measure_one(workspace: Workspace, scale: Scale) -> Sample:
    """Let all clients have the same filter."""
    return _measure([ONE_FILTER] * scale.filter_clients, workspace)


def _measure(queries: list[str], workspace: Workspace) -> Sample:
    with relay(workspace) as server:
        paths = [live(query) for query in queries]
        start = partial(appear, workspace.staged(LINES, selectable), workspace.next_log())
        used, size = apart(count_selected, server.port, paths, start, LINES // 10, server.pid)
    return {"processor time": used, "delivered": size / 1e6}


ROW = Row(
    "filters",
    "500 clients with 50 filters; the floor is 500 clients with one",
    (
        Figure("processor time", " s", (Bar(2, at_most=True),)),
        Figure("delivered", " MB"),
    ),
    measure_many,
    measure_one,
)
