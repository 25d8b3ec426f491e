"""Downloads over real HTTP."""

import asyncio
import gzip
import json
import random
import re
from array import array
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientError

from relay.entry import Loss, Origin, Reason, RunEnded
from relay.query import Query
from relay.web.download import PIECE_BYTES, file_name
from tests.building import batch

LINES = ["INFO one", "ERROR two", "WARN three"]


def objects(body: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.splitlines()]


async def test_text_is_messages_and_nothing_else(serve: Any) -> None:
    """As a file with a name of its own, which ends where history did."""
    served = await serve()
    await served.publish(batch("web", LINES), batch("db", ["x"]))
    async with served.session.get(served.base + "/api/v1/channels/web/logs/download") as response:
        assert await response.text() == "INFO one\nERROR two\nWARN three\n"
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert re.fullmatch(
            r'attachment; filename="web-\d{4}-\d\d-\d\dT\d{6}Z\.log"',
            response.headers["Content-Disposition"],
        )


async def test_ndjson_has_gaps_and_endings(serve: Any) -> None:
    """But neither a hello nor a cursor: a file is not followed."""
    served = await serve()
    await served.publish(
        batch("web", LINES, Origin("app", run="job-1"), loss=Loss(Reason.RATE, 7, 7)),
        batch("web", [], runs=(RunEnded("job-1", 0, "failed", 3),)),
        batch("web", ["four"]),
    )
    body = await served.text("/api/v1/runs/job-1/logs/download?format=ndjson")
    found = objects(body)
    assert [one["type"] for one in found] == ["log", "log", "log", "gap", "complete"]
    assert [one["message"] for one in found[:3]] == LINES
    assert (found[3]["count"], found[3]["reason"]) == (7, "rate")
    assert (found[4]["run"], found[4]["exit_code"]) == ("job-1", 3)


async def test_text_shows_gaps_only_where_asked(serve: Any) -> None:
    """What was evicted since the start is one."""
    served = await serve(lines=1)
    await served.publish(batch("web", ["a", "b"]))
    await served.publish(batch("web", ["c"]))
    assert await served.text("/api/v1/logs/download") == "c\n"
    assert await served.text("/api/v1/logs/download?gaps=1") == (
        "--- gap: 2 entries of web missing (evicted) ---\nc\n"
    )


async def test_what_left_before_the_time_that_is_asked_for_is_no_gap(serve: Any) -> None:
    """The channel still holds everything from then on."""
    served = await serve(lines=1)
    for second in (100, 200, 300):
        times = array("q", [second * 1_000_000_000] * 2)
        await served.publish(batch("web", [str(second), "x"], timestamps=times))
    assert await served.text("/api/v1/logs/download?gaps=1&since=301") == ""
    assert await served.text("/api/v1/logs/download?gaps=1&since=300") == (
        "--- gap: 4 entries of web missing (evicted) ---\n300\nx\n"
    )


async def test_a_file_that_cannot_be_finished_is_cut_off(serve: Any) -> None:
    """A pattern that turns out to cost too much is told by a status, or by a broken transfer."""
    served = await serve(lines=100_000)
    choose = random.Random(1).choice
    hostile = ["".join(choose("ab") for _ in range(100)) for _ in range(3000)]
    path = "/api/v1/logs/download?regex=" + quote("x|(?:a?b?[ab]){92}c")
    await served.publish(batch("web", hostile))
    status, refusal = await served.get(path)
    assert (status, refusal["error"]["parameter"]) == (400, "regex")
    # What patterns have cost is remembered: it takes another.
    path = path.replace("92", "93")
    served = await serve(lines=100_000)
    await served.publish(batch("web", ["x" * 1000] * 1000))
    await served.publish(batch("web", hostile))
    async with served.session.get(served.base + path) as response:
        assert response.status == 200
        with pytest.raises(ClientError):
            await response.read()


async def test_any_query_and_any_part(serve: Any) -> None:
    """Filters, and every way to say from where to where."""
    served = await serve()
    last = await served.publish(batch("web", LINES))
    for query, expected in {
        "min_level=warn": "ERROR two\nWARN three\n",
        "q=nothing": "",
        f"after={last - 1}": "WARN three\n",
        f"before={last}": "INFO one\nERROR two\n",
        f"before={last}&tail=1": "ERROR two\n",
        "after=1": "INFO one\nERROR two\nWARN three\n",
        "date=2001-01-01": "",
    }.items():
        assert await served.text("/api/v1/logs/download?" + query) == expected, query


