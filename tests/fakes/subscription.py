"""What AWS sends: records of a subscription, and a Firehose that delivers them."""

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any

import aiohttp

__all__ = ["KEY", "Firehose", "awslogs_event", "control", "event", "payload"]

KEY = "a key of the endpoint"


def event(number: int, text: str, time_ms: int = 1_795_255_350_000) -> dict[str, Any]:
    """Return an event with an id as AWS gives them."""
    return {"id": f"{37 * 10**54 + number:056d}", "timestamp": time_ms, "message": text}


def payload(
    *events: dict[str, Any], group: str = "/aws/lambda/worker", stream: str = "a"
) -> dict[str, Any]:
    """Return what a subscription says."""
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": group,
        "logStream": stream,
        "subscriptionFilters": ["relay"],
        "logEvents": list(events),
    }


def control() -> dict[str, Any]:
    """Return what it says to see whether anybody listens."""
    said = "CWL CONTROL MESSAGE: Checking health of destination Firehose."
    return {**payload(event(0, said), group="", stream=""), "messageType": "CONTROL_MESSAGE"}


def packed(value: Any) -> bytes:
    """Return it as CloudWatch Logs packs it."""
    return gzip.compress(json.dumps(value).encode())


def awslogs_event(value: Any) -> dict[str, Any]:
    """Return what a Lambda is given."""
    return {"awslogs": {"data": base64.b64encode(packed(value)).decode()}}


class Firehose:
    """Delivers as Amazon Data Firehose does, and judges answers as strictly."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str | None = KEY) -> None:
        self._session = session
        self._url = url
        self._key = key

    async def deliver(
        self, request_id: str, records: Sequence[bytes], *, pack: bool = False, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """
        Send records; return the status and what was answered.

        Args:
            request_id: the same where a delivery is repeated.
            records: as the stream has them.
            pack: whether the body is sent with `Content-Encoding: gzip`.
            headers: others, with `_` for `-`.
        """
        said = {
            "requestId": request_id,
            "timestamp": 1_795_255_350_123,
            "records": [{"data": base64.b64encode(one).decode()} for one in records],
        }
        return await self.send(json.dumps(said).encode(), request_id, pack=pack, **headers)

    async def send(
        self, body: bytes, request_id: str, *, pack: bool = False, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Send a body."""
        sent = {
            "X-Amz-Firehose-Protocol-Version": "1.0",
            "X-Amz-Firehose-Request-Id": request_id,
            "X-Amz-Firehose-Source-Arn": "arn:aws:firehose:eu-central-1:123456789012:x/y",
            "X-Amz-Firehose-Common-Attributes": '{"commonAttributes":{"a":"b"}}',
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if self._key is not None:
            sent["X-Amz-Firehose-Access-Key"] = self._key
        if pack:
            body = gzip.compress(body)
            sent["Content-Encoding"] = "gzip"
        async with self._session.post(self._url, data=body, headers=sent) as response:
            assert response.headers["Content-Type"] == "application/json"
            assert "Content-Encoding" not in response.headers
            assert int(response.headers["Content-Length"]) <= 1 << 20
            said = await response.json()
            assert isinstance(said["timestamp"], int)
            return response.status, said
