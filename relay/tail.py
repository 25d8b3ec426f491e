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
from typing import Any, TextIO

import aiohttp
import orjson
from yarl import URL

from relay.errors import RelayError

__all__ = ["DEFAULT_URL", "Output", "Request", "ServerError", "Tail"]

DEFAULT_URL = "http://127.0.0.1:8514"

READ_TIMEOUT_SECONDS = 60.0
"""A relay that says nothing for so long, not even a heartbeat, is dialled again."""

CONNECT_TIMEOUT_SECONDS = 10.0

FIRST_WAIT_SECONDS = 0.25
MOST_WAIT_SECONDS = 10.0

COLOURS = {
    "trace": "2",
    "debug": "2",
    "warn": "33",
    "error": "31",
    "fatal": "1;31",
}
"""Of levels on a terminal, as SGR codes; others are left as they are."""

Object = dict[str, Any]

_GLOB = re.compile(r"[*?\[]")


class ServerError(RelayError):
    """
    The relay cannot be reached, or refuses.

    Args:
        sentence: where, and why.
    """

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


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
    def socket(self) -> str | None:
        """Path of the unix socket to connect to, if it is one."""
        return self.url.removeprefix("unix:") if self.url.startswith("unix:") else None

    def address(self, cursor: int | None) -> URL:
        """
        Return where to get it.

        Args:
            cursor: the id after which to go on; ``None`` at first.

        Raises:
            ServerError: the URL is none.
        """
        try:
            base = URL("http://localhost" if self.socket else self.url)
        except ValueError:
            base = URL()
        if base.scheme not in ("http", "https") or not base.host:
            raise ServerError(f"expected a URL such as {DEFAULT_URL}, got {self.url!r}")
        path = [",".join(self.channels)] if self.channels else []
        return base.joinpath(*path, "json").with_query(self._parameters(cursor))

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


class Output:
    """
    Writes what was received: messages, and for people on ``err`` what is missing.

    Args:
        out: for messages.
        err: for all else.
        as_json: writes entries, gaps and run endings to ``out`` as they came.
        colour: whether a line has the colour of its level.
        channel: whether a line begins with its channel.
    """

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        *,
        as_json: bool = False,
        colour: bool = False,
        channel: bool = False,
    ) -> None:
        self._out = out
        self._err = err
        self._as_json = as_json
        self._colour = colour
        self._channel = channel

    def write(self, received: list[tuple[Object, bytes]]) -> None:
        """Write all that came at once, each object with its text."""
        for item, text in received:
            if item["type"] == "error":
                self.note(item["message"])
            elif item["type"] in ("log", "gap", "complete"):
                self._write(item, text)
        self._out.flush()

    def note(self, sentence: str) -> None:
        """Say something that is no message."""
        self._err.write(f"relay tail: {sentence}\n")
        self._err.flush()

    def _write(self, item: Object, text: bytes) -> None:
        if self._as_json:
            self._out.write(text.decode() + "\n")
        elif item["type"] == "log":
            self._out.write(self._line(item) + "\n")
        elif item["type"] == "gap":
            # What came before it stands before it on a terminal, too.
            self._out.flush()
            self._err.write(_gap(item) + "\n")

    def _line(self, entry: Object) -> str:
        message: str = entry["message"]
        colour = COLOURS.get(entry["level"])
        # A line that brings its own colours keeps them.
        if self._colour and colour is not None and "\x1b" not in message:
            message = f"\x1b[{colour}m{message}\x1b[0m"
        return f"{entry['channel']} | {message}" if self._channel else message


def _gap(gap: Object) -> str:
    count = gap["count"]
    if count is None:
        count = f"at least {gap['at_least']}" if gap["at_least"] else "an unknown number of"
    return f"--- gap: {count} entries of {gap['channel']} missing ({gap['reason']}) ---"


class Tail:
    """
    One request, followed to its end.

    Args:
        request: what to follow.
        output: where it goes.
    """

    def __init__(self, request: Request, output: Output) -> None:
        self._request = request
        self._output = output
        self.cursor: int | None = None
        """The id after which to go on."""
        self._exit_code: int | None = None
        self._was_reached = False
        self._wait_seconds = FIRST_WAIT_SECONDS

    async def run(self) -> int:
        """
        Follow until the end: of history, of the run, or never.

        Returns:
            The exit code of the one run that was asked for, else 0.

        Raises:
            ServerError: the relay cannot be reached at first, or refuses.
        """
        socket = self._request.socket
        connector = aiohttp.UnixConnector(socket) if socket else None
        timeout = aiohttp.ClientTimeout(
            sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=READ_TIMEOUT_SECONDS
        )
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            while True:
                try:
                    if await self._connect(session):
                        return self._exit_code or 0
                    reason = "the relay closed it"
                except (aiohttp.ClientError, TimeoutError) as error:
                    reason = _reason(error)
                    if not self._was_reached:
                        raise ServerError(f"cannot reach {self._request.url}: {reason}") from None
                await self._pause(reason)

    async def _pause(self, reason: str) -> None:
        if self._wait_seconds == FIRST_WAIT_SECONDS:
            self._output.note(f"connection lost ({reason}); trying again")
        await asyncio.sleep(self._wait_seconds)
        self._wait_seconds = min(2 * self._wait_seconds, MOST_WAIT_SECONDS)

    async def _connect(self, session: aiohttp.ClientSession) -> bool:
        """Follow over one connection; return whether all is said."""
        async with session.get(self._request.address(self.cursor)) as response:
            if response.status == 204:
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
            return not self._request.follow and not rest

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status != 200:
            raise ServerError(_refusal(response, await response.read()))
        if response.content_type != "application/x-ndjson":
            raise ServerError(
                f"{self._request.url} is no relay: it answered with {response.content_type}"
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
        return int(ending["exit_code"])
    if ending["signal"] is not None:
        return 128 + getattr(signal, ending["signal"], 0)
    return 1 if ending["status"] in ("failed", "killed") else 0


def _object(line: bytes) -> Object:
    try:
        item = orjson.loads(line)
        item["type"]
    except (ValueError, TypeError, KeyError):
        raise ServerError(f"expected an object with a type, got {line[:60]!r}") from None
    return item  # type: ignore[no-any-return]


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> str:
    try:
        return str(orjson.loads(body)["error"]["message"])
    except (ValueError, TypeError, KeyError):
        return f"{response.url} answered {response.status} {response.reason}"
