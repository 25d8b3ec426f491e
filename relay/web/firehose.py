"""
What Amazon Data Firehose delivers, by its HTTP endpoint protocol.

Firehose takes an answer for a success only if it is a 200 that echoes the request's id; anything
else it sends again for as long as its stream is told to, but a 413, which it gives up. So every
answer here, of an error too, has Firehose's form, and what is no fault of the data is none of 413.

Source: Amazon Data Firehose Developer Guide, "HTTP endpoint delivery request and response
specifications".
"""

import logging
import time
from typing import Any

import orjson
from aiohttp import web

from relay.decode.awslogs import UNPACKED, Budget, UnreadableError, from_base64
from relay.errors import ChannelLimitError, RelayError
from relay.inlet import LogRecord, RecordInlet, RefusedPushError
from relay.names import ALLOWED_NAME, is_channel_name
from relay.web.awslogs import decoded, find_inlet, not_accepted
from relay.web.bodies import (
    BodyTooLargeError,
    BrokenBodyError,
    TooManyBodiesError,
    body_of,
    last_answer,
)
from relay.web.keys import HUB

__all__ = ["firehose"]

log = logging.getLogger(__name__)

KEY_HEADER = "X-Amz-Firehose-Access-Key"
ID_HEADER = "X-Amz-Firehose-Request-Id"
VERSION_HEADER = "X-Amz-Firehose-Protocol-Version"

VERSION = "1.0"

MAX_ID_CHARACTERS = 256
MAX_RECORDS = 10_000
MAX_MESSAGE_CHARACTERS = 8192

TOGETHER_BYTES = 1 << 20
"""Unpacked, that are published together."""


class FirehoseError(RelayError):
    """
    A delivery that is not taken.

    Args:
        status: of HTTP.
        sentence: what Firehose shows in its own log.
    """

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


async def firehose(request: web.Request) -> web.Response:
    """Publish a delivery's records, and answer as Firehose wants it."""
    request_id = _told_id(request)
    try:
        request_id = await _take(request, request_id)
    except FirehoseError as error:
        return _answer(error.status, request_id, str(error))
    except UnreadableError as error:
        return _answer(413 if error.too_large else 400, request_id, str(error))
    except BodyTooLargeError as error:
        return _answer(413, request_id, str(error))
    except ChannelLimitError as error:
        return _answer(429, request_id, str(error))
    except (TooManyBodiesError, RefusedPushError) as error:
        return _answer(503, request_id, str(error))
    except BrokenBodyError as error:
        return await last_answer(request, _answer(400, request_id, str(error)))
    return _answer(200, request_id)


def _told_id(request: web.Request) -> str:
    """Return the header's; what is no text in it cannot be echoed."""
    told = request.headers.get(ID_HEADER, "")[:MAX_ID_CHARACTERS]
    return told.encode(errors="replace").decode()


async def _take(request: web.Request, request_id: str) -> str:
    """Publish a delivery and return its id."""
    channel = request.match_info["channel"]
    if not is_channel_name(channel):
        raise FirehoseError(400, f"channel: expected {ALLOWED_NAME}, got {_shown(channel)}")
    inlet = find_inlet(request.app[HUB], channel)
    if inlet is None:
        raise FirehoseError(403, not_accepted(request.app[HUB], channel))
    # The key before anything of the body is read.
    if not inlet.admits(request.headers.get(KEY_HEADER)):
        raise FirehoseError(401, f"{KEY_HEADER.lower()}: expected the access key of this endpoint")
    version = request.headers.get(VERSION_HEADER, VERSION)
    if version != VERSION:
        sentence = f"{VERSION_HEADER.lower()}: expected {VERSION}, got {version[:100]!r}"
        raise FirehoseError(400, sentence)
    async with body_of(request, inlet.max_body_bytes) as body:
        said = _parsed(body)
        body.clear()
        request_id = _same_id(request_id, said)
        await _publish(inlet, channel, request_id, _records(said))
    return request_id


def _parsed(body: bytearray) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        raise FirehoseError(400, "body: expected a JSON object with requestId and records")
    return said


def _same_id(request_id: str, said: dict[str, Any]) -> str:
    own = said.get("requestId")
    if not isinstance(own, str) or not 0 < len(own) <= MAX_ID_CHARACTERS:
        raise FirehoseError(400, f"requestId: expected text, got {_shown(own)}")
    if request_id and own != request_id:
        sentence = f"requestId: expected that of the header, {request_id!r}, got {own!r}"
        raise FirehoseError(400, sentence)
    return own


def _records(said: dict[str, Any]) -> list[Any]:
    records = said.get("records")
    if not isinstance(records, list) or len(records) > MAX_RECORDS:
        raise FirehoseError(400, f"records: expected a list of at most {MAX_RECORDS}")
    return records


async def _publish(inlet: RecordInlet, channel: str, request_id: str, records: list[Any]) -> None:
    """
    Publish records, some at a time: unpacked, all of them may be much.

    A record that cannot be read keeps no other back: Firehose sends the delivery again, and hands
    it to its bucket at last, but what could be read of it is here.

    Raises:
        UnreadableError: of the first record that cannot be read, when all others are visible.
    """
    budget = Budget(UNPACKED * inlet.max_body_bytes)
    waiting: list[LogRecord] = []
    begun_at = budget.left_bytes
    unreadable: UnreadableError | None = None
    for number, record in enumerate(records):
        try:
            data = from_base64(record.get("data") if isinstance(record, dict) else None)
            # What has no ids of its own has that of its place: the same when it is repeated.
            waiting += await decoded(data, budget, f"{request_id}:{number}")
        except UnreadableError as error:
            unreadable = unreadable or error.at(f"records[{number}]")
        if begun_at - budget.left_bytes >= TOGETHER_BYTES:
            await inlet.take(channel, waiting)
            waiting, begun_at = [], budget.left_bytes
    await inlet.take(channel, waiting)
    if unreadable is not None:
        raise unreadable


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "…"


def _answer(status: int, request_id: str, message: str | None = None) -> web.Response:
    said: dict[str, Any] = {"requestId": request_id, "timestamp": time.time_ns() // 1_000_000}
    if message is not None:
        shown = _shown(request_id)
        log.warning("delivery %s of Firehose is refused with %d: %s", shown, status, message)
        said["errorMessage"] = message[:MAX_MESSAGE_CHARACTERS]
    # Without a charset: Firehose wants this very type.
    body = orjson.dumps(said)
    return web.Response(body=body, status=status, headers={"Content-Type": "application/json"})
