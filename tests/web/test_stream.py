"""Live streams."""

import asyncio
import json
import random
import socket
from array import array
from typing import Any
from urllib.parse import quote

import pytest

from relay.entry import Batch, Loss, Origin, Reason, RunEnded
from tests.building import batch

JOB = Origin("app", run="job")


def ndjson(body: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.splitlines()]


def kinds(objects: list[dict[str, Any]]) -> list[Any]:
    return [one.get("message", one["type"]) for one in objects]


async def test_history_then_live(serve: Any) -> None:
    """One sequence, with a hello before it."""
    served = await serve()
    first = await served.publish(batch("web", "a b"))
    async with served.session.get(served.base + "/web/sse") as response:
        body = await served.read_until(response, b'"message":"b"')
        await served.publish(batch("web", "c"))
        body += await served.read_until(response, b'"message":"c"')
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["X-Accel-Buffering"] == "no"
    events = body.decode().split("\n\n")
    assert events[0].startswith(f"retry: 1000\nid: {first - 2}\nevent: hello\n")
    assert [event.splitlines()[0] for event in events[1:4]] == [
        f"id: {first - 1}",
        f"id: {first}",
        f"id: {served.hub.last_id}",
    ]


@pytest.mark.parametrize(
    ("path", "headers", "content_type"),
    [
        ("/web/raw", {}, "text/plain; charset=utf-8"),
        ("/web/json", {}, "application/x-ndjson"),
        ("/web/sse", {}, "text/event-stream"),
        ("/api/v1/logs/stream", {}, "text/event-stream"),
        ("/api/v1/logs/stream?format=text", {}, "text/plain; charset=utf-8"),
        ("/api/v1/logs/stream?format=json", {}, "application/x-ndjson"),
        ("/api/v1/logs/stream", {"Accept": "application/x-ndjson"}, "application/x-ndjson"),
        ("/api/v1/logs/stream", {"Accept": "text/plain"}, "text/plain; charset=utf-8"),
        ("/api/v1/channels/web/logs/stream", {}, "text/event-stream"),
    ],
)
async def test_formats(serve: Any, path: str, headers: dict[str, str], content_type: str) -> None:
    """By route, by parameter, by Accept."""
    served = await serve()
    await served.publish(batch("web", "a"))
    url = served.base + path + ("&" if "?" in path else "?") + "follow=0"
    async with served.session.get(url, headers=headers) as response:
        body = await response.text()
    assert response.headers["Content-Type"] == content_type
    assert "a" in body


async def test_plain_text_is_only_messages(serve: Any) -> None:
    """A pipe gets what the program wrote."""
    served = await serve()
    await served.publish(batch("web", ["a b", "ERROR c"]))
    assert await served.text("/web/raw?follow=0") == "a b\nERROR c\n"
    assert await served.text("/raw?follow=0&level=error") == "ERROR c\n"
    assert await served.text("/web/raw?follow=0&tail=0") == ""


async def test_tail_counts_what_matches(serve: Any) -> None:
    """The last N of the query, not of the channel."""
    served = await serve()
    await served.publish(batch("web", ["ERROR a", "b", "ERROR c", "ERROR d", "e"]))
    assert await served.text("/raw?follow=0&level=error&tail=2") == "ERROR c\nERROR d\n"


@pytest.mark.parametrize("way", ["header", "last_event_id", "after"])
async def test_resuming_gives_exactly_what_was_missed(serve: Any, way: str) -> None:
    """By header, parameter or cursor; ``tail`` is ignored then."""
    served = await serve()
    first = await served.publish(batch("web", "a"))
    await served.publish(batch("web", "b c"))
    if way == "header":
        headers, query = {"Last-Event-ID": str(first)}, "after=1&last_event_id=2"
    else:
        headers, query = {}, f"{way}={first}" + ("&after=1" if way == "last_event_id" else "")
    body = await served.text(f"/web/json?follow=0&tail=1&{query}", headers=headers)
    assert kinds(ndjson(body)) == ["hello", "b", "c"]
    assert ndjson(body)[0]["cursor"] == first


async def test_a_cursor_from_another_life_is_told(serve: Any) -> None:
    """hello brings the cursor back; then a gap (restart), then all since the start."""
    served = await serve()
    await served.publish(batch("web", "a"))
    objects = ndjson(await served.text("/web/json?follow=0&after=5"))
    assert objects[0]["cursor"] == 5
    assert (objects[1]["type"], objects[1]["reason"], objects[1]["id"]) == ("gap", "restart", 5)
    assert kinds(objects[2:]) == ["a"]


