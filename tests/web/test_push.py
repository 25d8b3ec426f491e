"""Pushing over HTTP: what is taken, what is refused, and what is answered."""

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from relay.entry import Batch, RunStarted
from relay.sources.push import PushOptions, PushSource
from relay.sources.supervisor import Supervisor
from relay.status import SourceStatus
from tests.web.conftest import PATIENCE_SECONDS, Served

Pushing = Callable[..., "asyncio.Future[Served]"]


@pytest.fixture
async def pushing(serve: Any) -> AsyncIterator[Any]:
    """Return a function that serves a hub with a push source."""
    tasks = []

    async def start(**options: Any) -> Served:
        served: Served = await serve()
        told = {"channels": ["web", "ci-*"]} | options
        made = PushOptions.model_validate({"type": "push"} | told)
        status = served.hub.sources["push"] = SourceStatus("push", "push")
        source = PushSource("push", made, status)
        source.connect(served.hub)
        tasks.append(asyncio.create_task(Supervisor(source, served.hub).run()))
        return served

    yield start
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def send(served: Served, path: str, body: Any, **options: Any) -> tuple[int, Any]:
    """Push, and return status and JSON."""
    async with served.session.post(served.base + path, data=body, **options) as response:
        return response.status, await response.json()


async def held(served: Served, channel: str = "web") -> list[dict[str, Any]]:
    """Return what a channel holds."""
    _, page = await served.get(f"/api/v1/channels/{channel}/logs")
    logs: list[dict[str, Any]] = page["logs"]
    return logs


async def messages(served: Served, channel: str = "web") -> list[str]:
    """Return the messages of a channel."""
    return [log["message"] for log in await held(served, channel)]


NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_lines_of_text(pushing: Pushing, method: str) -> None:
    """A body is lines; the last may go without its newline."""
    served = await pushing()
    async with served.session.request(
        method, served.base + "/web", data=b"one\r\n\nERROR three"
    ) as response:
        answer = await response.json()
    logs = await held(served)
    assert [(log["message"], log["level"]) for log in logs] == [
        ("one", "info"),
        ("", "info"),
        ("ERROR three", "error"),
    ]
    assert answer == {
        "accepted": 3,
        "rejected": 0,
        "skipped": 0,
        "errors": [],
        "last_id": logs[-1]["id"],
        "run": None,
        "offset": None,
    }
    assert served.hub.sources["push"].lines == 3


@pytest.mark.parametrize("way", ["query", "header"])
async def test_what_a_push_says_of_its_lines(pushing: Pushing, way: str) -> None:
    """Run, instance, stream and level by parameter or header."""
    served = await pushing()
    said = {"run": "job-1", "instance": "host a", "stream": "stderr", "level": "warn"}
    options = (
        {"params": said}
        if way == "query"
        else {"headers": {f"Relay-{name.title()}": value for name, value in said.items()}}
    )
    _, answer = await send(served, "/web", b"x\n", **options)
    (log,) = await held(served)
    assert {key: log[key] for key in said} == said
    assert (answer["run"], answer["offset"]) == ("job-1", 1)
    _, run = await served.get("/api/v1/runs/job-1")
    assert (run["status"], run["lines"], run["offset"]) == ("running", 1, 1)
    assert (run["source"], run["instance"]) == ("push", "host a")


async def test_ndjson(pushing: Pushing) -> None:
    """Good lines are kept with all that they say, bad ones are named."""
    served = await pushing()
    body = (
        b'{"message":"a\\nb","timestamp":1795255350.5,"level":"WARNING","fields":{"k":[1]}}\n'
        b"nonsense\n\n"
        b'{"message":7}\n'
        b'{"message":"c","stream":"stderr","run":"job-2","instance":"i","part":true}'
    )
    status, answer = await send(served, "/web", body, headers=NDJSON)
    assert (status, answer["accepted"], answer["rejected"]) == (200, 2, 2)
    assert answer["errors"] == [
        {"line": 2, "reason": "expected JSON, got 'nonsense'"},
        {"line": 4, "reason": "message: expected text, got 7"},
    ]
    first, second = await held(served)
    assert first["message"] == "a\nb"
    assert first["timestamp"] == "2026-11-21T10:02:30.500000000Z"
    assert (first["level"], first["fields"], first["stream"]) == ("warn", {"k": [1]}, "stdout")
    assert (second["level"], second["stream"], second["run"]) == ("error", "stderr", "job-2")
    assert (second["instance"], second["part"]) == ("i", True)
    assert served.hub.runs["job-2"].status == "running"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"message":"a"}', (200, ["a"])),
        (b'[{"message":"a"},\n {"message":"b"}]', (200, ["a", "b"])),
        (b"[]", (200, [])),
        (b'[{"message":"a"},1]', (200, ["a"])),
        (b'"a"', (400, [])),
        (b"{", (400, [])),
        (b"", (400, [])),
    ],
)
async def test_json(pushing: Pushing, body: bytes, wanted: Any) -> None:
    """A JSON body is one object or an array of them."""
    served = await pushing()
    await served.publish()
    headers = {"Content-Type": "application/json"}
    status, _ = await send(served, "/web", body, headers=headers)
    got = await messages(served) if "web" in served.hub.channels else []
    assert (status, got) == wanted


