"""What keeping lines costs: the rows of a file and of latency, with a store and without."""

from functools import partial

from bench.row import Bar, Figure, Row, Sample, Scale
from bench.rows import file, latency
from bench.servers import Setup, State, relay
from bench.workspace import Workspace


def measure_file(archive: bool, workspace: Workspace, scale: Scale) -> Sample:
    """Let a relay read the file and keep it."""
    with relay(workspace, Setup(State(workspace.new_state(), archive))) as server:
        return file.measure(server, workspace, scale, workspace.next_log())


def measure_latency(workspace: Workspace, scale: Scale) -> Sample:
    """Time lines through a relay that keeps them."""
    with relay(workspace, Setup(State(workspace.new_state()))) as server:
        sample, _ = latency.measure(server, 1, scale, workspace.next_log())
        return sample


FILE = Row(
    "store-file",
    "file → one SSE client, with a store; the floor is the relay without one",
    (Figure("lines/s", "", (Bar(0.75),)), Figure("processor time a line", " µs")),
    partial(measure_file, False),
    file.measure_relay,
)

FLOOR_FILE = Row(
    "store-file-floor",
    "file → one SSE client, with a store, against floor A",
    (Figure("lines/s", "", (Bar(0.4),)), Figure("processor time a line", " µs")),
    partial(measure_file, False),
    file.measure_floor,
)

ARCHIVED_FILE = Row(
    "store-archive",
    "file → one SSE client, archived; the floor is the relay without a store",
    (Figure("lines/s"), Figure("processor time a line", " µs")),
    partial(measure_file, True),
    file.measure_relay,
)

LATENCY = Row(
    "store-latency",
    "write → one SSE client, 1,000 lines/s, with a store; the floor is the relay without one",
    (
        Figure("p50", " ms"),
        Figure("p99", " ms", (Bar(15, at_most=True, of_share=False, unit=" ms"),)),
        Figure("processor use", " %"),
    ),
    measure_latency,
    partial(latency.measure_relay, 1),
)
