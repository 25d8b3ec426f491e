"""
Programs that log: into files that are rotated under them, and over HTTP.

A file's writer is a thread with a file descriptor of its own, as a program has: it writes on
into a file that was renamed or deleted until it is told to open its path anew.
"""

import asyncio
import os
import random
import threading
from contextlib import suppress
from pathlib import Path

import orjson

from tests.faults.http import get
from tests.faults.record import Stream, line

__all__ = ["FileWriter", "Pusher"]

PAUSE_SECONDS = 0.01
"""Between two bursts of lines."""

MAX_BURST = 10
"""Lines at once; half of it on average."""

RESENT_LINES = 2000
"""Lines at once of those that were sent before."""

RETRY_SECONDS = 0.05
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class FileWriter(threading.Thread):
    """
    Writes a stream's lines to a file, each by one system call.

    Args:
        stream: its record.
        path: of the file.
        rng: how many lines are written at once.
    """

    def __init__(self, stream: Stream, path: Path, rng: random.Random) -> None:
        super().__init__(name=f"writer of {stream.name}", daemon=True)
        self.stream = stream
        self.path = path
        self.count = 0
        """How many lines it has begun to write."""
        stream.count = lambda: self.count
        self._rng = rng
        self._descriptor = os.open(path, APPEND)
        self._is_over = threading.Event()
        self._is_to_reopen = threading.Event()
        self._is_reopened = threading.Event()

    def run(self) -> None:
        """Write until it is stopped."""
        while not self._is_over.wait(PAUSE_SECONDS):
            if self._is_to_reopen.is_set():
                self._open_anew()
            for _ in range(self._rng.randint(1, MAX_BURST)):
                self.count += 1
                text = line(self.stream.name, self.count - 1) + "\n"
                os.write(self._descriptor, text.encode())
        os.close(self._descriptor)

    def _open_anew(self) -> None:
        os.close(self._descriptor)
        self._descriptor = os.open(self.path, APPEND)
        self._is_to_reopen.clear()
        self._is_reopened.set()

    async def reopen(self) -> None:
        """Let it open its path anew, as programs do on HUP, and wait until it has."""
        self._is_reopened.clear()
        self._is_to_reopen.set()
        await asyncio.to_thread(self._is_reopened.wait)

    def stop(self) -> None:
        """Let it end; it has when it is joined."""
        self._is_over.set()


class Pusher:
    """
    Pushes a stream's lines as one run; after each cut it asks how far the relay has got.

    Args:
        stream: its record.
        port: of the relay.
        rng: how many lines are sent at once.
    """

    def __init__(self, stream: Stream, port: int, rng: random.Random) -> None:
        self.stream = stream
        self.run_id = f"{stream.name}-run"
        self.count = 0
        """How many lines it has begun to send."""
        self.is_stopped = False
        stream.count = lambda: self.count
        self._port = port
        self._rng = rng
        self._writer: asyncio.StreamWriter | None = None

    def cut(self) -> None:
        """Cut its connection where it is, inside a line."""
        if self._writer is not None:
            self._writer.transport.abort()

    async def run(self) -> None:
        """Push until it is stopped, again and again."""
        while not self.is_stopped:
            with suppress(OSError, EOFError):
                await self._push(await self._offset())
            await asyncio.sleep(RETRY_SECONDS)

    async def _offset(self) -> int:
        answer = await get(self._port, f"/api/v1/runs/{self.run_id}")
        # Null where nobody knows any more how much of it was counted.
        return int(orjson.loads(answer.body)["offset"] or 0) if answer.status == 200 else 0

    async def _push(self, offset: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer = writer
        try:
            writer.write(
                f"POST /{self.stream.name}?run={self.run_id} HTTP/1.1\r\nHost: localhost\r\n"
                f"Relay-Offset: {offset}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            )
            answered = asyncio.ensure_future(reader.read(1))
            try:
                await self._send(writer, offset, answered)
            finally:
                answered.cancel()
        finally:
            self._writer = None
            writer.transport.abort()

    async def _send(
        self, writer: asyncio.StreamWriter, number: int, answered: "asyncio.Future[bytes]"
    ) -> None:
        """Send lines from a number on until the relay answers, or the connection is cut."""
        while not (answered.done() or writer.transport.is_closing()):
            if self.is_stopped and number >= self.count:
                writer.write(b"0\r\n\r\n")
                await answered
                return
            burst = self._rng.randint(1, MAX_BURST)
            until = self.count if self.is_stopped else number + burst
            if number < self.count:
                until = min(self.count, number + RESENT_LINES)
            text = "".join([line(self.stream.name, n) + "\n" for n in range(number, until)])
            self.count = max(self.count, until)
            number = until
            self._send_torn(writer, text.encode())
            await writer.drain()
            await asyncio.sleep(PAUSE_SECONDS)

    def _send_torn(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Send one part of the bytes in a chunk of its own: a cut may come between."""
        cut = self._rng.randrange(len(data) + 1)
        for piece in (data[:cut], data[cut:]):
            if piece:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
