"""From blocks that are rendered to 100 clients, by SSE and by WebSocket, against floor B."""

from functools import partial

from bench.clients import apart, count_coming, count_held, fan_out, first_cursor, stream_bytes
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import SOURCE, Server, Setup, State, floor, held, live, relay
from bench.workspace import Workspace, appear

BATCH = 100
"""Entries in an array, where a client asks for arrays."""


def measure_relay(workspace: Workspace, scale: Scale) -> Sample:
    """Fill a relay's ring, let one client read it, then all at once."""
    return _measure_events(Setup(), workspace, scale)


def measure_stored(workspace: Workspace, scale: Scale) -> Sample:
    """Do the same with a relay that keeps its lines."""
    return _measure_events(Setup(State(workspace.new_state())), workspace, scale)


def measure_floor(workspace: Workspace, scale: Scale) -> Sample:
    """Let floor B send the same lines."""
    staged = workspace.staged(scale.fanout_lines)
    with floor(workspace, "fanout", f"{staged}:{scale.clients}") as server:
        return _measure(server, scale, live())


def measure_frames(batch: int, workspace: Workspace, scale: Scale) -> Sample:
    """Fill a relay's ring, let one WebSocket read it, then all at once."""
    with relay(workspace) as server:
        cursor = _fill(server, workspace, scale)
        path = f"/{SOURCE}/ws?after={cursor}" + (f"&batch={batch}" if batch else "")
        size = apart(stream_bytes, server.port, path, scale.fanout_lines)
        return _measure(server, scale, path, size)


def measure_frames_floor(batch: int, workspace: Workspace, scale: Scale) -> Sample:
    """Let floor B send the same frames."""
    staged = workspace.staged(scale.fanout_lines)
    with floor(workspace, "frames", f"{staged}:{scale.clients}:{batch}") as server:
        return _measure(server, scale, live(transport="ws"))


def _measure_events(setup: Setup, workspace: Workspace, scale: Scale) -> Sample:
    with relay(workspace, setup) as server:
        cursor = _fill(server, workspace, scale)
        # Whatever was packed since it was live is rendered by this reader.
        apart(count_held, server.port, held(cursor), scale.fanout_lines)
        return _measure(server, scale, held(cursor))


def _fill(server: Server, workspace: Workspace, scale: Scale) -> int:
    """Return the cursor before the lines that are now in the ring."""
    lines = scale.fanout_lines
    cursor = apart(first_cursor, server.port, live())
    start = partial(appear, workspace.staged(lines), workspace.next_log())
    apart(count_coming, server.port, live(), start, lines)
    return cursor


def _measure(server: Server, scale: Scale, path: str, size: int | None = None) -> Sample:
    events = scale.clients * scale.fanout_lines
    before = server.cpu_seconds()
    seconds = apart(fan_out, server.port, path, scale.clients, scale.fanout_lines, size)
    cpu_seconds = server.cpu_seconds() - before
    return {
        "events/s": events / seconds,
        "processor time an event": cpu_seconds / events * 1e9,
    }


def _figures(*bars: Bar) -> tuple[Figure, ...]:
    return (Figure("events/s", "", bars), Figure("processor time an event", " ns"))


ROW = Row(
    "fanout",
    "rendered blocks → 100 SSE clients",
    _figures(Bar(0.7), Bar(5e6, of_share=False)),
    measure_relay,
    measure_floor,
)

FRAMES = Row(
    "fanout-ws",
    "rendered blocks → 100 WebSocket clients, one entry a message",
    _figures(Bar(0.6)),
    partial(measure_frames, 0),
    partial(measure_frames_floor, 0),
)

ARRAYS = Row(
    "fanout-ws-batch",
    f"rendered blocks → 100 WebSocket clients, {BATCH} entries a message",
    _figures(Bar(0.6)),
    partial(measure_frames, BATCH),
    partial(measure_frames_floor, BATCH),
)

STORED = Row(
    "store-fanout",
    "rendered blocks → 100 SSE clients, with a store, against floor B",
    _figures(Bar(0.6)),
    measure_stored,
    measure_floor,
)
