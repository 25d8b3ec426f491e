"""What a forwarding Lambda brings."""

import base64
import gzip
import json
from typing import Any

import pytest

from relay.config.model import ChannelOptions
from relay.hub import Hub
from tests.building import batch
from tests.fakes.subscription import KEY, awslogs_event, control, event, payload
from tests.web.cloudwatch_pushed import messages, pushed

PATH = "/api/v1/push/awslogs/lambda-a"
BEARER = {"Authorization": f"Bearer {KEY}"}


async def post(served: Any, body: Any, headers: dict[str, str] = BEARER) -> tuple[int, Any]:
    """Send a body; return the status and what was answered."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with served.session.post(served.base + PATH, data=data, headers=headers) as response:
        return response.status, await response.json()


async def test_an_event_is_published(serve: Any) -> None:
    """The answer counts; what comes again is skipped."""
    served = await serve()
    async with pushed(served.hub):
        body = awslogs_event(payload(event(1, "one"), event(2, "two")))
        status, said = await post(served, body)
        last = served.hub.last_id
        assert (status, said) == (200, {"accepted": 2, "skipped": 0, "last_id": last})
        more = awslogs_event(payload(event(2, "two"), event(3, "three")))
        status, said = await post(served, more)
        assert said == {"accepted": 1, "skipped": 1, "last_id": served.hub.last_id}
        assert messages(served.hub) == ["one", "two", "three"]


async def test_lambda_lines_are_runs_here_too(serve: Any) -> None:
    """By the log group that the payload names."""
    served = await serve()
    request = "5f1e7c4a-7a10-4d57-9c1f-2f6f6c1f8a01"
    texts = [f"START RequestId: {request} Version: 1\n", "hello\n"]
    report = f"REPORT RequestId: {request}\tDuration: 1 ms\tStatus: error\tError Type: X\n"
    async with pushed(served.hub):
        await post(served, awslogs_event(payload(*[event(n, t) for n, t in enumerate(texts)])))
        assert served.hub.runs[request].status == "running"
        await post(served, awslogs_event(payload(event(3, report))))
        run = served.hub.runs[request]
        assert (run.status, run.lines, run.instance) == ("failed", 3, "a")


async def test_control_messages_are_acknowledged_and_dropped(serve: Any) -> None:
    """Nothing is published."""
    served = await serve()
    async with pushed(served.hub):
        status, said = await post(served, awslogs_event(control()))
        assert (status, said["accepted"], messages(served.hub)) == (200, 0, [])


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": KEY}])
async def test_a_wrong_key_is_refused(serve: Any, headers: dict[str, str]) -> None:
    """Before the body is read."""
    served = await serve()
    async with pushed(served.hub):
        assert await post(served, b"", headers) == (
            401,
            {
                "error": {
                    "code": "wrong_key",
                    "message": "authorization: expected Bearer and the access key",
                }
            },
        )


SHAPE = 'body: expected {"awslogs": {"data": …}} as CloudWatch Logs gives it to a Lambda'


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", SHAPE),
        ({"awslogs": []}, SHAPE),
        ({"awslogs": {"data": 5}}, "data: expected base64"),
        (
            {"awslogs": {"data": base64.b64encode(b"text").decode()}},
            "data: expected what a subscription of CloudWatch Logs sends",
        ),
        (awslogs_event({**payload(), "logEvents": 5}), "logEvents: expected a list"),
        (
            awslogs_event(payload({"id": "1", "timestamp": "now", "message": ""})),
            "logEvents: expected objects with id, timestamp in ms and message",
        ),
        (
            awslogs_event(payload({"id": "1", "timestamp": -1, "message": ""})),
            "logEvents: expected objects with id, timestamp in ms and message",
        ),
        (
            awslogs_event(payload(event(1, "in the year 2262", 9_223_372_036_854))),
            "logEvents: expected objects with id, timestamp in ms and message",
        ),
        (awslogs_event({**payload(), "logStream": None}), "logStream: expected a name"),
        (awslogs_event({**payload(), "logGroup": "x" * 513}), "logGroup: expected a name"),
    ],
)
async def test_what_is_no_event_is_refused(serve: Any, body: Any, sentence: str) -> None:
    """Nothing of it is published."""
    served = await serve()
    async with pushed(served.hub):
        status, said = await post(served, body)
        assert (status, said["error"]) == (400, {"code": "unreadable", "message": sentence})
        assert served.hub.channels.keys() == set()


async def test_a_body_that_is_too_large_is_refused(serve: Any) -> None:
    """As it came, and unpacked."""
    served = await serve()
    async with pushed(served.hub, max_body="4KiB"):
        assert (await post(served, b"x" * 5000))[1]["error"] == {
            "code": "too_large",
            "message": "body: expected at most 4096 bytes, got more",
        }
        bomb = base64.b64encode(gzip.compress(bytes(1 << 20))).decode()
        status, said = await post(served, {"awslogs": {"data": bomb}})
        assert (status, said["error"]["message"]) == (
            413,
            "data: expected at most 131072 bytes once unpacked, got more",
        )


async def test_a_wrong_channel_is_refused(serve: Any) -> None:
    """One that nothing takes, and what names none."""
    served = await serve()
    async with pushed(served.hub):
        base = served.base + "/api/v1/push/awslogs/"
        async with served.session.post(base + "web", headers=BEARER) as response:
            assert response.status == 403
            assert (await response.json())["error"]["code"] == "channel_not_allowed"
        async with served.session.post(base + "a%20b", headers=BEARER) as response:
            assert response.status == 400
            assert (await response.json())["error"]["code"] == "invalid_parameter"


async def test_while_the_relay_stops_the_lambda_is_to_come_again(serve: Any) -> None:
    """A 503: the Lambda fails, and is called again."""
    served = await serve()
    async with pushed(served.hub) as source:
        await source.stop()
        status, said = await post(served, awslogs_event(payload(event(1, "one"))))
        assert (status, said["error"]) == (
            503,
            {"code": "stopping", "message": "the relay is stopping"},
        )


async def test_no_room_for_a_channel_is_told(serve: Any) -> None:
    """A 429, as for other pushes."""
    served = await serve(hub=Hub(lambda name: ChannelOptions(), max_channels=1))
    await served.publish(batch("web", "x"))
    async with pushed(served.hub):
        status, said = await post(served, awslogs_event(payload(event(1, "one"))))
        assert (status, said["error"]["code"]) == (429, "channel_limit")
        assert said["error"]["message"] == "channel limit of 1 reached: 'lambda-a' not made"


async def test_jobs_that_lines_name_are_runs_here_too(serve: Any) -> None:
    """They end by a line, or when somebody says so."""
    served = await serve()
    named = r"job=(?P<run>\S+)"
    ends = named + r" exited with (?P<exit_code>\d+)"
    lines = ["job=j1 begins", "job=j2 begins", "nobody's", "job=j1 exited with 3"]
    async with pushed(served.hub, run_pattern=named, run_end_pattern=ends):
        events = [event(number, text) for number, text in enumerate(lines)]
        await post(served, awslogs_event(payload(*events, group="/app")))
        runs = served.hub.runs
        assert [(run.id, run.status, run.lines) for run in runs.values()] == [
            ("j1", "failed", 2),
            ("j2", "running", 1),
        ]
        path = served.base + "/api/v1/runs/j2/complete"
        async with served.session.post(path, json={"status": "succeeded"}) as response:
            assert (await response.json())["status"] == "succeeded"


async def test_a_name_of_its_own_makes_each_log_stream_a_run(serve: Any) -> None:
    """By a template, as where log groups are pulled."""
    served = await serve()
    async with pushed(served.hub, run="{name}.{log_stream}"):
        for stream in ("a", "b/1"):
            one = payload(event(1, "x"), group="/ecs/worker", stream=stream)
            one["logEvents"][0]["id"] += stream
            await post(served, awslogs_event(one))
        assert [*served.hub.runs] == ["worker.a", "worker.b-1"]
