"""
What a Lambda function's log says of its invocations: which line is of which request, and how a
request ended.

Pure. A log stream is one execution environment, which works at one request at a time: what stands
between START and REPORT is that request's, and a line that names its request itself, as the
runtimes' own loggers write it, is that one's wherever it stands.

Source: AWS Lambda Developer Guide, "Log file formats"; Lambda Telemetry API, "Event schema".
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from relay.entry import RunEnded
from relay.sources.cloudwatch_events import Event

__all__ = ["InvocationEnded", "Invocations", "is_lambda"]

PREFIX = "/aws/lambda/"

MAX_STREAMS = 10_000
"""Of which it is known what they work at; those that were silent for longest leave first."""

LOOKED_AT = 1024
"""Characters: what names a request stands near a line's beginning."""

_ID = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_PLAIN = re.compile(rf"(START|END|REPORT) RequestId: {_ID}")
_NAMED = re.compile(rf'[\t\[]{_ID}[\t\]]|"(?:requestId|AWSRequestId|aws_request_id)" ?: ?"{_ID}"')
_STATUS = re.compile(r"\tStatus: (\w+)")
_PLATFORM = '"platform.'

_STATUSES = {"success": "succeeded", "error": "failed", "failure": "failed"}
"""Lambda's words and ours; others, such as ``timeout``, stay."""


@dataclass(frozen=True, slots=True)
class InvocationEnded(RunEnded):
    """
    An invocation ended, and with it what ran in it.

    Args:
        instance: the log stream.
    """

    instance: str = ""


@dataclass(frozen=True, slots=True)
class _Report:
    """What a line of the platform says: ``start``, ``end`` or ``report``, and of which request."""

    word: str
    request: str
    status: str | None = None


@dataclass(slots=True)
class _Work:
    """What a log stream's environment works at, and until when (ms) it did."""

    request: str
    ended_ms: int | None = None


def is_lambda(log_group: str) -> bool:
    """Tell whether a log group is named as Lambda names those of its functions."""
    return log_group.startswith(PREFIX)


class Invocations:
    """Follows the requests of one log group's streams."""

    def __init__(self) -> None:
        self._works: OrderedDict[str, _Work] = OrderedDict()

    def resume(self, stream: str, request: str) -> None:
        """Take note of what an earlier life of the relay knew a stream to work at."""
        self._note(stream, request)

    def mark(self, events: Sequence[Event]) -> tuple[list[str | None], dict[int, InvocationEnded]]:
        """
        Tell which request each event is of.

        Args:
            events: in the order of time.

        Returns:
            The requests, and the endings by the indexes of the events that report them.
        """
        requests: list[str | None] = []
        ends: dict[int, InvocationEnded] = {}
        for time_ms, _, _, stream, message in events:
            said = _report(message)
            if said is None:
                requests.append(_named(message) or self._current(stream, time_ms))
                continue
            requests.append(said.request)
            self._take_note(stream, said, time_ms)
            if said.word == "report":
                status = (said.status or "success").lower()
                ends[len(requests) - 1] = InvocationEnded(
                    said.request,
                    time_ms * 1_000_000,
                    _STATUSES.get(status, status),
                    instance=stream,
                )
        return requests, ends

    def _current(self, stream: str, time_ms: int) -> str | None:
        work = self._works.get(stream)
        # A line that comes late is of the request that had its time.
        if work is None or (work.ended_ms is not None and time_ms > work.ended_ms):
            return None
        return work.request

    def _take_note(self, stream: str, said: _Report, time_ms: int) -> None:
        work = self._works.get(stream)
        # A report that comes late does not end what its environment works at by now.
        if said.word == "start" or work is None or work.request == said.request:
            self._note(stream, said.request, time_ms if said.word == "report" else None)

    def _note(self, stream: str, request: str, ended_ms: int | None = None) -> None:
        self._works[stream] = _Work(request, ended_ms)
        self._works.move_to_end(stream)
        if len(self._works) > MAX_STREAMS:
            self._works.popitem(last=False)


def _report(message: str) -> _Report | None:
    found = _PLAIN.match(message)
    if found is not None:
        status = _STATUS.search(message) if found[1] == "REPORT" else None
        return _Report(found[1].lower(), found[2], None if status is None else status[1])
    if message.startswith("{") and _PLATFORM in message[:LOOKED_AT]:
        return _platform(message)
    return None


def _platform(message: str) -> _Report | None:
    """Read a line of Lambda's JSON format."""
    try:
        said: Any = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    kind, record = said.get("type"), said.get("record")
    if not isinstance(kind, str) or not isinstance(record, dict):
        return None
    word, request = kind.removeprefix("platform."), record.get("requestId")
    if word not in ("start", "runtimeDone", "report") or not isinstance(request, str):
        return None
    status = record.get("status")
    return _Report(word, request, status if isinstance(status, str) else None)


def _named(message: str) -> str | None:
    found = _NAMED.search(message, 0, LOOKED_AT)
    return None if found is None else found[1] or found[2]
