"""
``relay run``: run a command here, show its output unchanged, and push it as a run.

Rule of this file: the command comes first. Its output reaches the terminal before anything else
is done with it, it is never stopped for a relay that is away, and its exit code is ours.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress

import orjson

from relay.backlog import Backlog
from relay.decode.lines import Decoded, LineDecoder
from relay.pusher import Pusher, RunRequest

__all__ = ["ndjson", "run"]

READ_BYTES = 64 * 1024

MAX_LINE_BYTES = 32 * 1024
"""A longer line is sent in parts: a part fits into a pushed line also if all is escaped."""

IDLE_SECONDS = 1.0
"""An unfinished line that has not grown for so long is sent: it may be a prompt."""

GRACE_SECONDS = 1.0
"""How long what the command left running may go on writing after its end."""

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of a shell for a command that cannot be started."""


def ndjson(decoded: Decoded, stream: str, now_ns: int) -> bytes:
    """Return lines as they are pushed."""
    if not decoded.lines.count:
        return b""
    # All strings in one call: a raw newline cannot stand inside a JSON string.
    texts = orjson.dumps(decoded.lines.strings(), option=orjson.OPT_INDENT_2)[4:-2]
    rest = b',"stream":"%b","timestamp":%d' % (stream.encode(), now_ns)
    ends = [
        rest + (b',"part":true}\n' if index in decoded.parts else b"}\n")
        for index in range(decoded.lines.count)
    ]
    rows = zip(texts.split(b",\n  "), ends, strict=True)
    return b"".join([b'{"message":' + text + end for text, end in rows])


class _Output:
    """
    One stream of the command: shown, and pushed.

    Args:
        stream: its name.
        ours: descriptor of ours that it is shown on.
        pusher: who pushes it.
        clock: nanoseconds since the epoch.
    """

    def __init__(self, stream: str, ours: int, pusher: Pusher, clock: Callable[[], int]) -> None:
        self._stream = stream
        self._ours = ours
        self._pusher = pusher
        self._clock = clock
        self._decoder = LineDecoder(MAX_LINE_BYTES)
        self._reader = asyncio.StreamReader(READ_BYTES)
        self._reads = 0
        self._is_reading = True
        descriptor, self.writer = os.pipe()
        self._file = os.fdopen(descriptor, "rb", 0)

    async def run(self) -> None:
        """Follow it to its end."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader), self._file
        )
        try:
            while data := await self._read():
                # The terminal may be held; what is kept for the relay is sent meanwhile.
                await asyncio.to_thread(_write, self._ours, data)
                self._push(self._decoder.feed(data))
                await self._pusher.room()
        except OSError:
            pass  # Who reads has enough: closing our end tells the command, as it would itself.
        finally:
            transport.close()
            self._push(self._decoder.flush(part=False))

    @property
    def place(self) -> int | None:
        """How often it was read; ``None`` while what was read is being handed on."""
        return self._reads if self._is_reading else None

    async def _read(self) -> bytes:
        self._is_reading = True
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    data = await self._reader.read(READ_BYTES)
                self._reads += 1
                self._is_reading = False
                return data
            except TimeoutError:
                self._push(self._decoder.flush(part=True))

    def _push(self, decoded: Decoded) -> None:
        if decoded.lines.count:
            data = ndjson(decoded, self._stream, self._clock())
            self._pusher.add(data, decoded.lines.count)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


async def run(request: RunRequest, note: Callable[[str], None], clock: Callable[[], int]) -> int:
    """
    Run a command to its end.

    Args:
        request: what to run, and where to push it.
        note: says something to the user.
        clock: nanoseconds since the epoch.

    Returns:
        Its exit code, as a shell has it: 128 and the signal's number where one ended it.
    """
    pusher = Pusher(request, Backlog(), note)
    outputs = [_Output("stdout", 1, pusher, clock), _Output("stderr", 2, pusher, clock)]
    try:
        process = await asyncio.create_subprocess_exec(
            *request.command, stdout=outputs[0].writer, stderr=outputs[1].writer
        )
    except OSError as error:
        note(f"{request.command[0]!r}: {str(error.strerror).lower()}")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    finally:
        for output in outputs:
            os.close(output.writer)
    _forward_signals(process)
    pushing = asyncio.create_task(pusher.run())
    reading = [asyncio.create_task(output.run()) for output in outputs]
    code = await process.wait()
    await _read_rest(outputs, reading)
    pusher.end(code)
    await pushing
    return code if code >= 0 else 128 - code


async def _read_rest(outputs: list[_Output], reading: "list[asyncio.Task[None]]") -> None:
    """Wait for the end of the output, or until what the command left running is silent."""
    places: list[int | None] = [None]
    while any(not task.done() for task in reading):
        await asyncio.wait(reading, timeout=GRACE_SECONDS)
        before, places = places, [output.place for output in outputs]
        if None not in places and places == before:
            break
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)


def _forward_signals(process: asyncio.subprocess.Process) -> None:
    """Let the command decide what they mean; ours is to see it to its end."""
    loop = asyncio.get_running_loop()

    def forward(number: signal.Signals) -> None:
        # What is typed at a terminal goes to the command as it does to us.
        if number is not signal.SIGINT or not _is_in_foreground():
            with suppress(ProcessLookupError):
                process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, forward, number)


def _is_in_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
