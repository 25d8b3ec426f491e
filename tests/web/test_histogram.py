"""Histograms over real HTTP."""

from array import array
from pathlib import Path
from typing import Any

from tests.building import batch
from tests.kept import Kept

SECOND = 1_000_000_000
LINES = ["INFO one", "ERROR two", "WARN three", "INFO four", "ERROR five"]
TIMES = array("q", [100 * SECOND, 101 * SECOND, 101 * SECOND, 105 * SECOND, 109 * SECOND])


async def test_counts_of_all_that_is_held(serve: Any) -> None:
    """From the first entry to the last, in sixty parts."""
    served = await serve()
    await served.publish(batch("web", LINES, timestamps=TIMES), batch("db", ["x"]))
    status, made = await served.get("/api/v1/channels/web/logs/histogram")
    assert status == 200
    assert made["since"] == "1970-01-01T00:01:40.000000000Z"
    assert made["until"] >= "1970-01-01T00:01:49.000000001Z"
    assert len(made["buckets"]) == 60
    assert made["total"] == 5
    assert made["buckets"][0] == {
        "start": "1970-01-01T00:01:40.000000000Z",
        "total": 1,
        "levels": {"info": 1},
    }
    assert made["buckets"][-1]["levels"] == {"error": 1}


async def test_parts_of_a_length_and_any_query(serve: Any) -> None:
    """Filters count, and times are those that were asked for."""
    served = await serve()
    await served.publish(batch("web", LINES, timestamps=TIMES))
    query = "interval=5s&since=100&until=115&regex=one|two|three"
    _, made = await served.get("/api/v1/logs/histogram?" + query)
    assert made == {
        "since": "1970-01-01T00:01:40.000000000Z",
        "until": "1970-01-01T00:01:55.000000000Z",
        "interval_seconds": 5.0,
        "buckets": [
            {
                "start": "1970-01-01T00:01:40.000000000Z",
                "total": 3,
                "levels": {"info": 1, "warn": 1, "error": 1},
            },
            {"start": "1970-01-01T00:01:45.000000000Z", "total": 0, "levels": {}},
            {"start": "1970-01-01T00:01:50.000000000Z", "total": 0, "levels": {}},
        ],
        "total": 3,
        "unread": [],
    }


async def test_lines_without_times_count_when_they_arrived(serve: Any) -> None:
    """Whole blocks at once; ``after`` and ``before`` cut them."""
    served = await serve()
    last = await served.publish(batch("web", LINES))
    _, made = await served.get(
        f"/api/v1/logs/histogram?buckets=1&after={last - 4}&before={last}&level=warn,info"
    )
    assert [bucket["levels"] for bucket in made["buckets"]] == [{"info": 1, "warn": 1}]
    assert made["total"] == 2


async def test_nothing_held_is_no_bucket(serve: Any) -> None:
    """There is no time to cut."""
    served = await serve()
    status, made = await served.get("/api/v1/logs/histogram")
    assert (status, made["buckets"], made["total"]) == (200, [], 0)
    assert made["since"] == made["until"]


async def test_what_cannot_be_asked_for(serve: Any) -> None:
    """Too many parts, both ways to say how many, and what is not there."""
    served = await serve()
    for query, message in {
        "interval=1s&since=0&until=1001": (
            "interval: expected at most 1000 intervals, which here is 1003ms or more, got '1s'"
        ),
        "interval=0s": "interval: expected a duration from 1ms to 365d such as 10s, got '0s'",
        "interval=1s&buckets=2": "interval: expected no buckets beside it, got '1s'",
        "buckets=1001": "buckets: expected a whole number from 1 to 1000, got '1001'",
    }.items():
        status, refusal = await served.get("/api/v1/logs/histogram?" + query)
        assert (status, refusal["error"]["message"]) == (400, message)
    status, refusal = await served.get("/api/v1/runs/none/logs/histogram")
    assert (status, refusal["error"]["code"]) == (404, "unknown_run")


async def test_channels_whose_store_cannot_be_read_are_named(serve: Any, tmp_path: Path) -> None:
    """What is counted of them is but a part, and says so."""
    kept = Kept.begin(tmp_path / "state")
    await kept.publish("a1 a2 a3 a4")
    relay = await serve(hub=kept.hub)
    _, found = await relay.get("/api/v1/logs/histogram")
    assert (found["total"], found["unread"]) == (4, [])
    kept.store._archive.close()
    (kept.directory / "index.db").rename(kept.directory / "away")
    _, found = await relay.get("/api/v1/logs/histogram")
    assert (found["total"], found["unread"]) == (2, ["web"])
    _, page = await relay.get("/api/v1/logs?limit=1&context=3")
    assert [gap["reason"] for gap in page["gaps"]] == ["storage"]
    await kept.close()
