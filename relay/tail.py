"""
``relay tail``: follow channels of a relay from a terminal, over as many connections as it takes.

Every object that the relay sends carries the id after which a reader goes on; a connection
that breaks, also inside a line, is made again and continues there. Nothing is shown twice.
"""

import asyncio
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
import orjson
from yarl import URL

from relay.remote import DEFAULT_URL, Remote, ServerError, said
from relay.tail_output import Object, Output

__all__ = ["Request", "Tail"]

READ_TIMEOUT_SECONDS = 60.0
"""A relay that says nothing for so long, not even a heartbeat, is dialled again."""

CONNECT_TIMEOUT_SECONDS = 10.0

FIRST_WAIT_SECONDS = 0.25
MOST_WAIT_SECONDS = 10.0

_GLOB = re.compile(r"[*?\[,]")


@dataclass(frozen=True, slots=True)
class Request:
    """
    What to follow.

    Args:
        url: of the relay, with its base path; or ``unix:PATH``.
        channels: names or globs; none for all.
        run: id or glob of runs, if only those are wanted.
        tail: how many lines of history to begin with; ``None`` leaves it to the relay.
        follow: whether to go on where history ends.
        filters: other query parameters, as the relay names them.
    """

    url: str = DEFAULT_URL
    channels: tuple[str, ...] = ()
    run: str | None = None
    tail: int | None = None
    follow: bool = True
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_one_channel(self) -> bool:
        """Whether all lines are of the same channel."""
        return len(self.channels) == 1 and not _GLOB.search(self.channels[0])

    @property
    def is_one_run(self) -> bool:
        """Whether it is of one run, so that it ends with it."""
        return self.run is not None and not _GLOB.search(self.run)

    def address(self, base: str, cursor: int | None) -> URL:
        """
        Return where to get it.

        Args:
            base: of the relay.
            cursor: the id after which to go on; ``None`` at first.
        """
        path = [",".join(self.channels)] if self.channels else []
        return URL(base).joinpath(*path, "json").with_query(self._parameters(cursor))

    def _parameters(self, cursor: int | None) -> dict[str, str]:
        parameters = dict(self.filters)
        if self.run is not None:
            parameters["run"] = self.run
        if cursor is not None:
            parameters["after"] = str(cursor)
        elif self.tail is not None:
            parameters["tail"] = str(self.tail)
        if not self.follow:
            parameters["follow"] = "0"
        return parameters


