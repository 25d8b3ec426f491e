"""Live streams over a WebSocket, by a client that is aiohttp's own."""

import asyncio
import json
import random
import socket
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType

from relay.entry import Batch, Loss, Origin, Reason, RunEnded
from relay.status import SourceState, SourceStatus
from relay.web.keys import CONNECTIONS
from tests.building import batch
from tests.web.conftest import PATIENCE_SECONDS, Served

JOB = Origin("app", run="job")


async def open_socket(served: Served, path: str, **options: Any) -> ClientWebSocketResponse:
    client: ClientWebSocketResponse = await served.session.ws_connect(
        served.base + path, **options
    )
    return client


async def read(socket: ClientWebSocketResponse, count: int) -> list[Any]:
    """Return so many messages' JSON."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [json.loads(await socket.receive_str()) for _ in range(count)]


async def read_to_end(socket: ClientWebSocketResponse) -> list[Any]:
    """Return all messages' JSON until the relay closes."""
    objects = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for message in socket:
            assert message.type is WSMsgType.TEXT, message
            objects.append(json.loads(message.data))
    return objects


def kinds(objects: list[Any]) -> list[Any]:
    return [one.get("message", one["type"]) for one in objects]


@pytest.mark.parametrize(
    "path", ["/web/ws", "/ws", "/api/v1/logs/ws", "/api/v1/channels/web/logs/ws"]
)
async def test_history_then_live(serve: Any, path: str) -> None:
    """One sequence, with a hello before it, on every route."""
    served = await serve()
    first = await served.publish(batch("web", "a b"))
    async with await open_socket(served, path) as client:
        hello, *history = await read(client, 3)
        assert (hello["type"], hello["cursor"], hello["channels"]) == ("hello", first - 2, ["web"])
        await served.publish(batch("web", "c"))
        entries = history + await read(client, 1)
    assert kinds(entries) == ["a", "b", "c"]
    assert [one["seq"] for one in entries] == [1, 2, 3]


@pytest.mark.parametrize("path", ["/web/ws", "/api/v1/status/ws"])
async def test_nothing_is_compressed(serve: Any, path: str) -> None:
    """Whatever the client asks for: frames are shared, and a compressor costs 90 KB a client."""
    served = await serve()
    await served.publish(batch("web", ["x" * 10_000]))
    async with await open_socket(served, path, compress=15) as client:
        assert client.compress == 0
        await read(client, 1)


async def test_entries_as_arrays(serve: Any) -> None:
    """At most so many; everything else stays an object."""
    served = await serve()
    await served.publish(batch("web", "a b c d e"))
    async with await open_socket(served, "/web/ws?batch=2&follow=0") as client:
        hello, *arrays = await read_to_end(client)
    assert hello["type"] == "hello"
    assert [kinds(array) for array in arrays] == [["a", "b"], ["c", "d"], ["e"]]


async def test_resuming_gives_exactly_what_was_missed(serve: Any) -> None:
    """By ``after``; a cursor from another life is told."""
    served = await serve()
    first = await served.publish(batch("web", "a"))
    await served.publish(batch("web", "b c"))
    async with await open_socket(served, f"/web/ws?follow=0&tail=1&after={first}") as client:
        objects = await read_to_end(client)
        assert (kinds(objects), objects[0]["cursor"]) == (["hello", "b", "c"], first)
    assert client.close_code == 1000
    async with await open_socket(served, "/web/ws?follow=0&after=5") as client:
        objects = await read_to_end(client)
    assert kinds(objects) == ["hello", "gap", "a", "b", "c"]
    assert (objects[1]["reason"], objects[1]["id"]) == ("restart", 5)


async def test_gaps_and_losses_are_objects(serve: Any) -> None:
    """Evicted entries are counted; what a source lost is said."""
    served = await serve(lines=1)
    first = await served.publish(batch("web", "a"))
    for text in ("b", "c"):
        await served.publish(batch("web", text))
    await served.publish(Batch("app", "web", loss=Loss(Reason.SOURCE, None, 0)))
    async with await open_socket(served, f"/web/ws?follow=0&after={first}") as client:
        objects = await read_to_end(client)
    assert kinds(objects) == ["hello", "gap", "c", "gap"]
    assert (objects[1]["count"], objects[3]["count"]) == (1, None)


async def test_the_stream_of_a_run_ends_with_it(serve: Any) -> None:
    """With ``complete`` and 1000; who resumes after that is closed at once."""
    served = await serve()
    async with await open_socket(served, "/api/v1/runs/job/logs/ws") as client:
        await read(client, 1)
        await served.publish(batch("web", "a", JOB), batch("web", "other"))
        await served.publish(batch("web", "b", JOB, runs=(RunEnded("job", 9, "failed", 3),)))
        objects = await read_to_end(client)
        assert kinds(objects) == ["a", "b", "complete"]
        assert client.close_code == 1000
    path = f"/api/v1/runs/job/logs/ws?after={objects[-1]['id']}"
    async with await open_socket(served, path) as client:
        assert kinds(await read_to_end(client)) == ["hello"]
    assert client.close_code == 1000


