"""Pages of history."""

import asyncio
from typing import Any

from relay.entry import Batch, Loss, Origin, Reason, RunEnded, Stream
from tests.building import batch

LINES = ["INFO one", "ERROR two", "WARN three", "INFO four", "ERROR five"]


def messages(page: dict[str, Any]) -> list[str]:
    return [entry["message"] for entry in page["logs"]]


async def test_the_newest_entries_ascending(serve: Any) -> None:
    """Without a place that is named a page is the newest, and says whether there are more."""
    served = await serve()
    last = await served.publish(batch("web", LINES))
    status, page = await served.get("/api/v1/logs?limit=2")
    assert status == 200
    assert messages(page) == ["INFO four", "ERROR five"]
    assert page["count"] == 2
    assert page["total"] == 5
    assert page["truncated"] is True
    assert page["cursor"] == last
    assert page["gaps"] == []


async def test_forward_from_a_cursor(serve: Any) -> None:
    """``after`` gives what follows; the cursor of a cut page goes on exactly there."""
    served = await serve()
    last = await served.publish(batch("web", LINES))
    first = last - 4
    _, page = await served.get(f"/api/v1/channels/web/logs?after={first}&limit=2")
    assert messages(page) == ["ERROR two", "WARN three"]
    assert (page["truncated"], page["cursor"]) == (True, first + 2)
    _, page = await served.get(f"/api/v1/channels/web/logs?after={page['cursor']}&limit=2")
    assert messages(page) == ["INFO four", "ERROR five"]
    assert (page["truncated"], page["cursor"]) == (False, last)


async def test_filters(serve: Any) -> None:
    """Levels, text, patterns and their opposites; total only if it is asked for."""
    served = await serve()
    await served.publish(batch("web", LINES))
    for query, expected in {
        "level=error": ["ERROR two", "ERROR five"],
        "min_level=warn": ["ERROR two", "WARN three", "ERROR five"],
        "q=FOU": ["INFO four"],
        "regex=t(wo|hree)$": ["ERROR two", "WARN three"],
        "exclude=o": ["WARN three"],
        "exclude=info": ["ERROR two", "WARN three", "ERROR five"],
    }.items():
        _, page = await served.get("/api/v1/logs?" + query)
        assert messages(page) == expected, query
        assert page["total"] is None
    _, page = await served.get("/api/v1/logs?level=error&limit=1&total=1")
    assert (messages(page), page["total"], page["truncated"]) == (["ERROR five"], 2, True)


async def test_offset_tail_before_and_order(serve: Any) -> None:
    """Every way to say which page."""
    served = await serve()
    last = await served.publish(batch("web", LINES))
    for query, expected in {
        "offset=1&limit=2": ["ERROR two", "WARN three"],
        "tail=1": ["ERROR five"],
        "tail=0": [],
        f"before={last}&limit=2": ["WARN three", "INFO four"],
        "order=desc&limit=2": ["ERROR five", "INFO four"],
        "order=desc&limit=2&offset=1": ["INFO four", "WARN three"],
        f"after={last - 4}&before={last}": ["ERROR two", "WARN three", "INFO four"],
        "since=1": LINES,
        "until=1": [],
    }.items():
        _, page = await served.get("/api/v1/logs?" + query)
        assert messages(page) == expected, query


async def test_several_channels_in_the_order_of_ids(serve: Any) -> None:
    """Names, globs and all."""
    served = await serve()
    await served.publish(batch("web", "a"), batch("db", "b"), batch("web-2", "c"))
    for path, expected in {
        "/api/v1/logs": ["a", "b", "c"],
        "/api/v1/logs?channel=db,web": ["a", "b"],
        "/api/v1/logs?channel=web*": ["a", "c"],
        "/api/v1/logs?channel=nothing*": [],
    }.items():
        _, page = await served.get(path)
        assert messages(page) == expected


async def test_a_run_and_its_origin(serve: Any) -> None:
    """By run, stream, source and instance."""
    served = await serve()
    job = Origin("jobs", "i-1", "job-1.a", Stream.STDERR)
    await served.publish(batch("web", "a"), batch("web", "b", job))
    for path in ("runs/job-1.a/logs", "logs?run=job-1.*", "logs?stream=stderr", "logs?source=j*"):
        _, page = await served.get("/api/v1/" + path)
        assert messages(page) == ["b"], path
    entry = page["logs"][0]
    assert (entry["run"], entry["instance"], entry["stream"]) == ("job-1.a", "i-1", "stderr")


