"""
An engine, asked: what containers there are, what happens to them, and what they say.

Listing and inspecting is the library's; logs and events are read raw from its session, since the
library's own log has neither streams nor bytes, and leaks a connection for each that is left.
These calls are all that is made, and none changes anything:

    GET /version   /containers/json   /containers/{id}/json   /containers/{id}/logs   /events
"""

import asyncio
import json
import logging
import os
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from relay.errors import SourceError
from relay.sources.docker_facts import Container, Event

if TYPE_CHECKING:
    import aiodocker
    import aiohttp

__all__ = ["DEFAULT_HOST", "Engine", "EngineError", "GoneError", "Host", "Log", "UnreadableError"]

log = logging.getLogger(__name__)

DEFAULT_HOST = "unix:///var/run/docker.sock"

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
"""For all but logs and events, which have no end."""

READ_BYTES = 64 * 1024
"""Of each container's log; the connection holds the engine back beyond twice as much."""

MAX_EVENT_BYTES = 4 << 20
"""An event has all labels of its container, which may be long; but memory is bounded."""

EVENTS = (
    "create start die stop kill oom pause unpause restart rename destroy update health_status"
).split()
"""What is told: not what health checks do, three events for each."""

KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds, seconds, times: an engine elsewhere may be gone without a word."""


_SSL_PLACE = re.compile(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$")


class EngineError(SourceError):
    """An engine that does not answer, or not as engines do."""


class GoneError(Exception):
    """A container that is not there any more."""


class UnreadableError(Exception):
    """
    A container whose log the engine cannot give.

    Args:
        sentence: why.
    """


@dataclass(frozen=True, slots=True)
class Host:
    """
    Where an engine is.

    Args:
        url: ``unix:///path`` or ``tcp://host:port``.
        ca: file with the certificates by which the engine is known; ``None``: no TLS.
        cert: file with our own certificate.
        key: file with its key.
    """

    url: str = DEFAULT_HOST
    ca: str | None = None
    cert: str | None = None
    key: str | None = None


class Engine:
    """
    One engine; an asynchronous context manager, whose connections end with it.

    Args:
        host: where it is.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._docker: aiodocker.Docker
        self._session: aiohttp.ClientSession
        self._endless: aiohttp.ClientSession
        self._streams: aiohttp.ClientSession

    async def __aenter__(self) -> "Engine":
        # A tenth of a second of importing: only who has containers to read pays it.
        import aiodocker
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
        endless = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        with self._explained():
            connector, url = self._connector()
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        self._endless = aiohttp.ClientSession(
            connector=connector, connector_owner=False, timeout=endless
        )
        # A frame is a chunk in HTTP/1.1: parsing these costs as much as all else together. What
        # an answer that ends leaves open is then told by asking again.
        self._streams = aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            version=aiohttp.HttpVersion10,
            headers={"Connection": "close"},
            timeout=endless,
            read_bufsize=READ_BYTES,
            auto_decompress=False,
            skip_auto_headers=["Accept-Encoding"],
        )
        self._docker = aiodocker.Docker(url, connector, self._session, timeout)
        try:
            # Its version is asked for before everything else, and never again.
            with self._explained():
                await self._docker.version()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        await self._docker.close()
        for session in (self._streams, self._endless, self._session):
            await session.close()

    def _connector(self) -> "tuple[aiohttp.BaseConnector, str]":
        """Return what connects, with no limit to how many logs are followed, and its URL."""
        import aiohttp

        host = self._host
        if host.url.startswith("unix://"):
            path = host.url.removeprefix("unix://")
            return aiohttp.UnixConnector(path, limit=0), "http://docker"
        secure: ssl.SSLContext | bool = True
        url = host.url.replace("tcp://", "http://", 1)
        if host.ca is not None:
            secure = ssl.create_default_context(cafile=host.ca)
            if host.cert is not None:
                secure.load_cert_chain(host.cert, host.key)
            url = host.url.replace("tcp://", "https://", 1)
        return aiohttp.TCPConnector(limit=0, ssl=secure, socket_factory=_kept_alive), url

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Make all that goes wrong between the relay and the engine an :class:`EngineError`."""
        import aiohttp
        from aiodocker import DockerError

        try:
            yield
        except DockerError as error:
            if error.status == 900:
                raise EngineError(f"cannot reach {self._host.url}: {_reason(error)}") from error
            raise EngineError(f"{self._host.url} refuses: {error.message}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EngineError(f"cannot reach {self._host.url}: {_reason(error)}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(f"{self._host.url} answers as no engine does: {error!r}") from error

    async def containers(self) -> list[Container]:
        """
        List all containers, with what they are chosen by.

        Raises:
            EngineError: it does not answer.
        """
        with self._explained():
            found = await self._docker.containers.list(all=True)
            return [Container.listed(one._container) for one in found]

    async def inspect(self, container: str) -> Container:
        """
        Return all that is known of one container.

        Raises:
            GoneError: there is none of this id.
            EngineError: it does not answer.
        """
        from aiodocker import DockerError

        with self._explained():
            try:
                values = await self._docker.containers.container(container).show()
            except DockerError as error:
                if error.status == 404:
                    raise GoneError from error
                raise
            return Container.inspected(values)

    @asynccontextmanager
    async def log(
        self, container: str, parameters: Mapping[str, str], *, follow: bool
    ) -> AsyncIterator["Log"]:
        """
        Open a container's log; its connection ends with the context.

        Args:
            container: its id.
            parameters: which part of it, such as ``tail`` and ``since``.
            follow: whether to wait for more; else it is an error if the answer breaks off.

        Raises:
            GoneError: there is none of this id.
            UnreadableError: its log cannot be read.
            EngineError: it does not answer, or breaks off, also in the context.
        """
        session = self._streams if follow else self._endless
        url = f"{self._docker.docker_host}/{self._docker.api_version}/containers/{container}/logs"
        own = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": str(int(follow))}
        async with self._get(session, url, own | dict(parameters)) as response:
            if response.status in (404, 409):
                # Also while it is being removed.
                raise GoneError
            if response.status in (400, 501):
                raise UnreadableError(await _message(response))
            await self._require_success(response)
            yield Log(response, self._explained)

    @asynccontextmanager
    async def events(self, since_ns: int) -> AsyncIterator[AsyncIterator[Event]]:
        """
        Follow what happens to containers, from a time that the engine remembers.

        Args:
            since_ns: nanoseconds since the epoch.

        Raises:
            EngineError: it does not answer, or breaks off, also in the context.
        """
        url = f"{self._docker.docker_host}/{self._docker.api_version}/events"
        filters = json.dumps({"type": ["container"], "event": EVENTS})
        since = f"{since_ns // 1_000_000_000}.{since_ns % 1_000_000_000:09}"
        async with self._get(self._endless, url, {"filters": filters, "since": since}) as response:
            await self._require_success(response)
            yield self._events(response)

    @asynccontextmanager
    async def _get(
        self, session: "aiohttp.ClientSession", url: str, parameters: Mapping[str, str]
    ) -> "AsyncIterator[aiohttp.ClientResponse]":
        # What goes wrong in the context is its own: only asking is explained here.
        with self._explained():
            response = await session.get(url, params=parameters)
        try:
            yield response
        finally:
            response.close()

    async def _require_success(self, response: "aiohttp.ClientResponse") -> None:
        if response.status != 200:
            sentence = f"{self._host.url} refuses: {await _message(response)}"
            raise EngineError(sentence)

    async def _events(self, response: "aiohttp.ClientResponse") -> AsyncIterator[Event]:
        lines = _EventLines()
        while True:
            with self._explained():
                data = await response.content.readany()
                if not data:
                    return
                events = [Event.parse(json.loads(line)) for line in lines.feed(data)]
            for event in events:
                yield event


class _EventLines:
    """Cuts what comes into lines; one that is too long for an event is left out."""

    def __init__(self) -> None:
        self._held = b""
        self._is_left_out = False

    def feed(self, data: bytes) -> list[bytes]:
        *lines, rest = (self._held + data).split(b"\n")
        if lines and self._is_left_out:
            del lines[0]
            self._is_left_out = False
        if len(rest) > MAX_EVENT_BYTES:
            log.warning("an event of more than %d bytes is left out", MAX_EVENT_BYTES)
            self._is_left_out = True
        self._held = b"" if self._is_left_out else rest
        return [line for line in lines if line.strip()]


class Log:
    """
    A container's log that is open.

    Args:
        response: to the request for it.
        explained: makes its errors the engine's.
    """

    def __init__(
        self,
        response: "aiohttp.ClientResponse",
        explained: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._response = response
        self._content = response.content
        self._explained = explained

    async def read(self) -> bytes:
        """
        Wait for more, and return all that has come; nothing at its end.

        Raises:
            EngineError: it breaks off.
        """
        with self._explained():
            return await self._content.readany()

    async def rest(self, seconds: float) -> None:
        """Leave what comes to the kernel for a while: the engine sends each line by itself."""
        connection = self._response.connection
        protocol = None if connection is None else connection.protocol
        if protocol is not None:
            protocol.pause_reading()
        try:
            await asyncio.sleep(seconds)
        finally:
            if protocol is not None:
                protocol.resume_reading()


async def _message(response: "aiohttp.ClientResponse") -> str:
    """Return what an answer says of its error, in its first line."""
    text = (await response.content.read(4096)).decode(errors="replace").strip()
    try:
        values: Any = json.loads(text)
        return str(values["message"]).partition("\n")[0]
    except (ValueError, KeyError, TypeError):
        return text.partition("\n")[0] or f"status {response.status}"


def _reason(error: BaseException) -> str:
    """Return why there is no connection, as the system has it."""
    cause: BaseException | None = error
    innermost = error
    while cause is not None:
        innermost = cause
        if isinstance(cause, TimeoutError | asyncio.TimeoutError):
            return "it does not answer in time"
        if isinstance(cause, ssl.SSLError):
            # "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: … (_ssl.c:1006)"
            return _SSL_PLACE.sub("", str(cause.args[-1] if cause.args else cause)).lower()
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
        cause = cause.__cause__ or cause.__context__
    return str(innermost).lower() or type(innermost).__name__


def _kept_alive(address: Any) -> Any:
    """Return a socket on which silence is looked into."""
    import socket

    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