class Tail:
    """
    One request, followed to its end.

    Args:
        request: what to follow.
        output: where it goes.

    Raises:
        ServerError: the URL is none.
    """

    def __init__(self, request: Request, output: Output) -> None:
        self._request = request
        self._output = output
        self._remote = Remote.parse(request.url)
        self.cursor: int | None = None
        """The id after which to go on."""
        self._exit_code: int | None = None
        self._was_reached = False
        self._is_waiting = False
        self._was_refused = False
        self._wait_seconds = FIRST_WAIT_SECONDS

    async def run(self) -> int:
        """
        Follow until the end: of history, of the run, or never.

        Returns:
            The exit code of the one run that was asked for, else 0.

        Raises:
            ServerError: the relay cannot be reached at first, or refuses.
        """
        remote = self._remote
        connector = aiohttp.UnixConnector(remote.socket) if remote.socket else None
        timeout = aiohttp.ClientTimeout(
            sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=READ_TIMEOUT_SECONDS
        )
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            while True:
                try:
                    if self._request.is_one_run:
                        await self._look_for_run(session)
                    if await self._connect(session):
                        return self._exit_code or 0
                    reason = "the relay closed it"
                except (aiohttp.ClientError, TimeoutError) as error:
                    reason = _reason(error)
                    if not self._was_reached:
                        raise ServerError(f"cannot reach {remote.url}: {reason}") from None
                await self._pause(reason)

    async def _pause(self, reason: str) -> None:
        if self._wait_seconds == FIRST_WAIT_SECONDS:
            self._output.note(f"connection lost ({reason}); trying again")
        await asyncio.sleep(self._wait_seconds)
        self._wait_seconds = min(2 * self._wait_seconds, MOST_WAIT_SECONDS)

    async def _look_for_run(self, session: aiohttp.ClientSession) -> None:
        """Tell that there is no such run yet: the stream would only be silent."""
        status, body = await self._ask_for_run(session)
        if status != 404 or said(body) is None:
            return
        if not self._request.follow:
            raise ServerError(f"{said(body)}")
        if not self._is_waiting:
            self._is_waiting = True
            close = orjson.loads(body)["error"].get("near", [])
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            self._output.note(f"no run {self._request.run!r} yet; waiting for it{hint}")

    async def _ask_for_run(self, session: aiohttp.ClientSession) -> tuple[int, bytes]:
        url = URL(self._remote.base) / "api/v1/runs" / f"{self._request.run}"
        async with session.get(url) as response:
            return response.status, await response.read()

    async def _connect(self, session: aiohttp.ClientSession) -> bool:
        """Follow over one connection; return whether all is said."""
        self._was_refused = False
        async with session.get(self._request.address(self._remote.base, self.cursor)) as response:
            if response.status == 204:
                # Its end was passed without being seen.
                status, body = await self._ask_for_run(session)
                self._exit_code = exit_code(orjson.loads(body)) if status == 200 else 0
                return True
            if response.status >= 500 and self._was_reached:
                raise aiohttp.ClientError(f"status {response.status}")
            await self._check(response)
            self._was_reached = True
            rest = b""
            async for data in response.content.iter_any():
                rest = self.take(rest, data)
                if self._exit_code is not None:
                    return True
            return not (self._request.follow or rest or self._was_refused)

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status != 200:
            answered = f"{response.url} answered {response.status} {response.reason}"
            raise ServerError(said(await response.read()) or answered, response.status)
        if response.content_type != "application/x-ndjson":
            raise ServerError(
                f"{self._remote.url} is no relay: it answered with {response.content_type}"
            )

    def take(self, rest: bytes, data: bytes) -> bytes:
        """
        Take what came.

        Args:
            rest: what the last call returned; empty at the start of a connection.
            data: bytes, split anywhere.

        Returns:
            What is not yet a whole line.
        """
        *lines, rest = (rest + data).split(b"\n")
        received = [(_object(line), line) for line in lines if line]
        if received:
            self._output.write(received)
            self._wait_seconds = FIRST_WAIT_SECONDS
        for item, _ in received:
            self._note_place(item)
        return rest

    def _note_place(self, item: Object) -> None:
        place = item.get("id", item.get("cursor"))
        if place is not None:
            self.cursor = place
        self._was_refused |= item["type"] == "error"
        self._is_waiting &= item["type"] not in ("log", "complete")
        if item["type"] == "complete" and item["run"] == self._request.run:
            self._exit_code = exit_code(item)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno).lower()
    if isinstance(error, aiohttp.ClientPayloadError):
        return "it broke"
    return str(error) or type(error).__name__


def exit_code(ending: Object) -> int:
    """Return what a shell would say of a run's end."""
    if ending["exit_code"] is not None:
        code = int(ending["exit_code"])
        # A shell sees eight bits: what is not 0 must not become it.
        return code & 0xFF or int(code != 0)
    if ending["signal"] is not None:
        number = signal.Signals.__members__.get(ending["signal"])
        return 128 + (number or 0)
    return 1 if ending["status"] in ("failed", "killed") else 0


def _object(line: bytes) -> Object:
    try:
        item = orjson.loads(line)
        item["type"]
    except (ValueError, TypeError, KeyError):
        raise ServerError(f"expected an object with a type, got {line[:60]!r}") from None
    return item  # type: ignore[no-any-return]
