"""
One WebSocket: the handshake, what a client says, and how a conversation ends.

Rules of this file:

* Everything that is written goes through one writer, in whole bodies. aiohttp would answer
  pings and closes by itself, in the middle of a body that waits for a slow client; so it does
  the handshake and the reading alone.
* Nobody waits for what a client may say: a task for that would be a KiB for each.
* Nothing is compressed, whatever the client asks for: frames are built once for all clients,
  and a compressor costs 90 KB for each.
* A client that says something wrong is given an ``error`` object, then a close.

====  =====================  ================================================================
code  reason                 when
====  =====================  ================================================================
1000  ``ended``              all was given: the run that was asked for ended, or ``follow=0``
1001  ``going_away``         the relay stops: ask again, with the last id as ``after``
1002  ``protocol_error``     frames that are against RFC 6455
1003  ``binary_message``     a message that is not text
1007  ``invalid_text``       a message that is not UTF-8
1008  ``invalid_message``    a message that is no JSON object of a known ``type``
1009  ``message_too_large``  a message of more than 64 KiB
1011  ``internal_error``     the relay failed; its log says more
4400  ``invalid_parameter``  a query that cannot be used: do not ask it again
4404  ``unknown_channel``    a query that names what is not there; also ``unknown_run``
====  =====================  ================================================================

The reason is also the ``code`` of the ``error`` object, which every code from 1002 on has.

Source: RFC 6455, section 7.4.1; codes from 4000 on are an application's own.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from aiohttp.http import WebSocketError

from relay.encode.websocket import WebSocketEncoder, close_frame, pong_frame
from relay.errors import NotFoundError, QueryError
from relay.web.answers import refuse
from relay.web.keys import CONNECTIONS, SETTINGS
from relay.web.writer import StreamWriter

__all__ = ["Farewell", "Socket", "serve_socket", "shown", "unknown_type"]

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 1024

MAX_READ_BYTES = 1024 * 1024
"""A larger message is not even read to its end."""

CLOSE_SECONDS = 2.0
"""How long a client may take to answer a close."""

MAX_SHOWN_CHARACTERS = 100

INVALID_PARAMETER, NOT_FOUND = 4400, 4404

_ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)

_BROKEN: dict[int, tuple[str, str]] = {
    WSCloseCode.INVALID_TEXT: ("invalid_text", "expected text as UTF-8"),
    WSCloseCode.MESSAGE_TOO_BIG: (
        "message_too_large",
        f"expected at most {MAX_MESSAGE_BYTES} bytes",
    ),
}


class Farewell(Exception):  # noqa: N818 - it ends a conversation, which need not be an error
    """
    The end of a conversation.

    Args:
        code: of the close frame.
        reason: a stable word for programs.
        sentence: for people, told by an ``error`` object before; ``None``: nothing went wrong.
        more: what else that object carries.
    """

    def __init__(self, code: int, reason: str, sentence: str | None = None, **more: Any) -> None:
        self.code, self.reason, self.sentence, self.more = code, reason, sentence, more


class Socket:
    """
    A WebSocket of one client.

    Args:
        request: that asks for it, by ``Upgrade``.
    """

    __slots__ = ("_last", "_request", "on_message", "ref", "response", "writer")

    def __init__(self, request: web.Request) -> None:
        self.response = _Handshake(
            compress=False, autoping=False, autoclose=False, max_msg_size=MAX_READ_BYTES
        )
        self._request = request
        self.writer: StreamWriter
        self._last: WSMessage | None = None
        """After which nothing is received any more."""
        self.on_message: Callable[[], None] | None = None
        """Called when :attr:`has_message` becomes true."""
        self.ref: Any = None
        """What the client's last message is to be answered with."""

    async def open(self) -> None:
        """Shake hands, and listen."""
        await self.response.prepare(self._request)
        # They are sent, and would be kept: half a KiB.
        self.response.headers.clear()
        seconds = self._request.app[SETTINGS].write_seconds
        self.writer = StreamWriter(self._request, seconds, chunked=False)
        self.response.listen(self._request, self._heard)

    def has_message(self) -> bool:
        """Tell whether :meth:`take` returns at once."""
        return self.response.has_message()

    async def take(self) -> dict[str, Any] | None:
        """
        Return what the client says next; ``None`` where that was only a ping, and is answered.

        Raises:
            Farewell: it said good-bye, or nonsense.
            ConnectionResetError: it is gone.
        """
        message = await self._receive()
        if message.type is WSMsgType.TEXT:
            return _parse(message.data)
        if message.type in (WSMsgType.PING, WSMsgType.PONG):
            if message.type is WSMsgType.PING:
                await self.writer.write(pong_frame(message.data))
            return None
        raise _end(message)

    async def close(self, farewell: Farewell) -> None:
        """Say why, and wait a little for the client to close too."""
        body = close_frame(farewell.code, farewell.reason)
        if farewell.sentence is not None:
            encoder = WebSocketEncoder(ref=self.ref)
            body = encoder.error(farewell.reason, farewell.sentence, **farewell.more) + body
        await self.writer.write(body)
        if self._last is None or self._last.type is not WSMsgType.CLOSE:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._wait_for_close()
            except TimeoutError:
                pass  # It does not answer: the connection is closed without its leave.
        if self._request.transport is not None:
            self._request.transport.close()

    def stop(self) -> None:
        """Stop listening."""
        self.on_message = None
        self.response.listen(self._request, None)

    def _heard(self) -> None:
        # Not at once: aiohttp has yet to look at it.
        asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        if self.on_message is not None and self.has_message():
            self.on_message()

    async def _receive(self) -> WSMessage:
        if self._last is not None:
            return self._last
        message = await self.response.receive()
        if message.type in _ENDS:
            self._last = message
        return message

    async def _wait_for_close(self) -> None:
        """Pass over what it still says; closing earlier would take our last words from it."""
        while (message := await self._receive()).type not in _ENDS:
            pass
        if message.type is not WSMsgType.CLOSE:
            # Nothing that it says is understood any more: the end of the connection tells.
            await asyncio.sleep(CLOSE_SECONDS)


