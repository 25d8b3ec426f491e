"""Channels, runs, status and the page's files."""

import asyncio
from typing import Any

from relay.entry import Batch, Origin, RunEnded, RunStarted
from relay.status import ReaderStatus, SourceState, SourceStatus, StoreState
from tests.building import batch


async def test_a_channel(serve: Any) -> None:
    """What is held, what came."""
    served = await serve(lines=2)
    last = await served.publish(batch("web", "a"), batch("web", "b c"))
    status, body = await served.get("/api/v1/channels/web")
    assert status == 200
    expected = {
        "name": "web",
        "first_id": last - 1,
        "last_id": last,
        "first_seq": 2,
        "last_seq": 3,
        "held_lines": 2,
        "max_lines": 2,
        "lines": 3,
        "bytes": 6,
        "runs": [],
    }
    assert {key: body[key] for key in expected} == expected
    _, body = await served.get("/api/v1/channels")
    assert [one["name"] for one in body["channels"]] == ["web"]
    status, body = await served.get("/api/v1/channels/wep")
    assert (status, body["error"]["near"]) == (404, ["web"])


async def test_the_newest_entry_of_a_channel(serve: Any) -> None:
    """Its level and its source are told; of a channel that has none in memory neither is."""
    served = await serve()
    await served.publish(batch("web", ["INFO one", "ERROR two"]), Batch("app", "new"))
    _, body = await served.get("/api/v1/channels")
    told = {one["name"]: (one["newest_level"], one["newest_source"]) for one in body["channels"]}
    assert told["web"] == ("error", "app")
    assert told.get("new", (None, None)) == (None, None)


async def test_modules_for_pages_anywhere(serve: Any) -> None:
    """They stand at the root, where the base path is too, and may be loaded by known origins."""
    served = await serve(base_path="/logs", cors_origins=("https://a.example",))
    for name in ("client.js", "embed.js"):
        url = f"{served.base}/{name}"
        async with served.session.get(url, headers={"Origin": "https://a.example"}) as response:
            assert response.content_type == "text/javascript"
            assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
            assert await response.text() == f'export * from "./static/{name}";\n'
        async with served.session.get(f"{served.base}/static/{name}") as response:
            assert response.status == 200


async def test_files_of_the_page_are_compressed_and_asked_once(serve: Any) -> None:
    """Who takes gzip gets it; who has the file already is told so."""
    served = await serve()
    url, plain = served.base + "/static/main.js", {"Accept-Encoding": "identity"}
    async with served.session.get(url) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Vary"] == "Accept-Encoding"
        body, tag = await response.text(), response.headers["ETag"]
    async with served.session.get(url, headers=plain) as response:
        assert "Content-Encoding" not in response.headers
        assert await response.text() == body
    async with served.session.get(url, headers={"If-None-Match": tag}) as response:
        assert response.status == 304
        assert await response.read() == b""


async def test_a_run(serve: Any) -> None:
    """From its start to its exit code."""
    served = await serve()
    started, ended = 1_000_000_000, 2_500_000_000
    await served.publish(
        Batch("app", "web", runs=(RunStarted("job", started, pid=42),)),
        batch("web", "a b", Origin("app", run="job"), runs=(RunEnded("job", ended, "failed", 3),)),
    )
    _, body = await served.get("/api/v1/runs/job")
    assert body == {
        "id": "job",
        "source": "app",
        "instance": None,
        "channels": ["web"],
        "started": "1970-01-01T00:00:01.000000000Z",
        "ended": "1970-01-01T00:00:02.500000000Z",
        "status": "failed",
        "exit_code": 3,
        "signal": None,
        "pid": 42,
        "lines": 2,
        "offset": None,
        "ending_id": served.hub.last_id,
    }
    _, body = await served.get("/api/v1/runs")
    assert [one["id"] for one in body["runs"]] == ["job"]
    assert (await served.get("/api/v1/runs/job-9"))[0] == 404