async def test_a_json_body_is_bounded(pushing: Pushing) -> None:
    """Since it has to be held whole."""
    served = await pushing()
    headers = {"Content-Type": "application/json"}
    status, answer = await send(
        served, "/web", io.BytesIO(b"[" + b" " * (1 << 20)), headers=headers
    )
    assert (status, answer["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize("length", [True, False])
async def test_bodies_with_a_length_are_bounded(pushing: Pushing, length: bool) -> None:
    """A streamed one may be as long as it likes."""
    served = await pushing(max_body="1KiB")
    body = b"x" * 99 + b"\n"

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield body

    status, answer = await send(served, "/web", body * 20 if length else pieces())
    if length:
        assert status == 413
        assert answer["error"]["message"] == (
            "body: expected at most 1024 bytes, got 2000 or more; send NDJSON or text without a "
            "length (chunked), or several pushes"
        )
        assert "web" not in served.hub.channels
    else:
        assert (status, answer["accepted"]) == (200, 20)


async def test_gzip(pushing: Pushing) -> None:
    """A compressed body is unpacked, and bounded unpacked."""
    served = await pushing(max_body="1KiB")
    headers = {"Content-Encoding": "gzip"}
    status, answer = await send(served, "/web", gzip.compress(b"a\nb\n"), headers=headers)
    assert (status, answer["accepted"]) == (200, 2)
    bomb = gzip.compress(b"x" * 99_999 + b"\n")
    assert len(bomb) < 1024
    status, answer = await send(served, "/web", bomb, headers=headers)
    assert (status, answer["error"]["code"]) == (413, "too_large")


async def test_a_body_that_is_no_gzip(pushing: Pushing, caplog: Any) -> None:
    """It is told, and no traceback is logged."""
    served = await pushing()
    headers = {"Content-Encoding": "gzip"}
    status, answer = await send(served, "/web", b"plain", headers=headers)
    assert (status, answer["error"]["code"]) == (400, "broken")
    assert answer["error"]["message"] == "body: can not decode content-encoding: gzip"
    assert not caplog.records


async def test_lines_are_visible_while_the_push_goes_on(pushing: Pushing) -> None:
    """An endless body's lines come at once, an unfinished line after a second, as a part."""
    served = await pushing()
    await send(served, "/web", b"zero\n")
    seen = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one\ntwo"
        await seen.wait()
        yield b"!\n"

    pushed = asyncio.create_task(send(served, "/web", pieces()))
    async with served.session.get(served.base + "/web/json") as stream:
        await served.read_until(stream, b'"message":"one"')
        assert b'"part":true,"message":"two"' in await served.read_until(stream, b'"two"')
        assert not pushed.done()
        seen.set()
    _, answer = await pushed
    assert answer["accepted"] == 3
    assert await messages(served) == ["zero", "one", "two", "!"]


async def test_a_push_that_breaks_off_publishes_whole_lines_only(pushing: Pushing) -> None:
    """What has no newline is not the whole of a line."""
    served = await pushing()
    await send(served, "/web", b"zero\n")
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(
        b"POST /web?run=r HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\none\ntw"
    )
    async with served.session.get(served.base + "/web/raw") as stream:
        await served.read_until(stream, b"one\n")
        writer.close()
        await send(served, "/web", b"next\n")
        await served.read_until(stream, b"next\n")
    assert await messages(served) == ["zero", "one", "next"]
    _, run = await served.get("/api/v1/runs/r")
    assert run["offset"] == 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/other", 403, "channel_not_allowed"),
        ("/raw", 405, "method_not_allowed"),
        ("/-web", 400, "invalid_parameter"),
        ("/web?run=%2F", 400, "invalid_parameter"),
        ("/web?instance=", 400, "invalid_parameter"),
        ("/web?stream=out", 400, "invalid_parameter"),
        ("/web?level=bad", 400, "invalid_parameter"),
        ("/web?offset=-1", 400, "invalid_parameter"),
        ("/web?chanel=x", 400, "invalid_parameter"),
    ],
)
async def test_what_is_refused(pushing: Pushing, path: str, status: int, code: str) -> None:
    """Each with its status and code, and nothing is published."""
    served = await pushing()
    got, answer = await send(served, path, b"x\n")
    assert (got, answer["error"]["code"]) == (status, code)
    assert not served.hub.channels


