"""What a Lambda function's log says of its invocations."""

import json
from typing import Any

import pytest

from relay.sources.cloudwatch_events import Event
from relay.sources.cloudwatch_lambda import Invocations, is_lambda

NOW_MS = 1_795_255_350_000
A = "5f1e7c4a-7a10-4d57-9c1f-2f6f6c1f8a01"
B = "5f1e7c4a-7a10-4d57-9c1f-2f6f6c1f8a02"


def log(*rows: tuple[int, str, str]) -> list[Event]:
    """Return events: when (ms from the beginning), in which stream, and what."""
    return [(NOW_MS + at, 0, n, stream, text) for n, (at, stream, text) in enumerate(rows)]


def platform(kind: str, request: str, **record: Any) -> str:
    """Return a line of Lambda's JSON format."""
    said = {"time": "2026-11-21T09:47:30Z", "type": f"platform.{kind}"}
    return json.dumps({**said, "record": {"requestId": request, **record}})


def test_what_stands_between_start_and_report_is_the_requests() -> None:
    """Of each stream by itself."""
    requests, ends = Invocations().mark(
        log(
            (0, "x", "INIT_START Runtime Version: python:3.11\n"),
            (1, "x", f"START RequestId: {A} Version: $LATEST\n"),
            (2, "y", f"START RequestId: {B} Version: $LATEST\n"),
            (3, "x", "of a"),
            (4, "y", "of b"),
            (5, "x", f"END RequestId: {A}\n"),
            (6, "x", f"REPORT RequestId: {A}\tDuration: 5.00 ms\tBilled Duration: 6 ms\n"),
            (7, "x", "between two"),
        )
    )
    assert requests == [None, A, B, A, B, A, A, None]
    assert {index: (one.run, one.status, one.instance) for index, one in ends.items()} == {
        6: (A, "succeeded", "x")
    }
    assert ends[6].ended_ns == (NOW_MS + 6) * 1_000_000


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (f"REPORT RequestId: {A}\tDuration: 5 ms\n", "succeeded"),
        (f"REPORT RequestId: {A}\tDuration: 5 ms\tStatus: timeout\n", "timeout"),
        (
            f"REPORT RequestId: {A}\tDuration: 5 ms\tStatus: error\tError Type: Runtime.Exit\n",
            "failed",
        ),
        (platform("report", A, status="success", metrics={}), "succeeded"),
        (platform("report", A, status="error"), "failed"),
        (platform("report", A, status="failure"), "failed"),
        (platform("report", A, status="timeout"), "timeout"),
        (platform("report", A), "succeeded"),
    ],
)
def test_a_report_tells_how_its_request_ended(report: str, status: str) -> None:
    """In text, and in Lambda's JSON format."""
    _, ends = Invocations().mark(log((0, "x", report)))
    assert [one.status for one in ends.values()] == [status]


def test_lines_of_the_json_format_are_understood() -> None:
    """Those of the platform, and those of the function, which name their request."""
    requests, ends = Invocations().mark(
        log(
            (0, "x", json.dumps({"type": "platform.initStart", "record": {"phase": "init"}})),
            (1, "x", platform("start", A, version="$LATEST")),
            (2, "x", json.dumps({"level": "INFO", "message": "m", "requestId": A})),
            (3, "x", json.dumps({"level": "INFO", "message": "m", "AWSRequestId": B})),
            (4, "x", "plain"),
            (5, "x", platform("runtimeDone", A, status="success")),
            (6, "x", platform("report", A, status="success")),
        )
    )
    assert requests == [None, A, A, B, A, A, A]
    assert list(ends) == [6]


@pytest.mark.parametrize(
    "text",
    [
        f"[ERROR]\t2026-11-21T09:47:30.123Z\t{A}\twent wrong\n",
        f"2026-11-21T09:47:30.123Z\t{A}\tINFO\thello\n",
        f"[{A}] hello",
        f'{{"message":"m","requestId":"{A}"}}',
        f'{{"message":"m","aws_request_id" : "{A}"}}',
    ],
)
def test_a_line_that_names_its_request_is_of_it(text: str) -> None:
    """As the runtimes' loggers write it, also where the START was never seen."""
    assert Invocations().mark(log((0, "x", text)))[0] == [A]


@pytest.mark.parametrize(
    "text",
    [
        f"START RequestId: {A[:-1]} Version",
        f"the job {A} is no request",
        '{"type":"platform.start","record":5}',
        '{"type":"platform.start"',
        '{"type":5,"record":{"requestId":"platform."}}',
        '{"type":"platform.report","record":{"requestId":7}}',
    ],
)
def test_what_only_looks_like_it_names_none(text: str) -> None:
    """Nothing is guessed."""
    assert Invocations().mark(log((0, "x", text))) == ([None], {})


def test_a_line_that_comes_late_is_of_the_request_that_had_its_time() -> None:
    """After the report was read; what is newer is not."""
    invocations = Invocations()
    invocations.mark(
        log((0, "x", f"START RequestId: {A} Version: 1"), (9, "x", f"REPORT RequestId: {A}\tx"))
    )
    assert invocations.mark(log((5, "x", "late"), (10, "x", "new")))[0] == [A, None]


def test_a_report_that_comes_late_does_not_end_the_next_request() -> None:
    """Which its environment has begun by then."""
    invocations = Invocations()
    invocations.mark(log((0, "x", f"START RequestId: {B} Version: 1")))
    invocations.mark(log((1, "x", f"REPORT RequestId: {A}\tx")))
    assert invocations.mark(log((2, "x", "of b")))[0] == [B]


def test_what_an_earlier_life_knew_is_gone_on_with() -> None:
    """A relay that restarts in the midst of a request."""
    invocations = Invocations()
    invocations.resume("x", A)
    assert invocations.mark(log((2, "x", "of a")))[0] == [A]


def test_streams_that_are_silent_for_longest_are_forgotten() -> None:
    """Each environment has its stream: they are many, and none comes again."""
    invocations = Invocations()
    for number in range(10_001):
        invocations.resume(f"{number}", A)
    assert invocations.mark(log((0, "0", "x"), (0, "1", "y")))[0] == [None, A]


def test_log_groups_of_lambda_are_known_by_their_names() -> None:
    """Others must be said."""
    assert [is_lambda(name) for name in ("/aws/lambda/x", "/app", "aws/lambda/x")] == [
        True,
        False,
        False,
    ]
