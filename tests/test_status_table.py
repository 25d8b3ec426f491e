"""A status as people read it: what is wrong first, in words that a terminal can show."""

from datetime import UTC, datetime
from typing import Any

from relay.status_table import failing, sheet

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
URL = "http://127.0.0.1:8514"


def source(name: str, state: str, **more: Any) -> dict[str, Any]:
    """Return a source as the relay tells of it."""
    return {
        "name": name,
        "type": "file",
        "state": state,
        "last_error": None,
        "last_error_at": None,
        "lines": 12,
        "lines_per_second": 0.25,
        "lost_lines": 0,
        "readers": {},
        **more,
    }


def run(name: str, started: str, **more: Any) -> dict[str, Any]:
    """Return a run as the relay tells of it."""
    return {
        "id": name,
        "status": "running",
        "exit_code": None,
        "signal": None,
        "lines": 3,
        "started": f"2026-11-21T{started}.123456789Z",
        "ended": None,
        **more,
    }


def store(state: str, **more: Any) -> dict[str, Any]:
    """Return a store as the relay tells of it."""
    return {
        "state": state,
        "since": "2026-11-21T11:57:00.5Z",
        "reason": None,
        "directory": "/var/lib/relay",
        "behind_lines": 0,
        "behind_bytes": 0,
        "segments": 142,
        "stored_bytes": 1_342_177_280,
        "free_bytes": 52_000_000_000,
        "recovered": [],
        **more,
    }


def status(**more: Any) -> dict[str, Any]:
    """Return a status."""
    return {
        "version": "0.1.0",
        "uptime_seconds": 7384.5,
        "sources": [],
        "channels": [],
        "runs": [],
        "connections": {"total": 0, "by_protocol": {}},
        **more,
    }


def test_what_is_wrong_comes_first() -> None:
    """A failing source is named above all, then sources by how badly they are."""
    found = status(
        sources=[
            source("fine", "running", readers={"/a.log": {"state": "reading", "detail": None}}),
            source("lossy", "running", lost_lines=7),
            source("lazy", "waiting", readers={"/b": {"state": "missing", "detail": "no file"}}),
            source(
                "broken",
                "failing",
                last_error="permission denied",
                last_error_at="2026-11-21T11:57:00.5Z",
            ),
        ],
        connections={"total": 3, "by_protocol": {"sse": 2, "ndjson": 1}},
    )
    assert failing(found) == ["broken"]
    assert sheet(found, URL, NOW).splitlines() == [
        "failing: broken",
        "relay 0.1.0 at http://127.0.0.1:8514, up 2h 3m, 3 connections (1 ndjson, 2 sse)",
        "",
        "SOURCE  TYPE  STATE    LINES  LINES/S  LOST  NOTE",
        "broken  file  failing     12      0.2        permission denied (3m ago)",
        "lazy    file  waiting     12      0.2",
        "                                             /b: missing, no file",
        "lossy   file  running     12      0.2     7",
        "fine    file  running     12      0.2",
        "",
        "CHANNEL  HELD  LINES/S  NEWEST",
    ]


def head(found: dict[str, Any]) -> list[str]:
    """Return what stands before the first table, without the line on the relay itself."""
    lines = sheet(found, URL, NOW).split("\n\n")[0].splitlines()
    return [line for line in lines if not line.startswith("relay ")]


def test_the_store_is_a_line() -> None:
    """Where it is, what it holds, and the room that is left; without one there is none."""
    assert head(status(store=store("ok"))) == [
        "store ok in /var/lib/relay: 1.25 GiB in 142 sealed segments, 48.4 GiB free"
    ]
    small = store("ok", segments=1, stored_bytes=999, free_bytes=None)
    assert head(status(store=small)) == ["store ok in /var/lib/relay: 999 B in 1 sealed segment"]
    assert head(status(store=store("off", directory=None))) == []
    assert head(status()) == []


