"""
What a forwarding Lambda brings: a subscription's event as CloudWatch Logs gave it to the Lambda.

The Lambda hands on what it is given and raises where the answer is no 200. CloudWatch Logs calls
it asynchronously and is never told: Lambda itself tries twice more, within three minutes, and then
gives the event to the function's dead-letter queue, from which the Lambda is given it again.

Source: Amazon CloudWatch Logs User Guide, "Log group-level subscription filters"; AWS Lambda
Developer Guide, "How Lambda handles errors and retries with asynchronous invocation".
"""

import asyncio
from typing import Any

import orjson
from aiohttp import web

from relay.decode.awslogs import UNPACKED, Budget, UnreadableError, from_base64, payloads, unpack
from relay.errors import QueryError
from relay.hub import Hub
from relay.inlet import LogRecord, RecordInlet, RecordReceipt, RefusedPushError
from relay.names import ALLOWED_NAME, is_channel_name
from relay.web.answers import answer, refuse
from relay.web.bodies import (
    BodyTooLargeError,
    BrokenBodyError,
    TooManyBodiesError,
    body_of,
    last_answer,
)
from relay.web.keys import HUB

__all__ = [
    "awslogs",
    "decoded",
    "find_inlet",
    "not_accepted",
]

LARGE_BYTES = 16 * 1024
"""More is unpacked in a thread: packed, it may be a hundred times as much."""

LAST_MS = (1 << 63) // 1_000_000 - 1
"""In the year 2262: a timestamp is of nanoseconds, in 64 bits."""

MAX_NAME_CHARACTERS = 512
"""Of a log group's and a log stream's name, by AWS's rule."""

MAX_ID_CHARACTERS = 256

MAX_EVENTS = 500_000
"""Of a record: each takes some hundred bytes while it is on its way."""


async def awslogs(request: web.Request) -> web.Response:
    """Publish a subscription's event, and answer what became of it."""
    hub, channel = request.app[HUB], request.match_info["channel"]
    if not is_channel_name(channel):
        raise QueryError("channel", channel, ALLOWED_NAME)
    inlet = find_inlet(hub, channel)
    if inlet is None:
        return refuse(403, "channel_not_allowed", not_accepted(hub, channel))
    if not inlet.admits(_bearer(request)):
        return refuse(401, "wrong_key", "authorization: expected Bearer and the access key")
    try:
        return answer(_told(await _take(request, inlet, channel)))
    except BrokenBodyError as error:
        return await last_answer(request, refuse(400, "broken", str(error)))
    except BodyTooLargeError as error:
        return refuse(413, "too_large", str(error))
    except UnreadableError as error:
        return refuse(413 if error.too_large else 400, "unreadable", str(error))
    except TooManyBodiesError as error:
        return refuse(503, "busy", str(error))
    except RefusedPushError as error:
        return refuse(503, error.code, str(error))


async def _take(request: web.Request, inlet: RecordInlet, channel: str) -> RecordReceipt:
    async with body_of(request, inlet.max_body_bytes) as body:
        budget = Budget(UNPACKED * inlet.max_body_bytes)
        records = await decoded(_data(body), budget, "", text_too=False)
        body.clear()
        return await inlet.take(channel, records)


def _data(body: bytearray) -> bytes:
    try:
        said = orjson.loads(body)
        return from_base64(said["awslogs"]["data"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        sentence = (
            'body: expected {"awslogs": {"data": …}} as CloudWatch Logs gives it to a Lambda'
        )
        raise UnreadableError(sentence) from None


def _told(receipt: RecordReceipt) -> dict[str, Any]:
    return {
        "accepted": receipt.accepted,
        "skipped": receipt.skipped,
        "last_id": receipt.last_id,
    }


def _bearer(request: web.Request) -> str | None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def find_inlet(hub: Hub, channel: str) -> RecordInlet | None:
    """Return what takes AWS's pushes to a channel."""
    return next((one for one in hub.record_inlets.values() if one.accepts(channel)), None)


def not_accepted(hub: Hub, channel: str) -> str:
    """Say why nothing takes pushes to a channel."""
    globs = [glob for inlet in hub.record_inlets.values() for glob in inlet.channels]
    if globs:
        allowed = ", ".join(globs)
        return f"channel: expected one that a source allows ({allowed}), got {channel!r}"
    return (
        "no source takes pushes of CloudWatch Logs; add [sources.aws] with "
        f'type = "cloudwatch-push" and channels = ["{channel}"] to the configuration'
    )


async def decoded(
    data: bytes, budget: Budget, name: str, *, text_too: bool = True
) -> list[LogRecord]:
    """
    Return what a subscription packed.

    Args:
        data: as it came.
        budget: what may be unpacked.
        name: of this data; for what has no ids of its own.
        text_too: whether it may be something else than a subscription's.

    Raises:
        UnreadableError: it is not as it should be.
    """
    if len(data) < LARGE_BYTES:
        return _decoded(data, budget, name, text_too)
    return await asyncio.to_thread(_decoded, data, budget, name, text_too)


def _decoded(data: bytes, budget: Budget, name: str, text_too: bool) -> list[LogRecord]:
    records = []
    unpacked = unpack(data, budget)
    # Before they are made of it: in a text of JSON a quote has a backslash before it.
    _check_count(unpacked.count(b'"timestamp"'))
    for payload in payloads(unpacked):
        if isinstance(payload, dict):
            records.append(_record(payload))
        elif text_too:
            records.append(_text(payload, name))
        else:
            raise UnreadableError("data: expected what a subscription of CloudWatch Logs sends")
    return records


def _record(payload: dict[str, Any]) -> LogRecord:
    group, stream = payload.get("logGroup"), payload.get("logStream")
    for key, value in (("logGroup", group), ("logStream", stream)):
        if not isinstance(value, str) or len(value) > MAX_NAME_CHARACTERS:
            raise UnreadableError(f"{key}: expected a name")
    return LogRecord(str(group), str(stream), [_event(one) for one in payload["logEvents"]])


def _check_count(count: int) -> None:
    if count > MAX_EVENTS:
        sentence = f"logEvents: expected at most {MAX_EVENTS} in a record, got {count}"
        raise UnreadableError(sentence, too_large=True)


def _event(said: Any) -> tuple[int, str, str]:
    if isinstance(said, dict):
        time_ms, name, text = said.get("timestamp"), said.get("id"), said.get("message")
        if (
            type(time_ms) is int
            and 0 <= time_ms <= LAST_MS
            and isinstance(name, str)
            and 0 < len(name) <= MAX_ID_CHARACTERS
            and isinstance(text, str)
        ):
            return time_ms, name, text
    raise UnreadableError("logEvents: expected objects with id, timestamp in ms and message")


def _text(data: bytes, name: str) -> LogRecord:
    _check_count(data.count(b"\n"))
    lines = data.decode(errors="replace").removesuffix("\n").split("\n")
    texts = [line.removesuffix("\r") for line in lines]
    return LogRecord("", None, [(None, f"{name}:{n}", text) for n, text in enumerate(texts)])
