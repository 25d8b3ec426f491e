"""Bodies that are read whole: how many there may be at once."""

import asyncio
import json
from typing import Any

from relay.web.bodies import BODIES
from tests.fakes.aws_logs import until
from tests.fakes.subscription import KEY, Firehose, awslogs_event, event, packed, payload
from tests.web.cloudwatch_pushed import messages, pushed

FIREHOSE, AWSLOGS = "/api/v1/push/firehose/lambda-a", "/api/v1/push/awslogs/lambda-a"
BEARER = {"Authorization": f"Bearer {KEY}"}


async def unfinished(port: int, size: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send so many bytes of a body that has more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {AWSLOGS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
    writer.write(f"{head}Content-Length: {size + 1}\r\n\r\n".encode() + b"x" * size)
    return reader, writer


async def test_what_has_no_room_beside_others_is_to_come_again(serve: Any) -> None:
    """A 503 by either way; when others are done, or have left, there is room."""
    served = await serve()
    one = payload(event(1, "one"))
    async with pushed(served.hub, max_body="1KiB"):
        others = [await unfinished(served.port, 1000) for _ in range(4)]
        await until(lambda: served.app[BODIES].held_bytes == 4000)
        firehose = Firehose(served.session, served.base + FIREHOSE)
        sentence = "body: all that are on their way have 4096 bytes; come again"
        status, said = await firehose.deliver("id-1", [packed(one)])
        assert (status, said["requestId"], said["errorMessage"]) == (503, "id-1", sentence)
        body = json.dumps(awslogs_event(one))
        async with served.session.post(
            served.base + AWSLOGS, data=body, headers=BEARER
        ) as response:
            assert response.status == 503
            assert (await response.json())["error"] == {"code": "busy", "message": sentence}
        others.pop()[1].close()
        await until(lambda: served.app[BODIES].held_bytes == 3000)
        assert (await firehose.deliver("id-1", [packed(one)]))[0] == 200
        for _, writer in others:
            writer.close()
        await until(lambda: served.app[BODIES].held_bytes == 0)
        assert messages(served.hub) == ["one"]


async def test_who_sends_nothing_any_more_holds_no_room(serve: Any) -> None:
    """Its connection may be there for hours."""
    served = await serve()
    served.app[BODIES].silent_seconds = 0.05
    async with pushed(served.hub, max_body="1KiB"):
        reader, writer = await unfinished(served.port, 1000)
        async with asyncio.timeout(5):
            answered = await reader.read()
        writer.close()
        assert answered.startswith(b"HTTP/1.1 400 ")
        assert served.app[BODIES].held_bytes == 0
