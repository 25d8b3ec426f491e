"""
Push over HTTP: a request's body becomes lines, as it comes.

A body without a length may be endless: its lines are published as they come, and the client is
read no faster than they are. What a push may hold is one line and what one read gives.

Source: DESIGN section 6, "Routes"; RFC 9110 for status codes.
"""

import asyncio
import time
from typing import Any

import orjson
from aiohttp import web
from aiohttp.http_exceptions import PayloadEncodingError

from relay.entry import Level, RunEnded, Stream
from relay.errors import QueryError
from relay.hub import Hub
from relay.inlet import Delivery, Inlet, Push, Receipt, RefusedPushError
from relay.names import ALLOWED_NAME, is_channel_name, is_run_id, near
from relay.parameters import parse_whole
from relay.web.answers import answer, refuse
from relay.web.keys import HUB
from relay.web.runs import run_object

__all__ = ["complete", "no_page", "push"]

IDLE_SECONDS = 1.0
"""An unfinished line that has not grown for so long is given out."""

PACE_SECONDS = 0.001
"""Small pieces come no closer than this, so that not each line becomes a block."""

SMALL_BYTES = 32 * 1024

MAX_JSON_BYTES = 1 << 20
"""Of a body that must be whole before it can be read; NDJSON has no such limit."""

MAX_OFFSET = (1 << 53) - 1
MAX_INSTANCE_CHARACTERS = 256
MAX_EXIT_CODE = (1 << 32) - 1
MAX_STATUS_CHARACTERS = 64

NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/json-lines")

PARAMETERS = ("run", "instance", "stream", "level", "offset")
"""Each in the query string, or as a header such as ``Relay-Run``."""

_STREAMS = {stream.word: stream for stream in Stream}
_LEVELS = {level.word: level for level in Level}
_ENDING_KEYS = ("status", "exit_code", "signal")

_STATUS_OF = {"stopping": 503, "invalid_json": 400, "too_large": 413, "broken": 400}


async def push(request: web.Request) -> web.Response:
    """Publish a body's lines, and answer what became of them."""
    hub = request.app[HUB]
    channel = request.match_info["channel"]
    if not is_channel_name(channel):
        raise QueryError("channel", channel, ALLOWED_NAME)
    inlet = next((one for one in hub.inlets.values() if one.accepts(channel)), None)
    if inlet is None:
        return _not_allowed(hub, channel)
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        return refuse(415, "unsupported_type", f"charset: expected utf-8, got {request.charset!r}")
    if request.content_type.startswith("multipart/"):
        sentence = "expected lines of text or NDJSON as the body itself, got a form"
        return refuse(415, "unsupported_type", f"content-type: {sentence}")
    asked = _asked(request, channel)
    try:
        most = _most_bytes(request, inlet)
        _check_size(request.content_length or 0, most)
        delivery = await inlet.open(asked)
    except RefusedPushError as error:
        return _refuse(error)
    return await _deliver(request, most, delivery)


async def no_page(request: web.Request) -> web.Response:
    """Answer a GET of a channel's own path, which only takes pushes."""
    raise web.HTTPNotFound


def _not_allowed(hub: Hub, channel: str) -> web.Response:
    globs = [glob for inlet in hub.inlets.values() for glob in inlet.channels]
    if not globs:
        sentence = (
            "no source takes pushes; add [sources.push] with "
            f'type = "push" and channels = ["{channel}"] to the configuration'
        )
        return refuse(403, "push_disabled", sentence)
    sentence = f"channel: expected one that a push source allows ({', '.join(globs)})"
    return refuse(403, "channel_not_allowed", f"{sentence}, got {channel!r}", allowed=globs)


def _asked(request: web.Request, channel: str) -> Push:
    """
    Return what the client says of its push.

    Raises:
        QueryError: something of it cannot be used.
    """
    said: dict[str, str] = {}
    for name in PARAMETERS:
        header = request.headers.get(f"Relay-{name.title()}")
        if header is not None:
            said[name] = header
    for name, value in request.query.items():
        if name not in PARAMETERS:
            raise QueryError(name, value, "one of the parameters " + ", ".join(PARAMETERS))
        said[name] = value
    return Push(
        channel,
        request.content_type in (*NDJSON_TYPES, "application/json"),
        run=_run(said.get("run")),
        instance=_instance(said.get("instance")),
        stream=_choice("stream", said.get("stream"), _STREAMS) or Stream.STDOUT,
        level=_choice("level", said.get("level"), _LEVELS),
        offset=parse_whole("offset", said["offset"], 0, MAX_OFFSET) if "offset" in said else None,
    )


def _run(value: str | None) -> str | None:
    if value is not None and not is_run_id(value):
        allowed = "1 to 128 ASCII letters, digits, '.', '_', ':', '-', "
        raise QueryError("run", value, allowed + "the first a letter, a digit or '_'")
    return value


def _instance(value: str | None) -> str | None:
    if value is not None and not (
        0 < len(value) <= MAX_INSTANCE_CHARACTERS and value.isprintable()
    ):
        allowed = f"1 to {MAX_INSTANCE_CHARACTERS} printable characters"
        raise QueryError("instance", value, allowed)
    return value


