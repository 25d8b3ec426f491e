"""
The processes under measurement: the relay and its floors.

Each is started anew for every run, listens on a free port of the loopback, and is asked for
its processor time and its memory from outside, by ``/proc``.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.floors import SOURCE
from bench.workspace import Workspace

__all__ = [
    "FIRST",
    "FIRST_LINES",
    "SOURCE",
    "Server",
    "Setup",
    "State",
    "cpu_seconds",
    "floor",
    "free_port",
    "held",
    "live",
    "relay",
    "rss_bytes",
    "start_floor",
    "start_relay",
]

PATIENCE_SECONDS = 30.0
FIRST_LINES = 1
"""What a relay has read before it is measured."""
FIRST = b"INFO first\n"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

CONFIGURATION = """
[server]
listen = "127.0.0.1:{port}"
max_channels = 2_000

[channel]
lines = {lines}
bytes = "64GiB"

[sources.{source}]
{keys}
{more}
"""

FILES = """
type = "file"
path = ["{watched}"]
channel = "{channel}"
start = "beginning"
"""

STATE = """
[state]
directory = "{directory}"
min_free = "0B"
"""

ARCHIVING = """
[channel]
archive = true
keep_days = 36_500
keep_bytes = "1TiB"
"""


@dataclass(frozen=True, slots=True)
class State:
    """
    What a relay keeps.

    Args:
        directory: where.
        archive: whether all lines, or only what the ring covers.
    """

    directory: Path
    archive: bool = False


@dataclass(frozen=True, slots=True)
class Setup:
    """
    How a relay is configured.

    Args:
        state: what it keeps; ``None``: memory only.
        keys: of its source; empty: the workspace's files.
        channel: that the files go to, or a template.
        options: more keys of the source.
        more: more tables.
        lines: that a ring holds.
        stdin: a FIFO that it reads; ``None``: nothing.
    """

    state: State | None = None
    keys: str = ""
    channel: str = SOURCE
    options: str = ""
    more: str = ""
    lines: int = 2_000_000
    stdin: Path | None = None


MEMORY_ONLY = Setup()


class Server:
    """
    A process that serves on a port.

    Args:
        command: what to start.
        port: where it will listen.
        log: file that takes what it says.
        stdin: a FIFO that it reads, which never ends; ``None``: nothing.
        own_group: whether it leads a process group.
        environ: added to its environment.
    """

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        log: Path,
        stdin: Path | None = None,
        *,
        own_group: bool = False,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.port = port
        self._log = log
        # Opened for writing too: its end is not reached while nobody writes.
        read_from = os.open(stdin or os.devnull, os.O_RDWR)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=read_from,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=own_group,
                env={**os.environ, **environ},
            )
        os.close(read_from)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used, all threads, user and system."""
        return cpu_seconds(self.pid)

    def rss_bytes(self) -> int:
        """Return its resident memory."""
        return rss_bytes(self.pid)

    def wait_for_word(self) -> None:
        """Wait until it has said that it is ready; for servers that take only their clients."""
        self._wait(lambda: b"ready" in self._log.read_bytes())

    def wait_for_text(self, text: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until it has said something."""
        self._wait(lambda: text.encode() in self._log.read_bytes(), patience_seconds)

    def wait_for_answer(self) -> None:
        """Wait until it answers a request."""
        self._wait(lambda: answers(self.port))

    def wait_until_ready(self) -> None:
        """Wait until it has started its sources."""
        self._wait(lambda: get(self.port, "/readyz") is not None)

    def wait_for_lines(self, lines: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until it holds so many lines."""
        self._wait(lambda: newest_seq(self.port) >= lines, patience_seconds)

    def newest(self, channel: str) -> int:
        """Return the number of a channel's newest line, 0 where there is none yet."""
        return newest_seq(self.port, channel)

    def wait_for_channels(self, channels: int) -> None:
        """Wait until it has so many channels."""
        self._wait(lambda: count_channels(self.port) >= channels)

    def stop(self) -> None:
        """End it: no run measures how, and a bare server waits for streams to end."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Let it end as it does when it is told to, so that its state is whole."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.stop()
            raise RuntimeError(f"did not end within {PATIENCE_SECONDS:g} seconds") from None

    def _wait(
        self, is_ready: Callable[[], bool], patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        deadline = time.monotonic() + patience_seconds
        while not is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                said = self._log.read_text(errors="replace")
                raise RuntimeError(f"not ready after {patience_seconds:g} seconds:\n{said}")
            # Asking often would be felt where much is waited for.
            time.sleep(0.001 if patience_seconds == PATIENCE_SECONDS else 0.2)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used, all threads, user and system."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    # The command's name is in parentheses and may hold anything: count from behind it.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def live(query: str = "", *, transport: str = "sse") -> str:
    """
    Return the path of a stream that starts with what comes next.

    Args:
        query: more parameters, encoded.
        transport: ``sse`` or ``ws``.
    """
    return f"/{SOURCE}/{transport}?tail=0{query and '&' + query}"


def held(cursor: int, query: str = "") -> str:
    """Return the path of a stream that ends with what is held now, from after ``cursor`` on."""
    return f"/{SOURCE}/sse?after={cursor}&follow=0{query and '&' + query}"


def answers(port: int) -> bool:
    """Return whether a request for ``/healthz`` is answered now."""
    return get(port, "/healthz") is not None


def newest_seq(port: int, channel: str = SOURCE) -> int:
    """Return the number of a channel's newest line, 0 where there is none yet."""
    page = get(port, f"/api/v1/logs?channel={channel}&limit=1")
    logs = json.loads(page)["logs"] if page else []
    return int(logs[-1]["seq"]) if logs else 0


def count_channels(port: int) -> int:
    """Return how many channels there are."""
    answer = get(port, "/api/v1/channels")
    return len(json.loads(answer)["channels"]) if answer else 0


def get(port: int, path: str) -> bytes | None:
    """Return a response's body; ``None`` if there is no answer, or an error."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return bytes(response.read())
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def start_relay(
    workspace: Workspace,
    setup: Setup = MEMORY_ONLY,
    environ: Mapping[str, str] = MappingProxyType({}),
) -> Server:
    """Start a relay; it may not answer yet."""
    port = free_port()
    files = FILES.format(watched=workspace.watched, channel=setup.channel)
    text = CONFIGURATION.format(
        port=port,
        source=SOURCE,
        lines=setup.lines,
        keys=(setup.keys or files) + setup.options,
        more=setup.more,
    )
    if setup.state is not None:
        text += STATE.format(directory=setup.state.directory)
        if setup.state.archive:
            # One table of that name may stand in a file.
            text = text.replace("\n[channel]\n", ARCHIVING)
    configuration = workspace.folder / "relay.toml"
    configuration.write_text(text)
    command = [sys.executable, "-m", "relay", "serve", "-c", str(configuration)]
    return Server(command, port, workspace.folder / "relay.out", setup.stdin, environ=environ)


def start_floor(
    workspace: Workspace, name: str, argument: str = "", stdin: Path | None = None
) -> Server:
    """Start a floor; it may not listen yet."""
    port = free_port()
    command = [sys.executable, "-m", "bench.floors", name, str(port), argument]
    return Server(command, port, workspace.folder / "floor.out", stdin)


@contextmanager
def relay(
    workspace: Workspace, setup: Setup = MEMORY_ONLY, *, has_channel: bool = True
) -> Iterator[Server]:
    """
    Run a relay that answers, on a workspace without logs.

    It has read one line, so that its channel is there, and what the first line loads is loaded.

    Args:
        workspace: where it reads.
        setup: how it is configured; where it keeps something, nothing is kept yet. A process
            of its own says the first line itself.
        has_channel: whether that line is of the channel that is asked for.
    """
    workspace.clear()
    server = start_relay(workspace, setup)
    try:
        if setup.stdin is not None:
            setup.stdin.write_bytes(FIRST)
        elif not setup.keys:
            workspace.next_log().write_bytes(FIRST)
        if has_channel:
            server.wait_for_lines(FIRST_LINES)
        else:
            server.wait_for_channels(1)
        yield server
    finally:
        server.stop()


@contextmanager
def floor(
    workspace: Workspace, name: str, argument: str = "", stdin: Path | None = None
) -> Iterator[Server]:
    """Run a floor that listens."""
    server = start_floor(workspace, name, argument, stdin)
    server.wait_for_word()
    try:
        yield server
    finally:
        server.stop()