async def test_gzip_of_many_pieces(serve: Any) -> None:
    """A long file comes whole, and says by its name what it is."""
    served = await serve(lines=100_000)
    lines = [f"line {number} " + "x" * 80 for number in range(1000)]
    for _ in range(10):
        await served.publish(batch("web", lines), batch("db", lines))
    url = served.base + "/api/v1/logs/download?channel=web,d*&format=ndjson&compress=gzip"
    async with served.session.get(url) as response:
        body = gzip.decompress(await response.read())
        assert response.headers["Content-Type"] == "application/gzip"
        assert "Content-Encoding" not in response.headers
        assert '"d_,web-' in response.headers["Content-Disposition"]
        assert response.headers["Content-Disposition"].endswith('.ndjson.gz"')
    assert len(body) > 10 * PIECE_BYTES
    messages = [one["message"] for one in objects(body.decode())]
    assert messages == lines * 20


async def test_it_ends_where_history_ended_when_it_began(serve: Any) -> None:
    """A file of a busy channel is finished; what comes meanwhile is not in it."""
    served = await serve(lines=1_000_000)
    lines = ["x" * 1000] * 1000
    for _ in range(12):
        await served.publish(batch("web", lines))
    count = 0
    url = served.base + "/api/v1/logs/download"
    async with served.session.get(url) as response:
        async for data in response.content.iter_any():
            count += data.count(b"\n")
            if count < 24_000:
                await served.publish(batch("web", ["late"] * 10))
    assert count == 12_000


async def test_others_are_served_meanwhile(serve: Any) -> None:
    """A long download yields to the loop, and what it costs is counted."""
    served = await serve(lines=1_000_000)
    for _ in range(30):
        await served.publish(batch("web", ["x" * 100] * 2000))
    request = served.session.get(served.base + "/api/v1/logs/download?format=ndjson")
    async with request as response:
        await served.connected(1)
        status, seen = await served.get("/api/v1/status")
        assert status == 200
        assert seen["connections"]["by_protocol"] == {"download": 1}
        async with asyncio.timeout(10):
            assert (await response.read()).count(b"\n") == 60_000
    await served.connected(0)


async def test_what_cannot_be_downloaded(serve: Any) -> None:
    """Said by a status, before any file begins."""
    served = await serve()
    for query, message in {
        "format=sse": "format: expected one of json, ndjson, raw, text, got 'sse'",
        "compress=zip": "compress: expected one of gzip, got 'zip'",
    }.items():
        status, refusal = await served.get("/api/v1/logs/download?" + query)
        assert (status, refusal["error"]["message"]) == (400, message)
    status, refusal = await served.get("/api/v1/channels/none/logs/download")
    assert (status, refusal["error"]["code"]) == (404, "unknown_channel")


async def test_head_says_what_would_come(serve: Any) -> None:
    """Name and type, without the file."""
    served = await serve()
    await served.publish(batch("web", LINES))
    url = served.base + "/api/v1/logs/download?date=2026-11-21"
    async with served.session.head(url) as response:
        assert response.status == 200
        assert response.headers["Content-Disposition"] == (
            'attachment; filename="all-2026-11-21.log"'
        )
        assert await response.read() == b""


def test_names_of_files() -> None:
    """By channels, runs, and the day or the present; safe everywhere."""
    now = 1795254450.0
    day = 1795219200 * 1_000_000_000
    assert file_name(Query(), now) == "all-2026-11-21T094730Z"
    assert file_name(Query(channels=("db", "web")), now) == "db,web-2026-11-21T094730Z"
    assert file_name(Query(("*.x:y",), runs=("a*",)), now) == "_.x_y-a_-2026-11-21T094730Z"
    one_day = Query(("web",), since_ns=day, until_ns=day + 86_400_000_000_000)
    assert file_name(one_day, now) == "web-2026-11-21"
    other = Query(("web",), since_ns=day + 1, until_ns=day + 86_400_000_000_001)
    assert file_name(other, now) == "web-2026-11-21T094730Z"
    hostile = Query((), runs=('../../"\r\nx: y' + "z" * 200,))
    assert file_name(hostile, now) == "_..____x__y" + "z" * 89 + "-2026-11-21T094730Z"