async def test_a_gap_between_a_cursor_and_what_is_held(serve: Any) -> None:
    """Counted, since the marks are there."""
    served = await serve(lines=1)
    first = await served.publish(batch("web", "a"))
    for text in ("b", "c", "d"):
        await served.publish(batch("web", text))
    _, page = await served.get(f"/api/v1/logs?after={first}")
    assert messages(page) == ["d"]
    (gap,) = page["gaps"]
    assert (gap["channel"], gap["after"], gap["count"], gap["reason"]) == (
        "web",
        first,
        2,
        "evicted",
    )


async def test_a_cursor_from_another_life(serve: Any) -> None:
    """A gap that nobody can count, then everything since the start."""
    served = await serve()
    last = await served.publish(batch("web", "a"))
    for cursor in (1, last + 1_000_000_000):
        _, page = await served.get(f"/api/v1/logs?channel=web&after={cursor}")
        assert messages(page) == ["a"]
        (gap,) = page["gaps"]
        assert (gap["id"], gap["reason"], gap["count"]) == (cursor, "restart", None)
        assert page["cursor"] == last


async def test_zero_is_the_beginning_of_what_there_is(serve: Any) -> None:
    """No hub gave it out: nothing is from another life, and what left since the start counts."""
    served = await serve(lines=1)
    for text in ("a", "b", "c"):
        await served.publish(batch("web", text))
    _, page = await served.get("/api/v1/logs?after=0")
    assert messages(page) == ["c"]
    assert [(gap["reason"], gap["count"]) for gap in page["gaps"]] == [("evicted", 2)]
    body = await served.text("/web/raw?follow=0&after=0&gaps=1")
    assert body == "--- gap: 2 entries of web missing (evicted) ---\nc\n"


async def test_declared_losses_are_told_by_page(serve: Any) -> None:
    """Every reader that passes them."""
    served = await serve()
    loss = Loss(Reason.SOURCE, 7, 7)
    await served.publish(batch("web", "a"), Batch("app", "web", loss=loss), batch("web", "b"))
    _, page = await served.get("/api/v1/logs?limit=2")
    assert [(gap["reason"], gap["count"]) for gap in page["gaps"]] == [("source", 7)]


async def test_context_around_matches(serve: Any) -> None:
    """Neighbours of the same channel, each entry once."""
    served = await serve()
    await served.publish(batch("web", "a b c d e f g"), batch("db", "x"))
    _, page = await served.get("/api/v1/logs?regex=^[cd]$&context=1")
    assert messages(page) == ["b", "c", "d", "e"]


async def test_an_empty_page_waits_for_a_match(serve: Any) -> None:
    """``wait`` holds it until something matches."""
    served = await serve()
    cursor = await served.publish(batch("web", ["INFO a"]))
    path = f"/api/v1/logs?level=error&after={cursor}&wait=10s"
    waiting = asyncio.create_task(served.get(path))
    while not served.hub.subscriptions:
        await asyncio.sleep(0.005)
    await served.publish(batch("web", ["INFO b"]))
    last = await served.publish(batch("web", ["ERROR c"]))
    _, page = await waiting
    assert messages(page) == ["ERROR c"]
    assert page["cursor"] == last


async def test_an_empty_page_waits_for_the_end_of_a_run_or_the_time(serve: Any) -> None:
    """An ending is news too; with none the page comes empty."""
    served = await serve()
    cursor = await served.publish(batch("web", "a", Origin("app", run="job")))
    path = f"/api/v1/runs/job/logs?after={cursor}&wait="
    _, page = await served.get(path + "50ms")
    assert (page["logs"], page["endings"], page["cursor"]) == ([], [], cursor)
    waiting = asyncio.create_task(served.get(path + "10s"))
    while not served.hub.subscriptions:
        await asyncio.sleep(0.005)
    await served.publish(Batch("app", "web", runs=(RunEnded("job", 1, "failed", 3),)))
    _, page = await waiting
    assert [(one["run"], one["exit_code"]) for one in page["endings"]] == [("job", 3)]


async def test_unknown_names_are_404_with_near_ones(serve: Any) -> None:
    """A page does not wait for what is not there."""
    served = await serve()
    await served.publish(batch("worker", "a", Origin("app", run="job-1")))
    status, body = await served.get("/api/v1/logs?channel=workr")
    assert status == 404
    assert body["error"] == {
        "code": "unknown_channel",
        "message": "no channel 'workr'; did you mean 'worker'?",
        "near": ["worker"],
    }
    status, body = await served.get("/api/v1/runs/job-2/logs")
    assert (status, body["error"]["code"], body["error"]["near"]) == (
        404,
        "unknown_run",
        ["job-1"],
    )


