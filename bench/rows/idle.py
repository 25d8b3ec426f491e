"""What a client that only waits costs in memory."""

from functools import partial

from bench.clients import apart, measure_while_held
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import live, relay
from bench.workspace import Workspace


def measure(transport: str, workspace: Workspace, scale: Scale) -> Sample:
    """Open idle streams and watch the relay grow."""
    with relay(workspace) as server:
        path = live(transport=transport)
        growth = apart(measure_while_held, server.port, path, scale.idle_clients, server.pid)
    return {"memory a client": growth / scale.idle_clients / 1000}


def _row(name: str, title: str, transport: str) -> Row:
    bar = Bar(16, at_most=True, of_share=False, unit=" KB")
    return Row(
        name, title, (Figure("memory a client", " KB", (bar,)),), partial(measure, transport)
    )


SSE = _row("idle", "memory of an idle SSE client", "sse")
WEBSOCKET = _row("idle-ws", "memory of an idle WebSocket client", "ws")