async def test_status_of_sources_and_connections(serve: Any) -> None:
    """State, last error, counts, readers; who reads by channel, run and protocol."""
    served = await serve()
    source = served.hub.sources["files"] = SourceStatus("files", "file")
    source.fail("no such file")
    source.enter(SourceState.FAILING)
    source.lines, source.bytes, source.invalid_bytes = 5, 50, 3
    source.readers["/a.log"] = ReaderStatus("reading", position="50")
    await served.publish(batch("web", "a"))
    responses = [
        await served.session.get(served.base + path)
        for path in ("/web/sse", "/web/json", "/raw", "/api/v1/runs/job/logs/stream")
    ]
    await served.connected(4)
    _, body = await served.get("/api/v1/status")
    assert body["connections"] == {
        "total": 4,
        "by_channel": {"web": 2, "*": 2},
        "by_run": {"job": 1},
        "by_protocol": {"sse": 2, "ndjson": 1, "text": 1},
    }
    (shown,) = body["sources"]
    assert shown["state"] == "failing"
    assert shown["last_error"] == "no such file"
    assert (shown["lines"], shown["bytes"], shown["invalid_bytes"]) == (5, 50, 3)
    assert shown["lines_per_second"] == 0.0
    assert shown["readers"] == {
        "/a.log": {"state": "reading", "detail": None, "position": "50", "run": None}
    }
    for response in responses:
        response.close()


async def test_status_of_the_store(serve: Any) -> None:
    """Off where there is none; else where it stands, in words and numbers."""
    served = await serve()
    _, body = await served.get("/api/v1/status")
    assert body["store"]["state"] == "off"
    store = served.hub.store_status
    store.directory, store.segments, store.stored_bytes = "/var/lib/relay", 7, 70_000
    store.behind_lines, store.behind_bytes = 5, 500
    store.unsaved_ns = 1_795_255_350_123_456_789
    store.recovered = ["web: a torn line was cut"]
    store.commits.add(0.0125)
    store.fail("no space left on device")
    since_ns = store.since_ns
    store.fail("slower than 1s")
    assert store.since_ns == since_ns
    _, body = await served.get("/api/v1/status")
    assert await served.get("/api/v1/status/store") == (200, body["store"])
    assert body["store"].pop("since").endswith("Z")
    assert body["store"] == {
        "state": "failing",
        "reason": "slower than 1s",
        "directory": "/var/lib/relay",
        "behind_lines": 5,
        "behind_bytes": 500,
        "unsaved_since": "2026-11-21T10:02:30.123456789Z",
        "segments": 7,
        "stored_bytes": 70_000,
        "free_bytes": None,
        "recovered": ["web: a torn line was cut"],
        "commits": 1,
        "commit_seconds": {"p50": 0.0125, "p99": 0.0125},
    }


async def test_health_and_readiness(serve: Any) -> None:
    """Alive at once; ready when every source was started."""
    served = await serve()
    assert await served.get("/healthz") == (200, {"status": "ok"})
    source = served.hub.sources["files"] = SourceStatus("files", "file")
    assert await served.get("/readyz") == (503, {"status": "starting", "sources": ["files"]})
    source.enter(SourceState.WAITING)
    assert await served.get("/readyz") == (200, {"status": "ready"})
    served.hub.store_status.fail("no space left on device")
    degraded = {"status": "degraded", "store": "no space left on device"}
    assert await served.get("/readyz") == (200, degraded)
    served.hub.store_status.enter(StoreState.CATCHING_UP)
    assert await served.get("/readyz") == (200, {"status": "ready"})


async def test_the_page_under_a_base_path(serve: Any) -> None:
    """With a strict policy; the path without its slash leads there."""
    served = await serve(base_path="/logs")
    async with served.session.get(served.base) as response:
        assert str(response.url) == served.base + "/"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert "<script" in await response.text()
    assert (await served.get("/healthz"))[0] == 200


async def test_files_of_the_page_and_no_others(serve: Any) -> None:
    """A path that leads out of the folder is none."""
    served = await serve()
    async with served.session.get(served.base + "/static/style.css") as response:
        assert response.status == 200
        assert response.content_type == "text/css"
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/nothing.js",
        "/static/",
        "/static/%00",
        "/static/" + "x" * 3000,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.0 404"), path
        writer.close()


async def test_a_head_of_a_stream_ends(serve: Any) -> None:
    """Headers, and no body that never ends."""
    served = await serve()
    await served.publish(batch("web", "a"))
    for path in ("/web/sse", "/web/raw"):
        async with asyncio.timeout(5), served.session.head(served.base + path) as response:
            assert response.status == 200
