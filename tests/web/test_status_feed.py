"""The status as it changes, over SSE and WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import StreamReader

from relay.entry import Origin, RunEnded, RunStarted
from relay.status import ReaderStatus, SourceState, SourceStatus
from relay.web.keys import CONNECTIONS
from relay.web.status_feed import MAX_KEPT_CHANGES, STATUS_FEED
from tests.building import batch
from tests.web.conftest import PATIENCE_SECONDS, Served

JOB = Origin("app", run="job")


class Watcher:
    """A client of either transport, that reads one object after the other."""

    def __init__(self, objects: AsyncIterator[dict[str, Any]]) -> None:
        self._objects = objects
        self.pauses = 0

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (one := await anext(self._objects))["type"] == "cursor":
                self.pauses += 1
            return one

    async def until(self, kind: str, name: str | None = None) -> Any:
        """Return what is next said of a kind, of the thing that has a name."""
        while True:
            change = await self.next()
            if name is None and kind in change:
                return change[kind]
            for one in change.get(kind, ()):
                if name in (one.get("id"), one.get("name")):
                    return one

    async def rest(self) -> list[dict[str, Any]]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [one async for one in self._objects]


@asynccontextmanager
async def watching(served: Served, way: str) -> AsyncIterator[Watcher]:
    if way == "ws":
        async with served.session.ws_connect(served.base + "/api/v1/status/ws") as client:
            yield Watcher(json.loads(message.data) async for message in client)
    else:
        async with served.session.get(served.base + "/api/v1/status/stream") as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            yield Watcher(_events(response.content))


async def _events(content: StreamReader) -> AsyncIterator[dict[str, Any]]:
    event = ""
    async for line in content:
        name, _, value = line.decode().strip().partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            one = json.loads(value)
            assert one["type"] == event
            yield one


@pytest.mark.parametrize("way", ["sse", "ws"])
async def test_first_the_whole_then_changes(serve: Any, way: str) -> None:
    """The whole is what the status route says; a change has only what changed."""
    served = await serve()
    files = served.hub.sources["files"] = SourceStatus("files", "file")
    served.hub.sources["other"] = SourceStatus("other", "file")
    await served.publish(batch("web", "a"))
    async with watching(served, way) as watcher:
        whole = await watcher.next()
        _, expected = await served.get("/api/v1/status")
        assert whole.pop("whole") is True
        assert whole.pop("type") == "status"
        moving = ("uptime_seconds", "cpu_seconds")
        assert {name: whole[name] for name in whole if name not in moving} == {
            name: expected[name] for name in expected if name not in moving
        }
        files.enter(SourceState.FAILING)
        files.fail("no such folder")
        change = await watcher.next()
        assert list(change) == ["type", "sources"]
        assert [(one["name"], one["state"]) for one in change["sources"]] == [("files", "failing")]
        assert change["sources"][0]["last_error"] == "no such folder"


async def test_the_store(serve: Any) -> None:
    """That it fails is told at once; what it holds with the next counts."""
    served = await serve()
    store = served.hub.store_status
    async with watching(served, "ws") as watcher:
        assert (await watcher.next())["store"]["state"] == "off"
        store.fail("no space left on device")
        change = await watcher.next()
        assert list(change) == ["type", "store"]
        assert change["store"]["reason"] == "no space left on device"
        store.stored_bytes = 70_000
        change = await watcher.next()
        assert list(change) == ["type", "store"]
        assert change["store"]["stored_bytes"] == 70_000


async def test_readers_and_positions(serve: Any) -> None:
    """A container that comes, and how far it is read."""
    served = await serve()
    docker = served.hub.sources["docker"] = SourceStatus("docker", "docker")
    async with watching(served, "ws") as watcher:
        await watcher.next()
        reader = docker.readers["web-1"] = ReaderStatus("reading", run="web-1.8f")
        change = await watcher.until("sources", "docker")
        assert change["readers"]["web-1"]["run"] == "web-1.8f"
        reader.position = "12345"
        change = await watcher.until("sources", "docker")
        assert change["readers"]["web-1"]["position"] == "12345"


async def test_channels_and_their_counts(serve: Any) -> None:
    """A new channel at once; counts and rates as they change; one that goes by its name."""
    served = await serve()
    async with watching(served, "ws") as watcher:
        await watcher.next()
        await served.publish(batch("web", "a"))
        assert (await watcher.until("channels", "web"))["lines"] == 1
        await served.publish(batch("web", "b c"))
        while (await watcher.until("channels", "web"))["lines"] != 3:
            pass
        del served.hub.channels["web"]
        assert await watcher.until("gone") == {"channels": ["web"]}


async def test_runs_start_and_end(serve: Any) -> None:
    """Each change of a run is told."""
    served = await serve()
    async with watching(served, "ws") as watcher:
        await watcher.next()
        await served.publish(batch("web", "a", JOB, runs=(RunStarted("job", 1),)))
        assert (await watcher.until("runs", "job"))["status"] == "running"
        await served.publish(batch("web", "b", JOB, runs=(RunEnded("job", 9, "failed", 3),)))
        run = await watcher.until("runs", "job")
        assert (run["status"], run["exit_code"], run["lines"]) == ("failed", 3, 2)


async def test_connections_as_they_come_and_go(serve: Any) -> None:
    """Counted by protocol; who watches the status is none."""
    served = await serve()
    async with watching(served, "ws") as watcher:
        assert (await watcher.next())["connections"]["total"] == 0
        async with served.session.ws_connect(served.base + "/ws"):
            connections = await watcher.until("connections")
            assert (connections["total"], connections["by_protocol"]) == (1, {"ws": 1})
        assert (await watcher.until("connections"))["total"] == 0


async def test_one_task_looks_for_all_and_only_while_anyone_listens(serve: Any) -> None:
    """Each client is given the same change."""
    served = await serve()

    def tasks() -> list[str]:
        return [one.get_name() for one in asyncio.all_tasks() if one.get_name() == "status feed"]

    assert tasks() == []
    async with watching(served, "ws") as first, watching(served, "sse") as second:
        await first.next()
        await second.next()
        assert tasks() == ["status feed"]
        await served.publish(batch("web", "a"))
        assert await first.next() == await second.next()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while tasks():
            await asyncio.sleep(0.01)


async def test_who_falls_behind_is_given_the_whole(serve: Any) -> None:
    """Changes are kept for a while only."""
    served = await serve()
    feed = served.app[STATUS_FEED]
    with feed.listening() as listener:
        assert json.loads(listener.take()[0])["whole"] is True
        for number in range(MAX_KEPT_CHANGES + 1):
            feed.number += 1
            feed.changes.append(b"%d" % number)
        (whole,) = listener.take()
        assert json.loads(whole)["whole"] is True
        assert listener.take() == []
        for number in range(3):
            feed.number += 1
            feed.changes.append(b"%d" % number)
        assert listener.take() == [b"0", b"1", b"2"]


async def test_a_silent_feed_has_heartbeats(serve: Any) -> None:
    """A cursor over a WebSocket, a comment over SSE."""
    served = await serve(heartbeat_seconds=0.1)
    async with served.session.ws_connect(served.base + "/api/v1/status/ws") as client:
        await client.receive()
        message = await asyncio.wait_for(client.receive(), PATIENCE_SECONDS)
        assert json.loads(message.data) == {"type": "cursor", "id": served.hub.last_id}
    async with served.session.get(served.base + "/api/v1/status/stream") as response:
        await served.read_until(response, b": ping")


@pytest.mark.parametrize("way", ["sse", "ws"])
async def test_stopping_ends_the_feed(serve: Any, way: str) -> None:
    """Cleanly."""
    served = await serve()
    async with watching(served, way) as watcher:
        await watcher.next()
        served.app[CONNECTIONS].stop()
        await watcher.rest()


async def test_a_client_has_nothing_to_say(serve: Any) -> None:
    """It is told so, then closed."""
    served = await serve()
    async with served.session.ws_connect(served.base + "/api/v1/status/ws") as client:
        await client.receive()
        await client.send_json({"type": "subscribe", "ref": 7})
        message = await asyncio.wait_for(client.receive(), PATIENCE_SECONDS)
        assert json.loads(message.data) == {
            "type": "error",
            "code": "invalid_message",
            "message": 'type: expected no message here, got "subscribe"',
            "ref": 7,
        }
        assert (await client.receive()).data == 1008
