"""
A quiet channel, and how long each of its lines is under way.

    python -m tests.faults.pulse FILE PORT TIMES

A process of its own, so that nothing that the other clients do is measured too. It writes to
FILE, reads the channel of its name from the relay, and notes in TIMES for each line when it was
written and when it came, by the monotonic clock.
"""

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

__all__ = ["Pulse", "Waits", "Window"]

PERIOD_SECONDS = 0.02
RETRY_SECONDS = 0.02
CHANNEL = "pulse"
CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Window:
    """
    A time in which the store was no use, by the monotonic clock.

    Args:
        kind: of the fault.
        began_ns: when it struck.
        failing_ns: when status said so at the latest.
        ended_ns: when the disk was given back.
    """

    kind: str
    began_ns: int
    failing_ns: int
    ended_ns: int


@dataclass(frozen=True, slots=True)
class Waits:
    """
    How long lines waited, in seconds.

    Args:
        lines: how many were measured.
        longest: of all since the fault struck.
        p99: of those that were written while status said that the store fails.
    """

    lines: int
    longest: float
    p99: float


class Pulse:
    """
    Starts the process, and reads what it notes.

    Args:
        folder: for the times.
        path: of the file that is written.
    """

    def __init__(self, folder: Path, path: Path) -> None:
        self.windows: list[Window] = []
        self._path = path
        self._times = folder / "pulse.times"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, port: int) -> None:
        """Start it; ``port``: of the relay."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.faults.pulse", str(self._path), str(port), str(self._times)),
            stdin=asyncio.subprocess.DEVNULL,
            cwd=CHECKOUT,
        )

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def waits(self) -> dict[str, Waits]:
        """Return for each kind of fault how long lines waited."""
        text = self._times.read_text() if self._times.exists() else ""
        times: dict[int, int] = {}
        for line in text.split("\n")[:-1]:
            sent_ns, came_ns = map(int, line.split())
            # What is read anew, where nobody knows any more how far it was, comes again.
            times.setdefault(sent_ns, came_ns)
        return {
            kind: self._waits(times, [one for one in self.windows if one.kind == kind])
            for kind in sorted({one.kind for one in self.windows})
        }

    def _waits(self, times: dict[int, int], windows: list[Window]) -> Waits:
        all_waits: list[int] = []
        failing: list[int] = []
        for window in windows:
            for sent_ns, came_ns in times.items():
                if window.began_ns <= sent_ns < window.ended_ns:
                    all_waits.append(came_ns - sent_ns)
                    if sent_ns >= window.failing_ns:
                        failing.append(came_ns - sent_ns)
        failing.sort()
        p99 = failing[len(failing) * 99 // 100] if failing else 0
        return Waits(len(all_waits), max(all_waits, default=0) / 1e9, p99 / 1e9)


def beat(path: Path) -> None:
    """Write a line now and then, until the parent is gone."""
    parent = os.getppid()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while os.getppid() == parent:
        os.write(descriptor, b"%d\n" % time.monotonic_ns())
        time.sleep(PERIOD_SECONDS)


def listen(port: int, times: Path) -> None:
    """Read for ever, and note when each line came."""
    cursor = 0
    with times.open("a", buffering=1) as file:
        while True:
            with suppress(OSError):
                cursor = _visit(port, cursor, file.write)
            time.sleep(RETRY_SECONDS)


def _visit(port: int, cursor: int, note: Callable[[str], object]) -> int:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        path = f"/{CHANNEL}/json?after={cursor}"
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        rest, head = b"", b""
        try:
            while data := connection.recv(65536):
                now_ns = time.monotonic_ns()
                rest += data
                if not head:
                    head, _, rest = rest.partition(b"\r\n\r\n")
                    if not head.startswith((b"HTTP/1.0 200", b"HTTP/1.1 200")):
                        return cursor
                *lines, rest = rest.split(b"\n")
                for line in filter(None, lines):
                    said = orjson.loads(line)
                    cursor = max(cursor, said.get("id") or 0)
                    if said["type"] == "log":
                        note(f"{said['message']} {now_ns}\n")
        except OSError:
            pass
    return cursor


if __name__ == "__main__":
    threading.Thread(
        target=listen, args=(int(sys.argv[2]), Path(sys.argv[3])), daemon=True
    ).start()
    beat(Path(sys.argv[1]))