async def test_gaps_and_losses_are_objects(serve: Any) -> None:
    """Evicted entries are counted; what a source lost is said."""
    served = await serve(lines=1)
    first = await served.publish(batch("web", "a"))
    for text in ("b", "c"):
        await served.publish(batch("web", text))
    await served.publish(Batch("app", "web", loss=Loss(Reason.SOURCE, None, 0)))
    objects = ndjson(await served.text(f"/web/json?follow=0&after={first}"))
    assert kinds(objects) == ["hello", "gap", "c", "gap"]
    assert (objects[1]["count"], objects[1]["reason"]) == (1, "evicted")
    assert (objects[3]["count"], objects[3]["reason"]) == (None, "source")
    assert await served.text(f"/web/raw?follow=0&after={first}&gaps=1") == (
        "--- gap: 1 entries of web missing (evicted) ---\nc\n"
        "--- gap: an unknown number of entries of web missing (source) ---\n"
    )


async def test_the_stream_of_a_run_ends_with_it(serve: Any) -> None:
    """With ``complete``; who resumes after that gets 204, which stops EventSource."""
    served = await serve()
    await served.publish(batch("web", "a", JOB), batch("web", "other"))
    async with served.session.get(served.base + "/api/v1/runs/job/logs/stream") as response:
        await served.read_until(response, b'"message":"a"')
        await served.publish(batch("web", "b", JOB, runs=(RunEnded("job", 9, "failed", 3),)))
        async with asyncio.timeout(5):
            rest = (await response.read()).decode()
    assert '"message":"b"' in rest
    assert f"id: {served.hub.last_id}\nevent: complete\n" in rest
    headers = {"Last-Event-ID": str(served.hub.last_id)}
    url = served.base + "/api/v1/runs/job/logs/stream"
    async with served.session.get(url, headers=headers) as response:
        assert response.status == 204
    body = await served.text("/api/v1/runs/job/logs/stream?tail=0&format=json")
    assert kinds(ndjson(body)) == ["hello", "complete"]
    assert ndjson(body)[0]["cursor"] < served.hub.last_id


async def test_a_run_is_watched_before_its_first_line(serve: Any) -> None:
    """A stream of a run that is not known waits."""
    served = await serve()
    async with served.session.get(served.base + "/api/v1/runs/job/logs/stream") as response:
        assert response.status == 200
        await served.connected(1)
        await served.publish(batch("new", "first", JOB))
        assert b"first" in await served.read_until(response, b"first")


async def test_an_unknown_channel_is_404_but_waits_with_a_cursor(serve: Any) -> None:
    """Who brings a cursor knew it once; EventSource gives up at any status but 200."""
    served = await serve()
    status, body = await served.get("/web/sse")
    assert (status, body["error"]["code"]) == (404, "unknown_channel")
    objects = ndjson(await served.text(f"/web/json?follow=0&after={served.hub.last_id}"))
    assert kinds(objects) == ["hello"]