@pytest.mark.parametrize(
    "type_", ["multipart/form-data; boundary=x", "text/plain; charset=utf-16"]
)
async def test_bodies_that_are_no_lines(pushing: Pushing, type_: str) -> None:
    """What cannot be read as lines of UTF-8 is not taken for them."""
    served = await pushing()
    status, answer = await send(served, "/web", b"x\n", headers={"Content-Type": type_})
    assert (status, answer["error"]["code"]) == (415, "unsupported_type")


async def test_a_channel_that_is_not_allowed_is_told_what_is(pushing: Pushing) -> None:
    """The sentence names the globs."""
    served = await pushing()
    _, answer = await send(served, "/other", b"x\n")
    assert answer["error"] == {
        "code": "channel_not_allowed",
        "message": "channel: expected one that a push source allows (web, ci-*), got 'other'",
        "allowed": ["web", "ci-*"],
    }
    status, _ = await send(served, "/ci-7", b"x\n")
    assert status == 200


async def test_no_more_channels_than_there_may_be(pushing: Pushing) -> None:
    """The push is refused before anything is published."""
    served = await pushing()
    served.hub._max_channels = 1
    await send(served, "/ci-1", b"x\n")
    status, answer = await send(served, "/ci-2", b"x\n")
    assert (status, answer["error"]["code"]) == (429, "channel_limit")
    assert list(served.hub.channels) == ["ci-1"]


async def test_without_a_push_source(serve: Any) -> None:
    """The refusal says what to configure."""
    served = await serve()
    status, answer = await send(served, "/web", b"x\n")
    assert status == 403
    assert answer["error"] == {
        "code": "push_disabled",
        "message": 'no source takes pushes; add [sources.push] with type = "push" and channels = '
        '["web"] to the configuration',
    }


async def test_a_page_of_another_site_cannot_push(pushing: Pushing) -> None:
    """Neither lines nor the end of a run."""
    served = await pushing()
    await send(served, "/web?run=r", b"x\n")
    for path in ("/web", "/api/v1/runs/r/complete"):
        status, answer = await send(served, path, b"", headers={"Origin": "http://evil.example"})
        assert (status, answer["error"]["code"]) == (403, "foreign_origin")
    assert served.hub.runs["r"].ending_id is None


async def test_lines_that_the_relay_has_are_skipped_and_holes_are_gaps(pushing: Pushing) -> None:
    """By the number of lines that the client says it sent before."""
    served = await pushing()
    await send(served, "/web?run=r", b"0\n1\n2\n")
    _, answer = await send(served, "/web?run=r&offset=1", b"1\n2\n3\n")
    assert (answer["accepted"], answer["skipped"], answer["offset"]) == (1, 2, 4)
    _, answer = await send(served, "/web?run=r", b"9\n", headers={"Relay-Offset": "9"})
    assert (answer["accepted"], answer["skipped"], answer["offset"]) == (1, 0, 10)
    _, page = await served.get("/api/v1/channels/web/logs?after=0")
    assert [log["message"] for log in page["logs"]] == ["0", "1", "2", "3", "9"]
    assert [
        (gap["reason"], gap["count"]) for gap in page["gaps"] if gap["reason"] == "source"
    ] == [("source", 5)]


UNFINISHED = b"POST /web?run=r HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"


async def test_lines_of_text_become_entries(pushing: Pushing) -> None:
    """By ``multiline``; the lines of the last are counted when it is given out."""
    served = await pushing(multiline="indent", encoding="latin-1")
    _, answer = await send(served, "/web?run=r", b"caf\xe9\n a\n b\ntwo\n c")
    assert (answer["accepted"], answer["offset"]) == (2, 5)
    assert await messages(served) == ["café\n a\n b", "two\n c"]