async def test_wrong_parameters_are_400_that_name_them(serve: Any) -> None:
    """What was read and what is allowed."""
    served = await serve()
    status, body = await served.get("/api/v1/logs?limit=many")
    assert status == 400
    assert body["error"]["code"] == "invalid_parameter"
    assert body["error"]["parameter"] == "limit"
    assert body["error"]["message"].startswith("limit: expected ")
    assert body["error"]["message"].endswith(", got 'many'")
    for query in ("levl=error", "regex=(", "regex=a(?=b)", "after=x", "wait=2h", "order=up"):
        status, body = await served.get("/api/v1/logs?" + query)
        assert (status, body["error"]["parameter"]) == (400, query.partition("=")[0])


async def test_long_histories_are_read_in_turns(serve: Any) -> None:
    """A large page is right too."""
    served = await serve(lines=50_000)
    for start in range(0, 30_000, 1000):
        await served.publish(batch("web", [f"n{n}" for n in range(start, start + 1000)]))
    _, page = await served.get("/api/v1/logs?limit=10000")
    assert messages(page) == [f"n{n}" for n in range(20_000, 30_000)]
    _, page = await served.get("/api/v1/logs?q=n77&total=1&limit=3&offset=1")
    assert messages(page) == ["n770", "n771", "n772"]
    assert page["total"] == 111


async def test_a_page_is_bounded_in_bytes(serve: Any) -> None:
    """Its cursor goes on where it ended."""
    served = await serve(size="100MiB")
    cursor = served.hub.last_id
    for number in range(50):
        await served.publish(batch("web", [str(number) + "x" * 1_000_000]))
    _, page = await served.get(f"/api/v1/logs?after={cursor}&limit=10000")
    assert page["truncated"] is True
    assert 30 <= page["count"] < 40
    _, rest = await served.get(f"/api/v1/logs?after={page['cursor']}&limit=10000")
    assert page["count"] + rest["count"] == 50


async def test_a_gap_is_cut_where_the_page_ends(serve: Any) -> None:
    """What is missing below ``before`` is told, though more is missing above."""
    served = await serve(lines=1)
    first = await served.publish(batch("web", "a"))
    middle = await served.publish(batch("web", "b c d"))
    for text in ("e f", "g"):
        await served.publish(batch("web", text))
    _, page = await served.get(f"/api/v1/logs?after={first}&before={middle}")
    assert (messages(page), page["cursor"]) == ([], middle - 1)
    assert [(gap["until"], gap["count"]) for gap in page["gaps"]] == [(middle - 1, 2)]


async def test_a_cursor_never_goes_back(serve: Any) -> None:
    """A poller would read the same again."""
    served = await serve()
    last = await served.publish(batch("web", "a b c"))
    _, page = await served.get(f"/api/v1/logs?after={last}&before={last - 1}")
    assert (page["count"], page["cursor"]) == (0, last)


async def test_the_newest_of_large_entries(serve: Any) -> None:
    """What a page has no room for is the oldest, and it says so."""
    served = await serve(size="100MiB")
    for number in range(50):
        await served.publish(batch("web", [str(number) + "x" * 1_000_000]))
    _, page = await served.get("/api/v1/logs?limit=50")
    assert page["truncated"] is True
    assert 10 <= page["count"] < 30
    assert messages(page)[-1].startswith("49x")


async def test_waiting_for_one_run_is_not_ended_by_another(serve: Any) -> None:
    """Only the end of a run that was asked for is news."""
    served = await serve()
    mine, other = Origin("app", run="job"), Origin("app", run="other")
    cursor = await served.publish(batch("web", "a", mine), batch("web", "b", other))
    path = f"/api/v1/runs/job/logs?after={cursor}&wait=400ms"
    waiting = asyncio.create_task(served.get(path))
    await served.connected(1)
    await served.publish(Batch("app", "web", runs=(RunEnded("other", 1, "failed", 3),)))
    await asyncio.sleep(0)
    assert not waiting.done()
    _, page = await waiting
    assert (page["logs"], page["endings"]) == ([], [])


async def test_much_context_is_bounded(serve: Any) -> None:
    """Neighbours and all, a page has at most ten thousand entries, in the order of ids."""
    served = await serve(lines=100_000)
    for start in range(0, 30_000, 1000):
        await served.publish(
            batch("web", [f"n{n}" for n in range(start, start + 1000)]), batch("db", "x")
        )
    _, page = await served.get("/api/v1/logs?q=n&limit=10000&context=1000")
    ids = [entry["id"] for entry in page["logs"]]
    assert len(ids) == 10_000
    assert ids == sorted(ids)
