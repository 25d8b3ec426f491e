"""Firehose's HTTP endpoint protocol."""

import asyncio
import gzip
import json
import logging
from typing import Any

import pytest

from relay.errors import ChannelLimitError
from tests.fakes.subscription import KEY, Firehose, control, event, packed, payload
from tests.web.cloudwatch_pushed import messages, pushed

PATH = "/api/v1/push/firehose/lambda-a"


async def test_a_delivery_is_published_and_its_id_is_echoed(serve: Any) -> None:
    """With AWS's times, and each log stream as an instance."""
    served = await serve()
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + PATH)
        records = [
            packed(payload(event(1, "one\n", 1_795_255_350_001), event(2, "two"))),
            packed(payload(event(3, "three"), stream="b")),
        ]
        status, said = await firehose.deliver("id-1", records)
        assert (status, said["requestId"], "errorMessage" in said) == (200, "id-1", False)
        assert messages(served.hub) == ["two", "one", "three"]
        _, page = await served.get("/api/v1/channels/lambda-a/logs")
    assert [(one["instance"], one["timestamp"], one["source"]) for one in page["logs"]] == [
        ("a", "2026-11-21T10:02:30.000000000Z", "aws"),
        ("a", "2026-11-21T10:02:30.001000000Z", "aws"),
        ("b", "2026-11-21T10:02:30.000000000Z", "aws"),
    ]


async def test_a_delivery_that_is_repeated_is_acknowledged_and_dropped(serve: Any) -> None:
    """Also where its events come in another delivery, with others."""
    served = await serve()
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + PATH)
        first = packed(payload(event(1, "one"), event(2, "two")))
        for _ in range(3):
            assert (await firehose.deliver("id-1", [first]))[0] == 200
        more = packed(payload(event(2, "two"), event(3, "three")))
        assert (await firehose.deliver("id-2", [first, more, more]))[0] == 200
        assert messages(served.hub) == ["one", "two", "three"]


async def test_control_messages_are_acknowledged_and_dropped(serve: Any) -> None:
    """CloudWatch Logs looks whether its destination is there."""
    served = await serve()
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + PATH)
        assert (await firehose.deliver("id-1", [packed(control())]))[0] == 200
        assert (await firehose.deliver("id-2", []))[0] == 200
        assert messages(served.hub) == []


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(
            packed(payload(event(1, "one"))) + packed(payload(event(2, "two"))), id="gzip files"
        ),
        pytest.param(
            gzip.compress(2 * json.dumps(payload(event(1, "one"), event(2, "two"))).encode()),
            id="JSON behind JSON",
        ),
        pytest.param(
            json.dumps(payload(event(1, "one"), event(2, "two"))).encode(), id="unpacked"
        ),
        pytest.param(b"one\ntwo\n", id="text"),
        pytest.param(gzip.compress(b"one\r\ntwo"), id="packed text"),
    ],
)
async def test_what_firehose_may_make_of_records_is_understood(serve: Any, record: bytes) -> None:
    """It can unpack them, take the messages out of them, and put several behind one another."""
    served = await serve()
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + PATH)
        for _ in range(2):
            assert (await firehose.deliver("id-1", [record]))[0] == 200
        assert messages(served.hub) == ["one", "two"]


async def test_equal_texts_of_two_deliveries_are_both_taken(serve: Any) -> None:
    """Text has no ids: that of its delivery tells whether it was repeated."""
    served = await serve()
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + PATH)
        assert (await firehose.deliver("id-1", [b"x", b"x"]))[0] == 200
        assert (await firehose.deliver("id-2", [b"x"]))[0] == 200
        assert messages(served.hub) == ["x", "x", "x"]