async def test_an_entry_is_resumed_at_its_first_line(pushing: Pushing) -> None:
    """While it is held a newer push that has its lines takes over; nothing is repeated."""
    served = await pushing(multiline={"rule": "indent"})
    _, older = await asyncio.open_connection("127.0.0.1", served.port)
    older.write(UNFINISHED + b"one\ntwo\n a\n")
    async with served.session.get(served.base + "/web/raw?tail=10") as stream:
        await served.read_until(stream, b"one\n")
    _, answer = await send(served, "/web?run=r&offset=1", b"two\n a\n b\nend\n")
    older.close()
    assert answer["offset"] == 5
    assert "\n".join(await messages(served)) == "one\ntwo\n a\n b\nend"


async def test_whole_lines_of_a_push_that_breaks_off_are_published(pushing: Pushing) -> None:
    """Also those of an entry that might have gone on."""
    served = await pushing(multiline="indent")
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(UNFINISHED + b"one\ntwo\n a\n b")
    async with served.session.get(served.base + "/web/raw?tail=10") as stream:
        await served.read_until(stream, b"one\n")
        writer.close()
        await served.read_until(stream, b"two\n a\n")
    assert await messages(served) == ["one", "two\n a"]
    _, run = await served.get("/api/v1/runs/r")
    assert run["offset"] == 3


def test_pushes_are_counted_by_a_newline_of_one_byte() -> None:
    """UTF-16 has none."""
    with pytest.raises(ValidationError, match="an encoding whose newline is one byte"):
        PushOptions.model_validate({"type": "push", "channels": "web", "encoding": "utf-16"})


async def test_refused_and_blank_lines_are_counted(pushing: Pushing) -> None:
    """The offset is of lines as they were sent; errors name lines of the body."""
    served = await pushing()
    await send(served, "/web?run=r", b'{"message":"0"}\n\nbad\n', headers=NDJSON)
    _, answer = await send(
        served, "/web?run=r&offset=2", b'bad\n{"message":"3"}\nworse', headers=NDJSON
    )
    assert (answer["accepted"], answer["skipped"], answer["offset"]) == (1, 1, 5)
    assert answer["errors"] == [{"line": 3, "reason": "expected JSON, got 'worse'"}]
    assert await messages(served) == ["0", "3"]


async def test_a_newer_push_ends_an_older_one_of_its_run(pushing: Pushing) -> None:
    """The old connection may be dead without the relay's knowing."""
    served = await pushing()
    resumed = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"0\n1\n"
        await resumed.wait()
        yield b"2\n"

    old = asyncio.create_task(send(served, "/web?run=r&offset=0", pieces()))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "r" not in served.hub.runs or served.hub.runs["r"].offset != 2:
            await asyncio.sleep(0.005)
    _, answer = await send(served, "/web?run=r&offset=1", b"1\n2\n")
    assert (answer["accepted"], answer["skipped"]) == (1, 1)
    resumed.set()
    status, answer = await old
    assert (status, answer["error"]["code"]) == (409, "superseded")
    assert await messages(served) == ["0", "1", "2"]


async def test_completing_a_run(pushing: Pushing) -> None:
    """It ends once, and a push of its name opens it again."""
    served = await pushing()
    await send(served, "/web?run=r", b"x\n")
    path = "/api/v1/runs/r/complete"
    status, run = await send(served, path, b'{"exit_code":3}')
    assert (status, run["status"], run["exit_code"]) == (200, "failed", 3)
    _, again = await send(served, path, b'{"status":"succeeded"}')
    assert again == run
    await send(served, "/web?run=r&offset=0", b"new\n")
    assert served.hub.runs["r"].status == "running"
    assert await messages(served) == ["x", "new"]
    _, run = await send(served, path, b"")
    assert (run["status"], run["exit_code"]) == ("ended", None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[", "body: expected a JSON object with status, exit_code, signal, got '['"),
        (b'{"exitcode":1}', "exitcode: expected a known key, perhaps 'exit_code', got '1'"),
        (b'{"exit_code":"1"}', "exit_code: expected a whole number, got '1'"),
        (
            b'{"status":"a b"}',
            "status: expected a word of at most 64 letters, digits, '.', '_', ':', '-', got 'a b'",
        ),
    ],
)
async def test_endings_that_cannot_be_read(pushing: Pushing, body: bytes, message: str) -> None:
    """The run goes on."""
    served = await pushing()
    await send(served, "/web?run=r", b"x\n")
    status, answer = await send(served, "/api/v1/runs/r/complete", body)
    assert (status, answer["error"]["message"]) == (400, message)
    assert served.hub.runs["r"].ending_id is None