async def test_a_heartbeat_carries_the_cursor(serve: Any) -> None:
    """So that a filtered reader never looks again at what it passed."""
    served = await serve(heartbeat_seconds=0.15)
    await served.publish(batch("web", "a"))
    async with await open_socket(served, "/web/ws?level=fatal") as client:
        await read(client, 1)
        last = await served.publish(batch("web", "b"))
        assert await read(client, 1) == [{"type": "cursor", "id": last}]


async def test_a_new_query_replaces_the_last(serve: Any) -> None:
    """Nothing of the old after its hello, nothing of the new before it."""
    served = await serve()
    await served.publish(batch("web", "w1"), batch("worker", "k1 k2 k3"))
    async with await open_socket(served, "/web/ws") as client:
        assert kinds(await read(client, 2)) == ["hello", "w1"]
        ref = {"n": [1, "ü"]}
        await client.send_json(
            {"type": "subscribe", "ref": ref, "channel": ["worker", "job*"], "tail": 2}
        )
        hello, *entries = await read(client, 3)
        assert (hello["type"], hello["ref"], hello["channels"]) == ("hello", ref, ["worker"])
        assert kinds(entries) == ["k2", "k3"]
        await served.publish(batch("web", "w2"), batch("worker", "k4"), batch("job-1", "j1"))
        assert kinds(await read(client, 2)) == ["k4", "j1"]
        await client.send_json({"type": "subscribe", "channel": "web", "after": entries[-1]["id"]})
        objects = await read(client, 2)
        assert kinds(objects) == ["hello", "w2"]
        assert "ref" not in objects[0]


async def test_a_query_without_after_starts_with_tail(serve: Any) -> None:
    """A hundred, as at the start."""
    served = await serve()
    await served.publish(batch("web", [str(number) for number in range(150)]))
    async with await open_socket(served, "/web/ws?tail=0") as client:
        assert kinds(await read(client, 1)) == ["hello"]
        await client.send_json({"type": "subscribe", "channel": "web", "q": None, "follow": False})
        objects = await read_to_end(client)
    assert kinds(objects) == ["hello", *[str(number) for number in range(50, 150)]]


async def test_the_boundary_holds_under_load(serve: Any) -> None:
    """Queries that follow each other closely while both channels are written."""
    served = await serve(lines=100_000)
    await served.publish(batch("a", "0"), batch("b", "0"))
    done = False

    async def write() -> None:
        while not done:
            await served.publish(batch("a", ["x" * 100] * 50), batch("b", ["y" * 100] * 50))
            await asyncio.sleep(0.002)

    writer = asyncio.create_task(write())
    async with await open_socket(served, "/a/ws?tail=0") as client:
        await client.receive()
        wanted, asked, answered = "a", 0, 0
        while answered < 50:
            if asked == answered:
                asked += 1
                channel = "ab"[asked % 2]
                await client.send_json(
                    {"type": "subscribe", "ref": asked, "channel": channel, "tail": 0}
                )
            one = json.loads(await asyncio.wait_for(client.receive_str(), PATIENCE_SECONDS))
            if one["type"] == "hello":
                answered += 1
                assert one["ref"] == answered
                wanted, last_seq = "ab"[answered % 2], None
            elif one["type"] == "log":
                assert one["channel"] == wanted
                assert answered == 0 or last_seq in (None, one["seq"] - 1)
                last_seq = one["seq"]
    done = True
    await writer


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("name", "value", "code", "error"),
    [
        (
            "tail",
            "many",
            4400,
            {
                "code": "invalid_parameter",
                "message": "tail: expected a whole number from 0 to 10000, got 'many'",
                "parameter": "tail",
                "allowed": "a whole number from 0 to 10000",
            },
        ),
        (
            "channel",
            "wed",
            4404,
            {
                "code": "unknown_channel",
                "message": "no channel 'wed'; did you mean 'web'?",
                "near": ["web"],
            },
        ),
    ],
)
async def test_a_wrong_query(
    serve: Any, late: bool, name: str, value: str, code: int, error: dict[str, Any]
) -> None:
    """An error object, then a close; on the first query as on a later one."""
    served = await serve()
    await served.publish(batch("web", "a"))
    expected = {"type": "error", **error}
    if late:
        client = await open_socket(served, "/api/v1/logs/ws?tail=0")
        await read(client, 1)
        await client.send_json({"type": "subscribe", "ref": "r1", name: value})
        expected["ref"] = "r1"
    else:
        client = await open_socket(served, f"/api/v1/logs/ws?{name}={value}")
    assert await read_to_end(client) == [expected]
    assert client.close_code == code