async def test_a_packed_body_is_unpacked(serve: Any) -> None:
    """As the stream's content encoding may be."""
    served = await serve()
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + PATH)
        assert (await firehose.deliver("1", [packed(payload(event(1, "one")))], pack=True))[
            0
        ] == 200
        assert messages(served.hub) == ["one"]


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "!", "schlüssel"])
async def test_a_wrong_key_is_refused_and_never_shown(
    serve: Any, key: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither what came nor what was expected stands in an answer or a log."""
    served = await serve()
    caplog.set_level(logging.DEBUG)
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + PATH, key)
        status, said = await firehose.deliver("id-1", [packed(payload(event(1, "one")))])
        assert status == 401
        assert said["errorMessage"] == (
            "x-amz-firehose-access-key: expected the access key of this endpoint"
        )
        assert served.hub.channels.keys() == set()
    assert KEY not in caplog.text + json.dumps(said)
    assert not key or key not in caplog.text + json.dumps(said)


async def test_without_a_key_in_the_configuration_all_are_let_in(serve: Any) -> None:
    """As for other pushes."""
    served = await serve()
    async with pushed(served.hub, access_key=None):
        firehose = Firehose(served.session, served.base + PATH, None)
        assert (await firehose.deliver("1", [packed(payload(event(1, "one")))]))[0] == 200


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "body: expected a JSON object with requestId and records"),
        (b"[]", "body: expected a JSON object with requestId and records"),
        (b'{"records":[]}', "requestId: expected text, got None"),
        (
            b'{"requestId":"id-2","records":[]}',
            "requestId: expected that of the header, 'id-1', got 'id-2'",
        ),
        (b'{"requestId":"id-1"}', "records: expected a list of at most 10000"),
        (b'{"requestId":"id-1","records":[5]}', "records[0]: data: expected base64"),
        (
            b'{"requestId":"id-1","records":[{"data":"*"}]}',
            "records[0]: data: expected base64",
        ),
        (
            b'{"requestId":"id-1","records":[{"data":"H4sI"}]}',
            "records[0]: data: expected all of a gzip file, got its beginning",
        ),
        (
            b'{"requestId":"id-1","records":[{"data":"H4sIAAAAAAAC////////////"}]}',
            "records[0]: data: expected gzip as it was packed, got broken bytes",
        ),
    ],
)
async def test_a_body_that_is_none_of_firehoses_is_refused(
    serve: Any, body: bytes, sentence: str
) -> None:
    """In Firehose's form, which shows the sentence in its own log."""
    served = await serve()
    async with pushed(served.hub):
        status, said = await Firehose(served.session, served.base + PATH).send(body, "id-1")
        assert (status, said["requestId"], said["errorMessage"]) == (400, "id-1", sentence)


async def test_a_delivery_may_be_many_times_as_large_once_unpacked(serve: Any) -> None:
    """Lines that are much alike are packed well; what is refused for its size is lost."""
    served = await serve()
    async with pushed(served.hub, max_body="16KiB"):
        firehose = Firehose(served.session, served.base + PATH)
        texts = [
            event(n, f"INFO handled request {n} of /api/v1/items in {n} ms") for n in range(1000)
        ]
        records = [packed(payload(*texts[n : n + 500])) for n in (0, 500)]
        assert sum(map(len, records)) * 10 < 1000 * 150
        assert (await firehose.deliver("id-1", records))[0] == 200
        assert len(messages(served.hub)) == 1000


async def test_a_record_that_cannot_be_read_keeps_no_other_back(serve: Any) -> None:
    """Firehose sends the whole again and again, and gives it up at last."""
    served = await serve()
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + PATH)
        one, three = packed(payload(event(1, "one"))), packed(payload(event(3, "three")))
        for _ in range(2):
            status, said = await firehose.deliver("id-1", [one, b"\x1f\x8b", three, b"\x1f\x8b"])
            assert (status, said["errorMessage"]) == (
                400,
                "records[1]: data: expected all of a gzip file, got its beginning",
            )
        assert messages(served.hub) == ["one", "three"]


async def test_too_many_events_of_a_record_are_refused(serve: Any) -> None:
    """They would take memory; of what else came none is kept back."""
    served = await serve()
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + PATH)
        one = packed(payload(event(1, "one")))
        many = gzip.compress(json.dumps(payload()).encode()[:-2] + b'{"timestamp":1},' * 500_001)
        for record in (many, b"\n" * 500_001):
            status, said = await firehose.deliver("id-1", [record, one])
            assert (status, said["errorMessage"]) == (
                413,
                "records[0]: logEvents: expected at most 500000 in a record, got 500001",
            )
        assert messages(served.hub) == ["one"]


