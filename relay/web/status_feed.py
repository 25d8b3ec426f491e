"""
What the relay is doing, as it changes: SSE and WebSocket.

A new client is first given the whole, as ``/api/v1/status`` has it, with ``"whole": true``. Then
come changes: of ``sources``, ``channels`` and ``runs`` only those that changed, each complete;
``connections`` and ``store``; and under ``gone`` the names of what is no more.

Rules of this file:

* One task for all clients compares, and only while there are clients. What states say is looked
  at every half second; what counts (lines, rates, positions) every two.
* A change is encoded once for all. A client that falls behind costs nothing: it is given the
  whole again.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from aiohttp import web
from aiohttp_sse import EventSourceResponse

from relay.channel import Channel
from relay.encode.objects import cursor_object
from relay.encode.websocket import text_frame
from relay.hub import Hub
from relay.run import Run
from relay.status import SourceStatus, StoreStatus
from relay.web.channels import channel_object
from relay.web.connections import Connections
from relay.web.keys import SETTINGS
from relay.web.runs import run_object
from relay.web.socket import Socket, serve_socket, unknown_type
from relay.web.status import connections_object, source_object, status_object, store_object
from relay.web.writer import end_by_closing

__all__ = ["STATUS_FEED", "StatusFeed", "status_socket", "status_stream"]

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
TICKS_PER_COUNT = 4
"""Counts are looked at only at every so many ticks."""

MAX_KEPT_CHANGES = 32
"""A client that is further behind is given the whole."""

_Marks = dict[str, dict[str, tuple[Any, ...]]]
"""By kind and name: what makes a difference."""


async def status_stream(request: web.Request) -> web.StreamResponse:
    """Answer with the status as server-sent events."""
    settings = request.app[SETTINGS]
    response = EventSourceResponse(
        ping_interval=settings.heartbeat_seconds,
        send_timeout=settings.write_seconds,
        allow_all_methods=True,
    )
    end_by_closing(request, response)
    await response.prepare(request)
    try:
        if request.method == "HEAD":
            return response
        with request.app[STATUS_FEED].listening() as listener:
            while not listener.is_over:
                for change in listener.take():
                    await response.send(change.decode(), event="status")
                await listener.wait(settings.heartbeat_seconds)
        await response.write_eof()
    except (ConnectionResetError, TimeoutError):
        pass  # The client is gone, or takes nothing.
    finally:
        response.stop_streaming()
    return response


async def status_socket(request: web.Request) -> web.StreamResponse:
    """Answer with the status over a WebSocket."""
    return await serve_socket(request, _converse)


async def _converse(request: web.Request, socket: Socket) -> None:
    heartbeat_seconds = request.app[SETTINGS].heartbeat_seconds
    with request.app[STATUS_FEED].listening() as listener:
        socket.on_message = listener.poke
        while not listener.is_over:
            while socket.has_message():
                await _answer(socket)
            changes = listener.take() or [cursor_object(listener.last_id)]
            await socket.writer.write(b"".join(map(text_frame, changes)))
            if not socket.has_message():
                await listener.wait(heartbeat_seconds)


async def _answer(socket: Socket) -> None:
    """Take what a client says, which may be a ping and nothing else."""
    message = await socket.take()
    if message is not None:
        socket.ref = message.get("ref")
        raise unknown_type(message, "no message here")


class StatusFeed:
    """
    Finds what changed, for all who listen.

    Args:
        hub: of whose sources, channels and runs it tells.
        connections: that it counts.
    """

    def __init__(self, hub: Hub, connections: Connections) -> None:
        self.hub = hub
        self.connections = connections
        self.number = 0
        """Of the last change."""
        self.changes: deque[bytes] = deque(maxlen=MAX_KEPT_CHANGES)
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._states: _Marks = {}
        self._counts: _Marks = {}
        self._connections: dict[str, Any] = {}
        self._store: tuple[Any, ...] = ()
        self._store_counts: tuple[Any, ...] = ()

    @contextmanager
    def listening(self) -> "Iterator[Listener]":
        """Tell a new listener, until it leaves the context."""
        listener = Listener(self)
        self._listeners.add(listener)
        if self._task is None:
            self._look(with_counts=True)
            self._task = asyncio.create_task(self._run(), name="status feed")
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    def whole(self) -> bytes:
        """Return everything."""
        status = status_object(self.hub, self.connections)
        return orjson.dumps({"type": "status", "whole": True} | status)

    async def _run(self) -> None:
        tick = 0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            tick += 1
            try:
                self._tell(self._look(with_counts=tick % TICKS_PER_COUNT == 0))
            except Exception:
                # The border of a task: one thing that cannot be shown must not end the feed.
                log.exception("the status could not be told")

    def _tell(self, change: dict[str, Any]) -> None:
        if change:
            self.number += 1
            self.changes.append(orjson.dumps({"type": "status"} | change))
        if change or self.connections.stopping:
            for listener in self._listeners:
                listener.poke()

    def _look(self, *, with_counts: bool) -> dict[str, Any]:
        """Return what changed since the last look, and remember how it is now."""
        change: dict[str, Any] = {}
        gone: dict[str, list[str]] = {}
        states, known = _states(self.hub), self._states
        counts = _counts(self.hub) if with_counts else self._counts
        for kind, marks in states.items():
            before = known.get(kind, {})
            names = {name for name, mark in marks.items() if before.get(name) != mark}
            if with_counts:
                old = self._counts.get(kind, {})
                names |= {name for name, mark in counts[kind].items() if old.get(name) != mark}
            if names:
                change[kind] = [self._object(kind, name) for name in sorted(names)]
            if left := sorted(before.keys() - marks.keys()):
                gone[kind] = left
        self._states, self._counts = states, counts
        connections = connections_object(self.connections)
        if connections != self._connections:
            change["connections"] = self._connections = connections
        if self._has_store_changed(with_counts=with_counts):
            change["store"] = store_object(self.hub.store_status)
        return change | ({"gone": gone} if gone else {})

    def _has_store_changed(self, *, with_counts: bool) -> bool:
        """Tell whether the store has changed since the last look, and remember how it is now."""
        store = self.hub.store_status
        state, counts = _store_state(store), self._store_counts
        if with_counts:
            counts = _store_counts(store)
        before = self._store, self._store_counts
        self._store, self._store_counts = state, counts
        return before != (state, counts)

    def _object(self, kind: str, name: str) -> dict[str, Any]:
        if kind == "sources":
            return source_object(self.hub.sources[name])
        if kind == "channels":
            return channel_object(self.hub.channels[name])
        return run_object(self.hub.runs[name])


class Listener:
    """
    One client of a feed; made by :meth:`StatusFeed.listening`.

    Args:
        feed: that it listens to.
    """

    def __init__(self, feed: StatusFeed) -> None:
        self._feed = feed
        self._passed: int | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.on_news: Callable[[], None] | None = None
        """Called by :meth:`poke`, for one who waits for something else too."""

    def has_news(self) -> bool:
        """Tell whether :meth:`take` would give something."""
        return self._passed != self._feed.number

    @property
    def is_over(self) -> bool:
        """Whether the relay stops."""
        return self._feed.connections.stopping

    @property
    def last_id(self) -> int:
        """The hub's last id: what a heartbeat carries."""
        return self._feed.hub.last_id

    def take(self) -> list[bytes]:
        """Return what it has not been given yet, as JSON: the whole, or changes."""
        feed, passed = self._feed, self._passed
        self._passed = feed.number
        if passed is None or feed.number - passed > len(feed.changes):
            return [feed.whole()]
        return list(feed.changes)[len(feed.changes) - (feed.number - passed) :]

    async def wait(self, seconds: float) -> None:
        """Return when there is news, when :meth:`poke` is called, or after ``seconds``."""
        if self.has_news() or self.is_over:
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self.poke)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def poke(self) -> None:
        """Let :meth:`wait` return."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self.on_news is not None:
            self.on_news()


STATUS_FEED = web.AppKey("status_feed", StatusFeed)


def _states(hub: Hub) -> _Marks:
    return {
        "sources": {name: _source_state(source) for name, source in hub.sources.items()},
        "channels": dict.fromkeys(hub.channels, ()),
        "runs": {name: _run_state(run) for name, run in hub.runs.items()},
    }


def _counts(hub: Hub) -> _Marks:
    return {
        "sources": {name: _source_counts(source) for name, source in hub.sources.items()},
        "channels": {name: _channel_counts(channel) for name, channel in hub.channels.items()},
        "runs": {name: (run.lines,) for name, run in hub.runs.items()},
    }


def _source_state(source: SourceStatus) -> tuple[Any, ...]:
    readers = tuple(
        (name, reader.state, reader.detail, reader.run, reader.container)
        for name, reader in source.readers.items()
    )
    return source.state, source.since_ns, source.last_error_ns, source.restarts, readers


def _source_counts(source: SourceStatus) -> tuple[Any, ...]:
    positions = tuple(reader.position for reader in source.readers.values())
    rate = round(source.rate.per_second(), 1)
    return source.lines, rate, source.bytes, source.invalid_bytes, positions


def _store_state(store: StoreStatus) -> tuple[Any, ...]:
    return store.state, store.reason, store.directory, tuple(store.recovered)


def _store_counts(store: StoreStatus) -> tuple[Any, ...]:
    # The room that is left is not here: what others do on the disk is no news of the relay.
    behind = store.behind_lines, store.behind_bytes, store.unsaved_ns
    return behind, store.segments, store.stored_bytes, store.commits.total


def _channel_counts(channel: Channel) -> tuple[Any, ...]:
    rates = round(channel.lines.per_second(), 1), round(channel.bytes.per_second(), 1)
    return channel.last_id, channel.ring.lines, channel.ring.bytes, rates


def _run_state(run: Run) -> tuple[Any, ...]:
    return run.status, run.ending_id, len(run.last_ids)