async def test_a_heartbeat_carries_the_cursor(serve: Any) -> None:
    """So that a filtered reader never looks again at what it passed; text stays silent."""
    served = await serve(heartbeat_seconds=0.15)
    await served.publish(batch("web", ["INFO a"]))
    async with served.session.get(served.base + "/web/sse?level=fatal") as response:
        await served.connected(1)
        last = await served.publish(batch("web", ["INFO b"]))
        expected = f'id: {last}\nevent: cursor\ndata: {{"type":"cursor","id":{last}}}\n\n'
        body = await served.read_until(response, expected.encode())
        assert b"INFO" not in body
    async with served.session.get(served.base + "/web/raw") as response:
        await served.read_until(response, b"INFO b\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await response.content.readany()


async def test_http_1_0_gets_the_same_bytes_without_frames(serve: Any) -> None:
    """As nginx asks by default; the end of the connection ends the stream."""
    served = await serve()
    await served.publish(batch("web", "a b"))
    bodies = []
    for version in ("1.0", "1.1"):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        request = f"GET /web/json?follow=0 HTTP/{version}\r\nHost: localhost\r\n"
        writer.write((request + "Connection: close\r\n\r\n").encode())
        head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
        assert (b"chunked" in head) == (version == "1.1")
        bodies.append(body)
        writer.close()
    plain, chunked = bodies
    unframed = b"".join(chunked.split(b"\r\n")[1::2])
    assert plain == unframed
    assert plain.endswith(b'"message":"b"}\n')


async def test_a_client_that_never_reads_hurts_nobody(serve: Any) -> None:
    """It falls behind, others go on, and it is closed once it took nothing for too long."""
    served = await serve(lines=100_000, write_seconds=0.3)
    await served.publish(batch("web", "start"))
    frozen = socket.create_connection(("127.0.0.1", served.port))
    frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    frozen.sendall(b"GET /web/raw HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await served.connected(1)
    async with served.session.get(served.base + "/web/raw?tail=0") as response:
        await served.connected(2)
        for number in range(300):
            await served.publish(batch("web", [f"{number} " + "x" * 1000] * 20))
        await served.publish(batch("web", "end"))
        assert b"end\n" in await served.read_until(response, b"end\n")
        await served.connected(1)
    frozen.close()


@pytest.mark.parametrize("path", ["/web/sse", "/api/v1/status/stream"])
async def test_nothing_is_left_of_a_head_request(serve: Any, path: str) -> None:
    """Neither a stream nor a task."""
    served = await serve()
    await served.publish(batch("web", "a"))
    async with served.session.head(served.base + path) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
    tasks = len(asyncio.all_tasks())
    for _ in range(10):
        async with served.session.head(served.base + path) as response:
            assert response.status == 200
    async with asyncio.timeout(5):
        while len(asyncio.all_tasks()) > tasks:
            await asyncio.sleep(0.01)


async def test_a_client_that_leaves_is_forgotten(serve: Any) -> None:
    """At once, though nothing is published."""
    served = await serve()
    await served.publish(batch("web", "a"))
    response = await served.session.get(served.base + "/web/sse")
    await served.connected(1)
    response.close()
    await served.connected(0)
    assert served.hub.subscriptions == []


async def test_clients_share_what_is_rendered_and_matched(serve: Any) -> None:
    """One encode per block and format, one match per block and query, one write per wake-up."""
    served = await serve()
    await served.publish(batch("web", "start"))
    responses = [await served.session.get(served.base + "/web/sse?tail=0") for _ in range(10)]
    responses += [
        await served.session.get(served.base + "/web/sse?tail=0&level=error") for _ in range(10)
    ]
    await served.connected(20)
    renderings, runs = served.renderings, served.match_runs
    await served.publish(batch("web", ["INFO a", "ERROR b"]))
    for response in responses:
        await served.read_until(response, b"ERROR b")
        response.close()
    assert served.renderings - renderings == 2
    assert served.match_runs - runs == 1


async def test_stopping_gives_clients_what_is_left(serve: Any) -> None:
    """Then their cursor, then a clean end."""
    served = await serve()
    await served.publish(batch("web", "a"))
    async with served.session.get(served.base + "/web/sse?level=fatal") as response:
        await served.connected(1)
        last = await served.publish(batch("web", "b"))
        from relay.web.keys import CONNECTIONS

        served.app[CONNECTIONS].stop()
        body = (await asyncio.wait_for(response.read(), 5)).decode()
    assert body.endswith(f'id: {last}\nevent: cursor\ndata: {{"type":"cursor","id":{last}}}\n\n')


async def test_a_pattern_that_turns_out_too_costly_ends_its_stream(serve: Any) -> None:
    """With an error object; nobody else is held up."""
    served = await serve()
    await served.publish(batch("web", "start"))
    choose = random.Random(1).choice
    hostile = ["".join(choose("ab") for _ in range(100)) for _ in range(3000)]
    url = served.base + "/web/json?tail=0&regex=" + quote("(?:a?b?[ab]){91}c")
    async with served.session.get(url) as response:
        await served.connected(1)
        await served.publish(batch("web", hostile))
        body = (await asyncio.wait_for(response.read(), 10)).decode()
    (error,) = ndjson(body)[1:]
    assert (error["type"], error["code"]) == ("error", "invalid_parameter")
    assert error["message"].startswith("regex: expected a pattern that is searched for quickly")


async def test_since_alone_is_not_told_of_what_left_before(serve: Any) -> None:
    """The channel still holds everything from that time on; an older time is a gap."""
    served = await serve(lines=2)
    for text in ("a", "b", "c", "d"):
        await served.publish(batch("web", text, timestamps=array("q", [10**9 * (ord(text) - 96)])))
    body = await served.text("/web/json?follow=0&since=3.5")
    assert kinds(ndjson(body)) == ["hello", "d"]
    body = await served.text("/web/json?follow=0&since=2")
    assert kinds(ndjson(body)) == ["hello", "gap", "c", "d"]


async def test_an_http_1_0_client_that_would_stay_sees_the_end(serve: Any) -> None:
    """Without frames only the end of the connection tells it, whatever it asked for."""
    served = await serve()
    await served.publish(batch("web", "a"))
    for path in ("/web/raw?follow=0", "/web/sse?follow=0", "/api/v1/logs/download"):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
        writer.write(request.encode())
        assert b"a" in await asyncio.wait_for(reader.read(), 5)
        writer.close()
