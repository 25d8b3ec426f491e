"""
``relay run``: run a command here, show its output unchanged, and push it as a run.

Rules of this file:

* The command comes first. Its output reaches the terminal before anything else is done with
  it, it is never stopped for a relay that is away, and its exit code is ours.
* What was pushed is kept until the relay has answered that it is published, and sent again from
  there: the relay skips what it has. What no longer fits is dropped, oldest first, and the relay
  declares the hole.
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from relay.decode.lines import Decoded, LineDecoder
from relay.remote import Remote, ServerError

__all__ = ["Backlog", "Pusher", "RunRequest", "ndjson", "run"]

BACKLOG_BYTES = 64 * 1024 * 1024
"""What is kept while the relay is away."""

HELD_BACK_BYTES = 8 * 1024 * 1024
"""While the relay answers, the command waits for it where so much waits."""

PUSH_BYTES = 512 * 1024
LEAST_PUSH_BYTES = 8 * 1024
"""How much is sent at once; less after a connection broke."""

READ_BYTES = 64 * 1024

MAX_LINE_BYTES = 32 * 1024
"""A longer line is sent in parts: a part fits into a pushed line also if all is escaped."""

IDLE_SECONDS = 1.0
"""An unfinished line that has not grown for so long is sent: it may be a prompt."""

TIMEOUT_SECONDS = 10.0
FIRST_WAIT_SECONDS = 0.2
MOST_WAIT_SECONDS = 5.0

LAST_SECONDS = 5.0
"""How long a relay that did answer once has to take what is left when the command has ended."""

GRACE_SECONDS = 1.0
"""How long what the command left running may go on writing after its end."""

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of a shell for a command that cannot be started."""

TRANSIENT = ("superseded", "stopping", "channel_limit")
"""Refusals after which it is worth trying again."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """
    What to run, and where to push it.

    Args:
        url: of the relay, with its base path; or ``unix:PATH``.
        channel: where its lines go.
        run: id of its run.
        command: program and arguments.
    """

    url: str
    channel: str
    run: str
    command: Sequence[str]

    @property
    def socket(self) -> str | None:
        """Path of the unix socket to connect to, if it is one."""
        return Remote.parse(self.url).socket

    @property
    def base(self) -> URL:
        """Where the relay is."""
        return URL(Remote.parse(self.url).base)

    @property
    def is_valid(self) -> bool:
        """Whether the relay's address can be used."""
        try:
            Remote.parse(self.url)
        except ServerError:
            return False
        return True


class Backlog:
    """
    Lines that the relay has not confirmed, oldest first.

    Args:
        most_bytes: what is over it is dropped, oldest first.
    """

    def __init__(self, most_bytes: int = BACKLOG_BYTES) -> None:
        self._most_bytes = most_bytes
        self._pieces: deque[tuple[bytes, int]] = deque()
        self.bytes = 0
        self.first = 0
        """How many lines of the run come before the first that is held."""
        self.end = 0
        """How many lines the run has had."""
        self.dropped = 0

    def add(self, data: bytes, count: int) -> None:
        """Add lines as NDJSON."""
        self._pieces.append((data, count))
        self.bytes += len(data)
        self.end += count
        while self.bytes > self._most_bytes:
            self.dropped += self._drop()

    def _drop(self) -> int:
        data, count = self._pieces.popleft()
        self.bytes -= len(data)
        self.first += count
        return count

    def head(self, most_bytes: int = PUSH_BYTES) -> tuple[bytes, int]:
        """Return the first lines, at least one where there is any, and their count."""
        if self._pieces and len(self._pieces[0][0]) > most_bytes:
            data = self._pieces[0][0]
            cut = (data.rfind(b"\n", 0, most_bytes) + 1) or (data.find(b"\n") + 1)
            return data[:cut], data.count(b"\n", 0, cut)
        taken: list[bytes] = []
        size = lines = 0
        for data, count in self._pieces:
            if size + len(data) > most_bytes:
                break
            taken.append(data)
            size += len(data)
            lines += count
        return b"".join(taken), lines

    def confirm(self, offset: int) -> bool:
        """Let go of the lines before ``offset``; return whether there were any."""
        before = self.first
        while self._pieces and self.first + self._pieces[0][1] <= offset:
            self._drop()
        if self._pieces and self.first < offset:
            data, count = self._pieces.popleft()
            rest = data.split(b"\n", offset - self.first)[-1]
            self._pieces.appendleft((rest, count - (offset - self.first)))
            self.bytes -= len(data) - len(rest)
            self.first = offset
        return self.first > before


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


