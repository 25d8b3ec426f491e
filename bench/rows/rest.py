"""What a relay with many channels and many idle clients uses at rest."""

from bench.clients import apart, measure_at_rest
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import FIRST, Setup, start_relay
from bench.workspace import Workspace

SETTLE_SECONDS = 3.0


def measure(workspace: Workspace, scale: Scale) -> Sample:
    """Let streams of both transports wait, some for one channel and some for all."""
    workspace.clear()
    names = [f"app-{number}" for number in range(scale.channels)]
    for name in names:
        (workspace.logs / f"{name}.log").write_bytes(FIRST)
    server = start_relay(workspace, Setup(channel="{stem}"))
    try:
        server.wait_for_channels(scale.channels)
        paths = [_path(names, number) for number in range(scale.rest_clients)]
        share = apart(
            measure_at_rest, server.port, paths, SETTLE_SECONDS, scale.rest_seconds, server.pid
        )
    finally:
        server.stop()
    return {"processor use": share * 100}


def _path(names: list[str], number: int) -> str:
    """Return the path of a stream: by turns of each transport, one in ten of all channels."""
    transport = ("sse", "ws")[number % 2]
    channels = "" if number // 2 % 10 == 0 else f"/{names[number % len(names)]}"
    return f"{channels}/{transport}?tail=0"


ROW = Row(
    "rest",
    "1,000 channels and 2,000 idle clients at rest",
    (Figure("processor use", " %", (Bar(2, at_most=True, of_share=False, unit=" %"),)),),
    measure,
)
