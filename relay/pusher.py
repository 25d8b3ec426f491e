"""
Pushes lines as a run, over connections that may break and to a relay that may be away.

Rule of this file: what was pushed is kept until the relay has answered that it is published,
and sent again from there: the relay skips what it has, and declares the hole of what was dropped.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from relay.backlog import PUSH_BYTES, Backlog
from relay.remote import Remote, ServerError

__all__ = ["Pusher", "RunRequest"]

HELD_BACK_BYTES = 8 * 1024 * 1024
"""While the relay answers, the command waits for it where so much waits."""

LEAST_PUSH_BYTES = 8 * 1024
"""How much is sent at once after a connection broke."""

TIMEOUT_SECONDS = 10.0
FIRST_WAIT_SECONDS = 0.2
MOST_WAIT_SECONDS = 5.0

LAST_SECONDS = 5.0
"""How long a relay that did answer once has to take what is left when the command has ended."""

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