class Pusher:
    """
    Pushes a backlog until it is told the end, and all is confirmed or given up.

    Args:
        request: where to.
        backlog: what.
        note: says something to the user.
    """

    def __init__(self, request: RunRequest, backlog: Backlog, note: Callable[[str], None]) -> None:
        self._request = request
        self._backlog = backlog
        self._note = note
        self._ending: dict[str, Any] | None = None
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._was_reached = self._is_answering = False
        self._has_warned = self._is_refused = False
        self._is_there = False
        """Whether anybody ever took a connection."""
        self._ended_at: float | None = None
        """When the command ended, or something was confirmed after that."""
        self._push_bytes = PUSH_BYTES

    def add(self, data: bytes, count: int) -> None:
        """Push lines."""
        if not self._is_refused:
            self._backlog.add(data, count)
        if self._is_answering and self._backlog.bytes > HELD_BACK_BYTES:
            self._room.clear()
        self._news.set()

    async def room(self) -> None:
        """Wait while a relay that answers has enough to do."""
        await self._room.wait()

    def end(self, exit_code: int) -> None:
        """
        Say that the command has ended.

        Args:
            exit_code: its own; below 0 the signal that ended it.
        """
        signalled = signal.Signals(-exit_code).name if exit_code < 0 else None
        self._ending = {"exit_code": None if signalled else exit_code, "signal": signalled}
        self._ended_at = asyncio.get_running_loop().time()
        self._news.set()

    async def run(self) -> None:
        """Push; returns once the run is completed at the relay, refused or given up."""
        socket = self._request.socket
        connector = aiohttp.UnixConnector(socket) if socket else None
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            wait_seconds, is_sure = FIRST_WAIT_SECONDS, True
            while not self._is_refused:
                try:
                    if not is_sure and await self._ask(session):
                        wait_seconds = FIRST_WAIT_SECONDS
                    is_sure = True
                    if await self._step(session):
                        return
                    wait_seconds = FIRST_WAIT_SECONDS
                except (aiohttp.ClientError, TimeoutError) as error:
                    self._is_answering = is_sure = False
                    self._is_there |= isinstance(error, aiohttp.ServerDisconnectedError)
                    # The less is sent at once, the sooner a bad connection has it confirmed.
                    self._push_bytes = max(LEAST_PUSH_BYTES, self._push_bytes // 4)
                    self._room.set()
                    self._warn(error)
                    if self._is_late():
                        break
                    await self._pause(wait_seconds)
                    wait_seconds = min(2 * wait_seconds, MOST_WAIT_SECONDS)
        self._is_answering = False
        self._room.set()
        if left := self._backlog.end - self._backlog.first:
            self._note(f"not delivered: {left} {'line' if left == 1 else 'lines'}")

    async def _ask(self, session: aiohttp.ClientSession) -> bool:
        """Find out what arrived of a push that was cut; return whether anything did."""
        async with session.get(self._run_url) as response:
            answer = await response.read()
        try:
            offset = orjson.loads(answer)["offset"] if response.status == 200 else 0
        except (ValueError, TypeError, KeyError):
            raise aiohttp.ClientError("it is no relay") from None
        if not offset or not self._backlog.confirm(offset):
            return False
        self._note_progress()
        return True

    def _note_progress(self) -> None:
        self._was_reached = self._is_there = True
        if self._ended_at is not None:
            self._ended_at = asyncio.get_running_loop().time()

    @property
    def _run_url(self) -> URL:
        return self._request.base.joinpath("api", "v1", "runs", self._request.run)

    async def _step(self, session: aiohttp.ClientSession) -> bool:
        """Push once, or complete the run; return whether all is done."""
        backlog, request = self._backlog, self._request
        # The first push may have no lines: it starts the run, and finds out who answers.
        if self._was_reached and not backlog.bytes and self._ending is None:
            self._news.clear()
            await self._news.wait()
        if self._was_reached and not backlog.bytes and self._ending is not None:
            await self._post(session, self._run_url / "complete", orjson.dumps(self._ending), {})
            return True
        body, count = backlog.head(self._push_bytes)
        offset = backlog.first
        headers = {
            "Content-Type": "application/x-ndjson",
            "Relay-Run": request.run,
            "Relay-Offset": str(offset),
        }
        if await self._post(session, request.base.joinpath(request.channel), body, headers):
            self._note_progress()
            self._is_answering = True
            self._push_bytes = min(2 * self._push_bytes, PUSH_BYTES)
            backlog.confirm(offset + count)
            if backlog.bytes <= HELD_BACK_BYTES:
                self._room.set()
        return False

    async def _post(
        self, session: aiohttp.ClientSession, url: URL, body: bytes, headers: dict[str, str]
    ) -> bool:
        """Post; return whether it was taken, and not refused for good."""
        async with session.post(url, data=body, headers=headers) as response:
            answer = await response.read()
            if response.status == 200:
                self._tell_rejected(answer)
                return True
            code, message = _refusal(response, answer)
            if response.status >= 500 or code in TRANSIENT:
                raise aiohttp.ClientError(message)
            self._is_refused = True
            self._note(f"the relay refuses the output: {message}")
            return False

    def _tell_rejected(self, answer: bytes) -> None:
        try:
            errors = orjson.loads(answer).get("errors")
        except (ValueError, AttributeError):
            raise aiohttp.ClientError("it is no relay") from None
        if errors:
            self._note(f"the relay refuses a line: {errors[0]['reason']}")

    def _warn(self, error: Exception) -> None:
        if self._has_warned:
            return
        self._has_warned = True
        reason = str(error) or "no answer"
        if isinstance(error, OSError) and error.errno and error.errno > 0:
            reason = os.strerror(error.errno).lower()
        self._note(f"cannot push to {self._request.url}: {reason}; the output is kept meanwhile")

    def _is_late(self) -> bool:
        wait = LAST_SECONDS if self._is_there else 0.0
        now = asyncio.get_running_loop().time()
        return self._ended_at is not None and now >= self._ended_at + wait

    async def _pause(self, seconds: float) -> None:
        """Wait, but not for an end that comes meanwhile."""
        until = asyncio.get_running_loop().time() + seconds
        was_ended = self._ending is not None
        while (self._ending is not None) == was_ended:
            self._news.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._news.wait()
            except TimeoutError:
                return


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> tuple[str, str]:
    try:
        error = orjson.loads(body)["error"]
        return str(error["code"]), str(error["message"])
    except (ValueError, TypeError, KeyError):
        return "", f"{response.url} answered {response.status} {response.reason}"


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
