"""What a client that only waits costs in memory."""

from bench.clients import apart, measure_while_held
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import live, relay
from bench.workspace import Workspace


def measure_relay(workspace: Workspace, scale: Scale) -> Sample:
    """Open idle streams and watch the relay grow."""
    with relay(workspace) as server:
        growth = apart(measure_while_held, server.port, live(), scale.idle_clients, server.pid)
    return {"memory a client": growth / scale.idle_clients / 1000}


ROW = Row(
    "idle",
    "memory of an idle SSE client",
    (Figure("memory a client", " KB", (Bar(16, at_most=True, of_share=False, unit=" KB"),)),),
    measure_relay,
)