async def test_a_refusal_is_logged_with_the_id_of_its_delivery(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Firehose's own log has it, too."""
    served = await serve()
    async with pushed(served.hub):
        await Firehose(served.session, served.base + PATH).send(b"", "id-1")
    sentence = "body: expected a JSON object with requestId and records"
    assert [one.getMessage() for one in caplog.records] == [
        f"delivery 'id-1' of Firehose is refused with 400: {sentence}"
    ]


async def test_an_id_that_is_no_text_is_echoed_as_far_as_it_can_be(serve: Any) -> None:
    """JSON has no other bytes."""
    served = await serve()
    async with pushed(served.hub):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
            + b"X-Amz-Firehose-Request-Id: id-\xe9\r\n\r\n"
        )
        answered = await reader.read()
        writer.close()
    assert answered.startswith(b"HTTP/1.1 401 ")
    assert json.loads(answered.partition(b"\r\n\r\n")[2])["requestId"] == "id-?"


async def test_another_version_of_the_protocol_is_refused(serve: Any) -> None:
    """Nobody knows what it means."""
    served = await serve()
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + PATH)
        status, said = await firehose.deliver("1", [], X_Amz_Firehose_Protocol_Version="2.0")
        assert (status, said["errorMessage"]) == (
            400,
            "x-amz-firehose-protocol-version: expected 1.0, got '2.0'",
        )


async def test_a_body_that_is_too_large_is_refused_for_good(serve: Any) -> None:
    """A 413 is what Firehose does not send again: packed, unpacked, and in its records."""
    served = await serve()
    async with pushed(served.hub, max_body="16KiB"):
        firehose = Firehose(served.session, served.base + PATH)
        for pack in (False, True):
            status, said = await firehose.deliver("id-1", [b"x" * 20_000], pack=pack)
            assert (status, said["requestId"], said["errorMessage"]) == (
                413,
                "id-1",
                "body: expected at most 16384 bytes, got more",
            )
        status, said = await firehose.deliver("id-1", [gzip.compress(b"x" * 600_000)])
        assert (status, said["errorMessage"]) == (
            413,
            "records[0]: data: expected at most 524288 bytes once unpacked, got more",
        )


async def test_a_body_that_is_not_packed_as_it_says_is_refused(serve: Any) -> None:
    """And its connection is closed."""
    served = await serve()
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + PATH)
        status, said = await firehose.send(b"no gzip", "id-1", Content_Encoding="gzip")
        assert (status, said["errorMessage"]) == (
            400,
            "body: cannot be read to its end: broken off, or not packed as its header says",
        )


async def test_a_channel_that_nothing_takes_is_refused(serve: Any) -> None:
    """With what would be taken, or what to add."""
    served = await serve()
    async with pushed(served.hub):
        firehose = Firehose(served.session, served.base + "/api/v1/push/firehose/web")
        assert await refused(firehose) == (
            403,
            "channel: expected one that a source allows (lambda-*), got 'web'",
        )
    served.hub.record_inlets.clear()
    assert await refused(firehose) == (
        403,
        (
            "no source takes pushes of CloudWatch Logs; add [sources.aws] with type = "
            '"cloudwatch-push" and channels = ["web"] to the configuration'
        ),
    )


async def refused(firehose: Firehose) -> tuple[int, str]:
    """Return how a delivery is refused."""
    status, said = await firehose.deliver("id-1", [])
    return status, said["errorMessage"]


async def test_no_room_for_a_channel_is_tried_again_by_firehose(serve: Any) -> None:
    """A 429, in its form."""
    served = await serve()
    async with pushed(served.hub) as source:

        def full(channels: Any) -> None:
            raise ChannelLimitError(1, list(channels))

        source.hub = type("Full", (), {"admit": staticmethod(full)})()
        firehose = Firehose(served.session, served.base + PATH)
        assert await refused(firehose) == (429, "channel limit of 1 reached: 'lambda-a' not made")


async def test_while_the_relay_stops_firehose_is_told_to_come_again(serve: Any) -> None:
    """A 503: the delivery is not lost."""
    served = await serve()
    async with pushed(served.hub) as source:
        await source.stop()
        firehose = Firehose(served.session, served.base + PATH)
        status, said = await firehose.deliver("id-1", [packed(payload(event(1, "one")))])
        assert (status, said["errorMessage"]) == (503, "the relay is stopping")