@pytest.mark.parametrize(
    ("said", "code", "reason", "sentence"),
    [
        ("[1]", 1008, "invalid_message", "expected a JSON object, got other JSON"),
        ("{}", 1008, "invalid_message", 'type: expected "subscribe", got null'),
        (
            '{"type":"unsubscribe"}',
            1008,
            "invalid_message",
            'type: expected "subscribe", got "unsubscribe"',
        ),
        (b"\0", 1003, "binary_message", "expected text, got a binary message"),
        (
            '{"type":"subscribe","q":"' + "x" * 65_536 + '"}',
            1009,
            "message_too_large",
            "expected at most 65536 bytes",
        ),
        ("x" * 3_000_000, 1009, "message_too_large", "expected at most 65536 bytes"),
        (
            '{"type":"subscribe","q":{"a":1}}',
            4400,
            "invalid_parameter",
            "q: expected text, a number, true or false, or a list of these, got '{\"a\":1}'",
        ),
    ],
)
async def test_nonsense_ends_its_own_conversation_alone(
    serve: Any, said: str | bytes, code: int, reason: str, sentence: str
) -> None:
    """With an error object, then a close; others go on."""
    served = await serve()
    async with await open_socket(served, "/ws") as other, await open_socket(served, "/ws") as bad:
        await read(other, 1)
        await read(bad, 1)
        await (bad.send_str(said) if isinstance(said, str) else bad.send_bytes(said))
        (error,) = await read_to_end(bad)
        assert (error["type"], error["code"], error["message"]) == ("error", reason, sentence)
        assert bad.close_code == code
        await served.connected(1)
        await served.publish(batch("web", "a"))
        assert kinds(await read(other, 1)) == ["a"]


async def test_text_that_is_no_json(serve: Any) -> None:
    """The error says where."""
    served = await serve()
    async with await open_socket(served, "/ws") as client:
        await client.send_str("hello?")
        _, error = await read_to_end(client)
    assert (client.close_code, error["code"]) == (1008, "invalid_message")
    assert error["message"].startswith("expected a JSON object, got none: ")


@pytest.mark.parametrize(
    ("frame", "code", "reason"),
    [
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007, "invalid_text"),
        (b"\xc1\x82\0\0\0\0ab", 1002, "protocol_error"),
        (b"\x83\x82\0\0\0\0ab", 1002, "protocol_error"),
    ],
)
async def test_broken_frames(serve: Any, frame: bytes, code: int, reason: str) -> None:
    """No UTF-8, compressed though that was not agreed on, an unknown kind."""
    served = await serve()
    async with await open_socket(served, "/ws") as client:
        await read(client, 1)
        client._writer.transport.write(frame)
        (error,) = await read_to_end(client)
    assert (client.close_code, error["code"]) == (code, reason)


async def test_pings_are_answered_between_bodies(serve: Any) -> None:
    """While a large body waits for a slow client too: a pong inside it would break it."""
    served = await serve(lines=100_000)
    await served.publish(batch("web", ["x" * 200_000] * 40))
    async with await open_socket(served, "/web/ws", max_msg_size=0) as client:
        for number in range(20):
            await client.ping(b"%d" % number)
        assert kinds(await read(client, 41))[1:] == ["x" * 200_000] * 40
    async with await open_socket(served, "/web/ws?tail=0", autoping=False) as client:
        await read(client, 1)
        await client.ping(b"abc")
        message = await asyncio.wait_for(client.receive(), PATIENCE_SECONDS)
        assert (message.type, message.data) == (WSMsgType.PONG, b"abc")


async def test_the_status_between_the_entries(serve: Any) -> None:
    """The whole after ``hello``, then changes; asked for anew, the whole again."""
    served = await serve()
    files = served.hub.sources["files"] = SourceStatus("files", "file")
    await served.publish(batch("web", "a"))
    async with await open_socket(served, "/web/ws?status=1&q=a") as client:
        hello, whole, entry = await read(client, 3)
        assert kinds([hello, entry]) == ["hello", "a"]
        assert (whole["type"], whole["whole"]) == ("status", True)
        files.enter(SourceState.FAILING)
        while "sources" not in (change := (await read(client, 1))[0]):
            assert change["type"] == "status"
        assert change["sources"][0]["state"] == "failing"
        await client.send_json({"type": "subscribe", "status": True, "tail": 0})
        while (one := (await read(client, 1))[0])["type"] != "hello":
            assert one["type"] == "status"
        assert (await read(client, 1))[0]["whole"] is True
        await client.send_json({"type": "subscribe", "tail": 0})
        while (one := (await read(client, 1))[0])["type"] != "hello":
            assert one["type"] == "status"
        await served.publish(batch("new", "b"))
        assert kinds(await read(client, 1)) == ["b"]


