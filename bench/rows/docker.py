"""Twenty chatty containers of a real engine, against a reader that throws their raw logs away."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.clients import apart
from bench.latencies import time_lines
from bench.row import Bar, Figure, Row, Sample, Scale
from bench.servers import SOURCE, Server, Setup, get, live, relay
from bench.workspace import LINE_BYTES, Workspace
from tests.docker_engine import Engine, running_engine

CONTAINERS = 20
FRAME_BYTES = 8 + 31
"""What the engine puts before each line: a head and its time."""

QUIET_RATE = 100
POLL_SECONDS = 0.2

KEYS = """
type = "docker"
host = "{host}"
containers = ["first", "chatty-*", "quiet"]
channel = "{{label:channel}}"
"""

WAIT = "while [ ! -e /bench/go ]; do usleep 20000; done; "
ONCE = WAIT + "cat /bench/lines; sleep 1000"
STEADY = WAIT + "while :; do head -n 50 /bench/lines; usleep 50000; done"
"""Nearly 1,000 lines a second: at all that the engine can do it is itself late by 150 ms."""

STEADY_LINES = 10_000


@contextmanager
def _engine(workspace: Workspace, script: str, lines: int) -> Iterator[tuple[Engine, list[str]]]:
    """Run an engine with containers that say a file's lines once the gate is open."""
    staged = workspace.staged(lines)
    with running_engine() as engine:
        mounts = ("--volume", f"{engine.home}:/bench")
        (engine.home / "lines").write_bytes(staged.read_bytes())
        engine.run("first", "echo INFO first; sleep 1000", "--label", f"channel={SOURCE}")
        options = (*mounts, "--label", "channel=flood", "--log-opt", "max-size=100m")
        ids = [
            engine.run(f"chatty-{number}", script, *options, "--log-opt", "max-file=2")
            for number in range(CONTAINERS)
        ]
        yield engine, ids


def _open(engine: Engine) -> None:
    (engine.home / "go").touch()


def measure_relay(workspace: Workspace, scale: Scale) -> Sample:
    """Let a relay read them."""
    each = scale.lines // 2 // CONTAINERS
    with _engine(workspace, ONCE, each) as (engine, _):
        setup = Setup(keys=KEYS.format(host=engine.url))
        with relay(workspace, setup) as server:
            _wait_until_followed(server, CONTAINERS + 1)
            before, began = server.cpu_seconds(), time.monotonic()
            _open(engine)
            while server.newest("flood") < each * CONTAINERS:
                time.sleep(POLL_SECONDS)
            seconds = time.monotonic() - began
            used = server.cpu_seconds() - before
    return _sample(each * CONTAINERS, seconds, used)


def measure_floor(workspace: Workspace, scale: Scale) -> Sample:
    """Let the floor read them."""
    each = scale.lines // 2 // CONTAINERS
    with _engine(workspace, ONCE, each) as (engine, ids):
        size = each * CONTAINERS * (FRAME_BYTES + LINE_BYTES + 1)
        command = [sys.executable, "-m", "bench.docker_floor", str(engine.socket), str(size), *ids]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as floor:
            assert floor.stdout is not None
            floor.stdout.readline()
            began = time.monotonic()
            _open(engine)
            used = float(floor.stdout.readline())
            seconds = time.monotonic() - began
    return _sample(each * CONTAINERS, seconds, used)


def _sample(lines: int, seconds: float, cpu_seconds: float) -> Sample:
    return {"lines/s": lines / seconds, "processor time a line": cpu_seconds / lines * 1e6}


def _wait_until_followed(server: Server, count: int) -> None:
    """Wait until so many containers are read; what they said before is read then."""
    while _readings(server) < count:
        time.sleep(POLL_SECONDS)
    time.sleep(POLL_SECONDS)


def _readings(server: Server) -> int:
    status = get(server.port, "/api/v1/status")
    sources = json.loads(status)["sources"] if status else []
    states = [row["state"] for source in sources for row in source["readers"].values()]
    return states.count("reading")


def measure_quiet(workspace: Workspace, scale: Scale) -> Sample:
    """Time the lines of a container that says little, while the others say much."""
    with _engine(workspace, STEADY, STEADY_LINES) as (engine, _):
        door = workspace.fifo("quiet")
        mount = f"{workspace.folder}:/quiet"
        options = ("--volume", mount, "--label", f"channel={SOURCE}")
        engine.run("quiet", "cat /quiet/quiet", *options)
        with relay(workspace, Setup(keys=KEYS.format(host=engine.url))) as server:
            _wait_until_followed(server, CONTAINERS + 2)
            _open(engine)
            before = server.newest("flood")
            seconds = scale.flood_seconds
            times = apart(
                time_lines, server.port, live(), door, 1, QUIET_RATE, seconds, server.pid
            )
            flooded = server.newest("flood") - before
    return {"p50": times.p50_ms, "p99": times.p99_ms, "flood": flooded / seconds}


CHATTY = Row(
    "docker",
    "20 chatty containers → the relay, beside a reader that throws away",
    (
        Figure("lines/s", "", (Bar(0.65),)),
        Figure("processor time a line", " µs", (Bar(1.8, at_most=True),)),
    ),
    measure_relay,
    measure_floor,
    most_pairs=3,
)
QUIET = Row(
    "docker-quiet",
    "a quiet container beside 20 chatty ones",
    (
        Figure("p50", " ms"),
        Figure("p99", " ms", (Bar(50, at_most=True, of_share=False, unit=" ms"),)),
        Figure("flood", " lines/s"),
    ),
    measure_quiet,
    most_pairs=3,
)
