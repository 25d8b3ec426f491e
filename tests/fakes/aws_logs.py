"""
CloudWatch Logs as far as a reader asks it, over the wire protocol, to be told how to misbehave.

For what moto does not do: throttling, expired tokens, pages without events, requests that are
counted by time.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import orjson
from aiohttp import web

__all__ = ["Asked", "FakeLogs", "Refusal", "until"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is answered instead."""

    code: str
    message: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    at: float
    action: str
    body: dict[str, Any]
    authorization: str


@dataclass
class FakeLogs:
    """A server in the test's own loop."""

    page_size: int = 10_000
    asked: list[Asked] = field(default_factory=list)
    instead: deque[Refusal | bytes] = field(default_factory=deque)
    """What the next requests for events are answered, before any is answered as it should be."""
    always: Refusal | None = None
    """What every request is answered."""
    empty_pages: int = 0
    """So many pages without events stand before each list's first."""
    lost_tokens: int = 0
    """So many requests with a token are told that it is not known."""
    refused_lists: int = 0
    """So many requests for events without a token are too much."""
    groups: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    """Groups that are there, but in no list."""
    repeats_tokens: bool = False
    """Whether the last page of a list has the token that it was asked for with."""
    behind_seconds: float = 0.0
    """How far its clock is behind ours."""
    port: int = 0
    _count: int = 0

    def put(self, group: str, stream: str, *events: tuple[int, str]) -> None:
        """Write events, each with its time in ms, to a group that is made if it is new."""
        for time_ms, text in events:
            self._count += 1
            self.groups.setdefault(group, []).append(
                {
                    "logStreamName": stream,
                    "timestamp": time_ms,
                    "message": text,
                    "ingestionTime": time_ms + 500,
                    "eventId": f"{37 * 10**54 + self._count:056d}",
                }
            )

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def pages(self) -> list[Asked]:
        """Return the requests for events."""
        return [one for one in self.asked if one.action == "FilterLogEvents"]

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.on_response_prepare.append(self._date)
        app.router.add_post("/", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _date(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = formatdate(time.time() - self.behind_seconds, usegmt=True)

    async def close(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        action = request.headers["X-Amz-Target"].partition(".")[2]
        body = orjson.loads(await request.read())
        authorization = request.headers["Authorization"]
        self.asked.append(Asked(time.monotonic(), action, body, authorization))
        if self.always is not None:
            return _refusal(self.always)
        if action == "DescribeLogGroups":
            return _json(self._groups(body))
        if self.instead:
            answer = self.instead.popleft()
            return web.Response(body=answer) if isinstance(answer, bytes) else _refusal(answer)
        return self._events(body)

    def _groups(self, body: dict[str, Any]) -> dict[str, Any]:
        prefix = body.get("logGroupNamePrefix", "")
        names = sorted(name for name in self.groups if name.startswith(prefix))
        names = [name for name in names if name not in self.unlisted]
        start = int(body.get("nextToken", 0))
        page = {"logGroups": [{"logGroupName": name} for name in names[start : start + 2]]}
        return {**page, "nextToken": str(start + 2)} if names[start + 2 :] else page

    def _events(self, body: dict[str, Any]) -> web.Response:
        name = body.get("logGroupName", body.get("logGroupIdentifier", ""))
        events = self.groups.get(name.rpartition("log-group:")[2])
        if events is None:
            missing = "The specified log group does not exist."
            return _refusal(Refusal("ResourceNotFoundException", missing))
        token = body.get("nextToken")
        if token is None and self.refused_lists:
            self.refused_lists -= 1
            return _refusal(Refusal("ThrottlingException", "Rate exceeded"))
        if token is not None and self.lost_tokens:
            self.lost_tokens -= 1
            sentence = "The specified nextToken is invalid."
            return _refusal(Refusal("InvalidParameterException", sentence))
        place = -self.empty_pages if token is None else int(token)
        there = [one for one in events if one["timestamp"] >= body["startTime"]]
        there.sort(key=lambda one: (one["timestamp"], one["ingestionTime"]))
        start = max(0, place) * self.page_size
        page: dict[str, Any] = {"events": [], "searchedLogStreams": []}
        if place >= 0:
            page["events"] = there[start : start + self.page_size]
        if place < 0 or there[start + self.page_size :]:
            page["nextToken"] = str(place + 1)
        elif self.repeats_tokens and token is not None:
            page["nextToken"] = token
        return _json(page)


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/x-amz-json-1.1")


def _refusal(refusal: Refusal) -> web.Response:
    said = {"__type": refusal.code, "message": refusal.message}
    return web.Response(
        body=orjson.dumps(said), status=refusal.status, content_type="application/x-amz-json-1.1"
    )


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