async def test_a_run_that_is_not_there(pushing: Pushing) -> None:
    """Near names are told."""
    served = await pushing()
    await send(served, "/web?run=job-1", b"x\n")
    status, answer = await send(served, "/api/v1/runs/job-2/complete", b"")
    assert (status, answer["error"]["code"]) == (404, "unknown_run")
    assert answer["error"]["message"] == "no run 'job-2'; did you mean 'job-1'?"


async def test_a_run_of_another_source_is_not_for_pushes(pushing: Pushing) -> None:
    """Neither its lines nor its end."""
    served = await pushing()
    await served.publish(Batch("worker", "web", runs=(RunStarted("w", 1),)))
    for path in ("/web?run=w", "/api/v1/runs/w/complete"):
        status, answer = await send(served, path, b"")
        assert (status, answer["error"]["code"]) == (409, "run_taken")


async def test_a_push_under_way_feeds_its_channel(pushing: Pushing) -> None:
    """However silent it is, its channel is not forgotten; when it is over, it may be."""
    served = await pushing()
    source = served.hub.inlets["push"]
    assert isinstance(source, PushSource)
    over = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"one\n"
        await over.wait()

    pushed = asyncio.create_task(send(served, "/web", body()))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "web" not in source.feeds:
            await asyncio.sleep(0.005)
        over.set()
        await pushed
    assert source.feeds == set()


async def test_a_flood_of_bad_lines_holds_nobody_up(pushing: Pushing) -> None:
    """A few KiB that unpack to a million bad lines are counted in turns."""
    served = await pushing()
    body = gzip.compress(b"1\n{\n" * 200_000)
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    pushed = asyncio.create_task(send(served, "/web", body, headers=headers))
    loop, slowest = asyncio.get_running_loop(), 0.0
    while not pushed.done():
        began = loop.time()
        assert (await served.get("/healthz"))[0] == 200
        slowest = max(slowest, loop.time() - began)
    status, answer = await pushed
    assert (status, answer["rejected"], len(answer["errors"])) == (200, 400_000, 10)
    assert slowest < 1.0


async def test_an_ended_run_that_comes_again_is_counted_anew(pushing: Pushing) -> None:
    """Once, however many bring it: lines are neither skipped nor repeated."""
    served = await pushing()
    path = "/web?run=job&offset=0"
    await send(served, path, "a\nb\n")
    async with served.session.post(served.base + "/api/v1/runs/job/complete", json={}) as ended:
        assert ended.status == 200
    both = await asyncio.gather(send(served, path, "A\nB\n"), send(served, path, "A\nB\n"))
    assert sum(answer["accepted"] for status, answer in both if status == 200) == 2
    assert await messages(served) == ["a", "b", "A", "B"]


async def test_a_line_cannot_enter_a_run_of_another_source(pushing: Pushing) -> None:
    """It is refused, and the others are kept."""
    served = await pushing()
    await served.publish(Batch("worker", "work", runs=(RunStarted("worker.1", 1),)))
    body = b'{"message":"mine"}\n{"message":"forged","run":"worker.1"}\n'
    headers = {"Content-Type": "application/x-ndjson"}
    status, answer = await send(served, "/web", body, headers=headers)
    assert (status, answer["accepted"], answer["rejected"]) == (200, 1, 1)
    assert "worker.1" in answer["errors"][0]["reason"]
    assert await messages(served) == ["mine"]


async def test_secrets_are_masked_in_fields_and_instances(pushing: Pushing) -> None:
    """Also where only the key says that a value is one."""
    served = await pushing(redact=["aws", "bearer", "email"])
    secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
    line = {"message": "m", "secret_access_key": secret, "instance": "alice@example.org"}
    headers = {"Content-Type": "application/x-ndjson"}
    await send(served, "/web", orjson.dumps(line), headers=headers)
    (entry,) = await held(served)
    assert entry["fields"] == {"secret_access_key": "***"}
    assert entry["instance"] == "***"