async def test_a_client_says_good_bye(serve: Any) -> None:
    """Its code comes back, and it is forgotten."""
    served = await serve()
    client = await open_socket(served, "/ws")
    await read(client, 1)
    await served.connected(1)
    assert await client.close(code=4001)
    assert client.close_code == 4001
    await served.connected(0)
    assert served.hub.subscriptions == []


async def test_stopping_gives_clients_what_is_left(serve: Any) -> None:
    """Then their cursor, then 1001."""
    served = await serve()
    await served.publish(batch("web", "a"))
    async with await open_socket(served, "/web/ws?level=fatal") as client:
        await read(client, 1)
        last = await served.publish(batch("web", "b"))
        served.app[CONNECTIONS].stop()
        assert await read_to_end(client) == [{"type": "cursor", "id": last}]
    assert client.close_code == 1001


async def test_a_foreign_origin_is_refused(serve: Any) -> None:
    """A page of another site must not read logs through a visitor's browser."""
    served = await serve()
    for path in ("/ws", "/web/ws", "/api/v1/logs/ws", "/api/v1/status/ws"):
        headers = {
            "Origin": "https://evil.example",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        status, body = await served.get(path, headers=headers)
        assert (status, body["error"]["code"]) == (403, "foreign_origin")


async def test_a_plain_request_is_told_to_upgrade(serve: Any) -> None:
    """As of curl or a browser's address line."""
    served = await serve()
    async with served.session.get(served.base + "/web/ws") as response:
        assert response.status == 426
        assert response.headers["Upgrade"] == "websocket"
        assert (await response.json())["error"] == {
            "code": "upgrade_required",
            "message": "/web/ws: expected a WebSocket",
        }


async def test_clients_share_what_is_rendered(serve: Any) -> None:
    """Frames of a block are built once for all clients of a query and batch."""
    served = await serve()
    await served.publish(batch("web", "start"))
    clients = [await open_socket(served, "/web/ws?tail=0") for _ in range(10)]
    clients += [await open_socket(served, "/web/ws?tail=0&batch=5") for _ in range(10)]
    await served.connected(20)
    renderings = served.renderings
    await served.publish(batch("web", ["a"]))
    for client in clients:
        await read(client, 2)
        await client.close()
    assert served.renderings - renderings == 2


async def test_a_client_that_never_reads_hurts_nobody(serve: Any) -> None:
    """It falls behind, others go on, and it is closed once it took nothing for too long."""
    served = await serve(lines=100_000, write_seconds=0.3)
    frozen = socket.create_connection(("127.0.0.1", served.port))
    frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    frozen.sendall(
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await served.connected(1)
    async with await open_socket(served, "/ws") as client:
        await served.connected(2)
        for number in range(300):
            await served.publish(batch("web", [f"{number} " + "x" * 1000] * 20))
        await served.publish(batch("web", "end"))
        assert kinds(await read(client, 6002))[-1] == "end"
        await served.connected(1)
    frozen.close()


async def test_a_pattern_that_turns_out_too_costly_ends_its_stream(serve: Any) -> None:
    """With an error object and 4400; nobody else is held up."""
    served = await serve()
    await served.publish(batch("web", "start"))
    choose = random.Random(1).choice
    hostile = ["".join(choose("ab") for _ in range(100)) for _ in range(3000)]
    path = "/web/ws?tail=0&regex=" + quote("(?:a?b?[ab]){92}c")
    async with await open_socket(served, path) as client:
        await read(client, 1)
        await served.publish(batch("web", hostile))
        (error,) = await read_to_end(client)
    assert (client.close_code, error["code"]) == (4400, "invalid_parameter")


async def test_what_cannot_be_echoed_is_nonsense(serve: Any) -> None:
    """JSON that is nested deeper than it could be written again."""
    served = await serve()
    deep = "[" * 300 + "]" * 300
    for path, message in (
        ("/ws", f'{{"type":"subscribe","ref":{deep}}}'),
        ("/ws", f'{{"type":{deep}}}'),
        ("/api/v1/status/ws", f'{{"type":{deep}}}'),
    ):
        async with served.session.ws_connect(served.base + path) as socket:
            await socket.receive(PATIENCE_SECONDS)
            await socket.send_str(message)
            async with asyncio.timeout(PATIENCE_SECONDS):
                told = [item async for item in socket]
            assert b"nested" in b"".join(item.data.encode() for item in told)
            assert socket.close_code == 1008