def _choice(name: str, value: str | None, known: dict[str, Any]) -> Any:
    if value is not None and value.lower() not in known:
        raise QueryError(name, value, f"one of {', '.join(known)}")
    return None if value is None else known[value.lower()]


def _most_bytes(request: web.Request, inlet: Inlet) -> int | None:
    """Return how long a body may be; ``None``: endless."""
    if request.content_type == "application/json":
        return min(MAX_JSON_BYTES, inlet.max_body_bytes)
    return None if request.content_length is None else inlet.max_body_bytes


async def _deliver(request: web.Request, most: int | None, delivery: Delivery) -> web.Response:
    try:
        return answer(_told(request, await _receive(request, most, delivery)))
    except RefusedPushError as error:
        return _refuse(error, _told(request, delivery.receipt))
    except (web.RequestPayloadError, PayloadEncodingError) as error:
        refusal = _refuse(_broken(error), _told(request, delivery.receipt))
        # Nothing more can be read: aiohttp must not look for the rest of the body.
        await refusal.prepare(request)
        await refusal.write_eof()
        request.protocol.force_close()
        return refusal
    finally:
        delivery.close()


async def _receive(request: web.Request, most: int | None, delivery: Delivery) -> Receipt:
    is_json = request.content_type == "application/json"
    content, received = request.content, 0
    body: list[bytes] = []
    while data := await _read(request, delivery):
        received += len(data)
        # Also where the length was told: what it tells is that of the compressed body.
        _check_size(received, most)
        if is_json:
            body.append(data)
            continue
        await delivery.feed(data)
        if len(data) < SMALL_BYTES and not content.at_eof():
            await asyncio.sleep(PACE_SECONDS)
    return await (delivery.take(b"".join(body)) if is_json else delivery.finish())


async def _read(request: web.Request, delivery: Delivery) -> bytes:
    """Return what came next, or nothing at the end of the body."""
    while True:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                return await request.content.readany()
        except TimeoutError:
            await delivery.pause()


def _check_size(size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise RefusedPushError(
            "too_large",
            f"body: expected at most {most} bytes, got {size} or more; send NDJSON or text "
            "without a length (chunked), or several pushes",
        )


def _broken(error: web.RequestPayloadError | PayloadEncodingError) -> RefusedPushError:
    """Return why a body cannot be read: what it is told in has not the form that it should."""
    reason = " ".join(str(error).lower().split()).removeprefix("400, message: ")
    return RefusedPushError("broken", f"body: {reason}")


def _told(request: web.Request, receipt: Receipt) -> dict[str, Any]:
    return {
        "accepted": receipt.accepted,
        "rejected": receipt.rejected,
        "skipped": receipt.skipped,
        "errors": [{"line": error.line, "reason": error.reason} for error in receipt.errors],
        "last_id": receipt.last_id,
        "run": request.query.get("run", request.headers.get("Relay-Run")),
        "offset": receipt.offset,
    }


def _refuse(error: RefusedPushError, told: dict[str, Any] | None = None) -> web.Response:
    return refuse(_STATUS_OF.get(error.code, 409), error.code, str(error), **(told or {}))


async def complete(request: web.Request) -> web.Response:
    """End a run that was pushed or named in lines; one that has ended stays as it is."""
    hub = request.app[HUB]
    run = hub.run(request.match_info["run"])
    ended = _ending(run.id, await request.read())
    if run.ending_id is None:
        completer = hub.inlets.get(run.source) or hub.completers.get(run.source)
        if completer is None:
            sentence = f"run: {run.id!r} is a run of the source {run.source!r}, which ends it"
            return refuse(409, "run_taken", sentence)
        try:
            await completer.complete(max(run.last_ids), ended)
        except RefusedPushError as error:
            return _refuse(error)
    return answer(run_object(run))


def _ending(run: str, body: bytes) -> RunEnded:
    """
    Return how a run ended.

    Raises:
        QueryError: the body does not say it as it should.
    """
    said = _object(body)
    for name in said:
        if name not in _ENDING_KEYS:
            similar = near(name, _ENDING_KEYS, 1)
            allowed = f"{similar[0]!r}" if similar else f"one of {', '.join(_ENDING_KEYS)}"
            raise QueryError(name, str(said[name]), f"a known key, perhaps {allowed}")
    exit_code, signal = said.get("exit_code"), _word("signal", said.get("signal"))
    if exit_code is not None and not (type(exit_code) is int and abs(exit_code) <= MAX_EXIT_CODE):
        raise QueryError("exit_code", str(exit_code), "a whole number")
    status = _word("status", said.get("status"))
    return RunEnded(run, time.time_ns(), status or _status(exit_code, signal), exit_code, signal)


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        shown = body.decode(errors="replace")
        raise QueryError("body", shown, f"a JSON object with {', '.join(_ENDING_KEYS)}")
    return said


def _word(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not is_run_id(value) or len(value) > MAX_STATUS_CHARACTERS:
        allowed = f"a word of at most {MAX_STATUS_CHARACTERS} letters, digits, '.', '_', ':', '-'"
        raise QueryError(name, str(value), allowed)
    return value


def _status(exit_code: int | None, signal: str | None) -> str:
    if signal is not None:
        return "killed"
    if exit_code is None:
        return "ended"
    return "failed" if exit_code else "succeeded"