class _Handshake(web.WebSocketResponse):
    """
    aiohttp's handshake and reading; it closes nothing by itself.

    It offers no way to hear of a message but to wait for it; so this looks into its parts.
    """

    def listen(self, request: web.Request, on_data: Callable[[], None] | None) -> None:
        """Have a function called whenever something comes; before it has been looked at."""
        request.protocol._data_received_cb = on_data

    def has_message(self) -> bool:
        """Tell whether :meth:`receive` returns at once."""
        return self._reader is not None and bool(self._reader._buffer or self._reader.is_eof())

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        """Do nothing: see the rules at the top."""
        return False


async def serve_socket(
    request: web.Request, converse: Callable[[web.Request, Socket], Awaitable[None]]
) -> web.StreamResponse:
    """
    Answer with a WebSocket.

    Args:
        request: that asks for it.
        converse: what is said; it returns when all is.
    """
    socket = Socket(request)
    if not socket.response.can_prepare(request):
        refusal = refuse(426, "upgrade_required", f"{request.path}: expected a WebSocket")
        refusal.headers["Upgrade"] = "websocket"
        return refusal
    await socket.open()
    try:
        try:
            await converse(request, socket)
        except (Farewell, QueryError, NotFoundError) as error:
            farewell = _farewell(error)
        else:
            is_stopping = request.app[CONNECTIONS].stopping
            farewell = _STOPPING if is_stopping else _ENDED
        await socket.close(farewell)
    except ConnectionResetError:
        pass  # The client is gone: nothing is left to be said to it.
    except Exception:
        # The border of a request: whatever went wrong is ours, and stays with us.
        log.exception("a conversation failed: %s", request.path)
        await socket.close(_FAILED)
    finally:
        socket.stop()
    return socket.response


_ENDED = Farewell(WSCloseCode.OK, "ended")
_STOPPING = Farewell(WSCloseCode.GOING_AWAY, "going_away")
_FAILED = Farewell(
    WSCloseCode.INTERNAL_ERROR,
    "internal_error",
    "the relay failed at this request; its log says more",
)


def _farewell(error: Farewell | QueryError | NotFoundError) -> Farewell:
    """Return how a conversation ends after an error."""
    if isinstance(error, Farewell):
        return error
    if isinstance(error, NotFoundError):
        return Farewell(NOT_FOUND, f"unknown_{error.kind}", str(error), near=list(error.near))
    more = {"parameter": error.parameter, "allowed": error.allowed}
    return Farewell(INVALID_PARAMETER, "invalid_parameter", str(error), **more)


def _end(message: WSMessage) -> Exception:
    """Return why nothing more is heard from a client."""
    if message.type is WSMsgType.CLOSE:
        # 1005 and 1006 say that there was no code, and may not be sent.
        return Farewell(WSCloseCode.OK if message.data in (0, 1005, 1006) else message.data, "")
    if message.type is WSMsgType.BINARY:
        return Farewell(
            WSCloseCode.UNSUPPORTED_DATA, "binary_message", "expected text, got a binary message"
        )
    error = message.data
    if isinstance(error, WebSocketError):
        default = ("protocol_error", f"expected frames as in RFC 6455: {error}")
        return Farewell(error.code, *_BROKEN.get(error.code, default))
    return ConnectionResetError("the client is gone")


def _parse(text: str) -> dict[str, Any]:
    """Return a message's object."""
    if len(text.encode()) > MAX_MESSAGE_BYTES:
        raise Farewell(WSCloseCode.MESSAGE_TOO_BIG, *_BROKEN[WSCloseCode.MESSAGE_TOO_BIG])
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _nonsense(f"expected a JSON object, got none: {error}") from None
    if not isinstance(message, dict):
        raise _nonsense("expected a JSON object, got other JSON")
    try:
        # What is echoed has to be written again, which takes less nesting than reading.
        orjson.dumps(message)
    except TypeError:
        raise _nonsense("expected less deeply nested JSON") from None
    return message


def unknown_type(message: dict[str, Any], allowed: str) -> Farewell:
    """
    Return what ends a conversation in which a message of an unknown type came.

    Args:
        message: that came.
        allowed: what would have been right, as a noun phrase.
    """
    return _nonsense(f"type: expected {allowed}, got {shown(message.get('type'))}")


def shown(value: Any) -> str:
    """Return a value of a message as an error shows it."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "…"


def _nonsense(sentence: str) -> Farewell:
    return Farewell(WSCloseCode.POLICY_VIOLATION, "invalid_message", sentence)
