"""From blocks that are rendered to 100 SSE clients, against floor B."""

from bench.clients import apart, count_appearing, count_held, fan_out, first_cursor
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import Server, floor, held, live, relay
from bench.workspace import Workspace


def measure_relay(workspace: Workspace, scale: Scale) -> Sample:
    """Fill a relay's ring, let one client read it, then all at once."""
    lines = scale.fanout_lines
    with relay(workspace) as server:
        cursor = apart(first_cursor, server.port, live())
        staged, log = workspace.staged(lines), workspace.next_log()
        apart(count_appearing, server.port, live(), staged, log, lines)
        # Whatever was packed since it was live is rendered by this reader.
        apart(count_held, server.port, held(cursor), lines)
        return _measure(server, scale, held(cursor))


def measure_floor(workspace: Workspace, scale: Scale) -> Sample:
    """Let floor B send the same lines."""
    staged = workspace.staged(scale.fanout_lines)
    with floor(workspace, "fanout", f"{staged}:{scale.clients}") as server:
        return _measure(server, scale, live())


def _measure(server: Server, scale: Scale, path: str) -> Sample:
    events = scale.clients * scale.fanout_lines
    before = server.cpu_seconds()
    seconds = apart(fan_out, server.port, path, scale.clients, scale.fanout_lines)
    cpu_seconds = server.cpu_seconds() - before
    return {
        "events/s": events / seconds,
        "processor time an event": cpu_seconds / events * 1e9,
    }


ROW = Row(
    "fanout",
    "rendered blocks → 100 SSE clients",
    (
        Figure("events/s", "", (Bar(0.7), Bar(5e6, of_share=False))),
        Figure("processor time an event", " ns"),
    ),
    measure_relay,
    measure_floor,
)