def test_a_store_that_fails_says_why_and_for_how_long() -> None:
    """It is named above all; while it catches up it is not."""
    wrong = store(
        "failing", reason="no space left on device", behind_lines=1234, behind_bytes=123_400
    )
    found = status(sources=[source("broken", "failing")], store=wrong)
    assert failing(found) == ["store", "broken"]
    assert head(found) == [
        "failing: store, broken",
        "store failing in /var/lib/relay: 1.25 GiB in 142 sealed segments, 48.4 GiB free",
        "  no space left on device (3m ago); 1234 lines not kept, 121 KiB",
    ]
    better = status(store=store("catching up", behind_lines=1, behind_bytes=100))
    assert failing(better) == []
    assert head(better)[1:] == ["  it works again (3m ago); 1 line not kept, 100 B"]


def test_what_was_mended_at_the_start_is_told() -> None:
    """The first sentences of it."""
    sentences = [f"web: {number} bytes were cut" for number in range(7)]
    assert head(status(store=store("ok", recovered=sentences)))[1:] == [
        f"  at the start: web: {number} bytes were cut" for number in range(5)
    ]


def test_one_connection_is_told_in_the_singular() -> None:
    """It may be the very one that asks."""
    found = status(connections={"total": 1, "by_protocol": {"sse": 1}})
    assert sheet(found, URL, NOW).splitlines()[0] == (
        "relay 0.1.0 at http://127.0.0.1:8514, up 2h 3m, 1 connection (1 sse)"
    )


def test_channels_and_runs_are_rows() -> None:
    """Runs by their start, newest first; how they ended, how long they took."""
    found = status(
        channels=[
            {
                "name": "web",
                "held_lines": 10000,
                "lines_per_second": 2.5,
                "newest": "2026-11-21T11:59:59.9Z",
            },
            {"name": "db", "held_lines": 0, "lines_per_second": 0.0, "newest": None},
        ],
        runs=[
            run("job-1", "10:00:00", status="failed", exit_code=3, ended="2026-11-21T10:00:42.1Z"),
            run("job-2", "11:00:00"),
            run(
                "job-3",
                "11:30:00",
                status="killed",
                signal="SIGKILL",
                ended="2026-11-21T11:31:01Z",
            ),
        ],
    )
    assert sheet(found, URL, NOW).splitlines()[3:] == [
        "",
        "CHANNEL   HELD  LINES/S  NEWEST",
        "web      10000      2.5  1s ago",
        "db           0      0.0  -",
        "",
        "RUN    STATUS      EXIT  LINES  STARTED  LASTED",
        "job-3  killed   SIGKILL      3  30m ago  1m 1s",
        "job-2  running               3  1h ago   1h",
        "job-1  failed         3      3  2h ago   42s",
    ]


def test_of_runs_that_are_over_only_the_last_are_shown() -> None:
    """All that go on are."""
    ended = "2026-11-21T11:00:00Z"
    runs = [run(f"old-{number:02}", f"09:{number:02}:00", ended=ended) for number in range(30)]
    runs.append(run("going", "08:00:00"))
    shown = sheet(status(runs=runs), URL, NOW)
    rows = shown[shown.index("RUN ") :].splitlines()[1:]
    assert [row.split()[0] for row in rows] == [
        *(f"old-{number}" for number in range(29, 19, -1)),
        "going",
    ]


def test_many_readers_are_counted() -> None:
    """A source with thousands of files that cannot be read leaves room for the others."""
    readers = {f"/{number}": {"state": "unreadable", "detail": "no"} for number in range(7)}
    shown = sheet(status(sources=[source("a", "running", readers=readers)]), URL, NOW)
    notes = [line.strip() for line in shown.splitlines()[4:-2]]
    assert notes == [*(f"/{number}: unreadable, no" for number in range(5)), "and 2 more"]


def test_nothing_moves_the_cursor_of_a_terminal() -> None:
    """An error may hold what a program wrote; states are coloured where that is wanted."""
    wrong = source("a", "failing", last_error="\x1b[2J\n", last_error_at="2026-11-21T11:59:58Z")
    found = status(sources=[wrong])
    assert "�[2J� (2s ago)" in sheet(found, URL, NOW)
    assert "\x1b[31mfailing\x1b[0m" in sheet(found, URL, NOW, colour=True)
    assert "\x1b" not in sheet(found, URL, NOW)
