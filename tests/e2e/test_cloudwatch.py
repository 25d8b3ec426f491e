"""Log groups of a real AWS-compatible server, read by the real relay."""

import json
import random
import signal
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Relay, StartRelay
from tests.fakes.moto import Moto
from tests.fakes.subscription import awslogs_event, event, payload
from tests.sources.cloudwatch_running import environment

GROUP = "/aws/lambda/worker"

EVENTS = 50_000
STREAMS = 20
LIVES = 6
"""Of the relay: all but the last end by a kill."""

LATE_MS = 6000
"""How old an event may be when it is written."""

WRITING_SECONDS = 25.0


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    """Return a server for the tests of this module."""
    server = Moto()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)


def table(moto: Moto, group: str | list[str], more: str = "") -> str:
    """Return a source's table."""
    return f"""
[sources.aws]
type = "cloudwatch"
log_group = {json.dumps(group)}
region = "eu-central-1"
endpoint_url = "{moto.url}"
max_requests_per_second = 100
{more}
"""


class Writer(threading.Thread):
    """Writes numbered events to many streams, and keeps its own record."""

    def __init__(self, moto: Moto, group: str, seed: int) -> None:
        super().__init__()
        self._moto = moto
        self._group = group
        self._random = random.Random(seed)
        self.written: list[str] = []

    def run(self) -> None:
        """Write bursts of the same millisecond, late ones, and ones out of order."""
        began, number = time.monotonic(), 0
        while number < EVENTS:
            count = min(self._random.choice([1, 20, 200, 600]), EVENTS - number)
            now_ms = time.time_ns() // 1_000_000
            late_ms = self._random.choice([0, 0, 0, 300, 2500, LATE_MS])
            times = [now_ms - late_ms] * count
            if self._random.random() < 0.5:
                times = sorted(now_ms - self._random.randrange(late_ms + 50) for _ in times)
            texts = [f"event {number + n:06d}" for n in range(count)]
            stream = f"stream-{self._random.randrange(STREAMS):02d}"
            self._moto.put(self._group, stream, list(zip(times, texts, strict=True)))
            self.written += texts
            number += count
            due = began + WRITING_SECONDS * number / EVENTS
            time.sleep(max(0.0, due - time.monotonic()))


def messages(relay: Relay) -> list[str]:
    """Return all that the relay has of a channel."""
    url = f"{relay.url}api/v1/channels/aws/logs/download?format=ndjson"
    with urllib.request.urlopen(url, timeout=60) as response:
        return [json.loads(line)["message"] for line in response]


def seq(relay: Relay) -> int:
    """Return how many lines a channel has had."""
    channels: list[dict[str, Any]] = relay.get("/api/v1/channels")["channels"]
    return max((one["last_seq"] for one in channels if one["name"] == "aws"), default=0)


def test_no_event_is_lost_and_none_repeated_whatever_happens(
    moto: Moto, start_relay: StartRelay, tmp_path: Path
) -> None:
    """50,000 events over 20 streams, in bursts and late, and a relay that is killed five times."""
    moto.create(GROUP, *[f"stream-{n:02d}" for n in range(STREAMS)])
    config = f"""
[state]
directory = "{tmp_path / "state"}"
[channel]
archive = true
"""
    config += table(moto, GROUP, 'start = "1m"\nlookback = "10s"\nlambda_lines = false')
    writer = Writer(moto, GROUP, seed=7)
    chance = random.Random(7)
    writer.start()
    for _ in range(LIVES - 1):
        relay = start_relay(config)
        time.sleep(chance.uniform(1.5, 4.5))
        relay.process.kill()
        relay.process.wait()
    relay = start_relay(config)
    writer.join()
    relay.wait(lambda: seq(relay) >= EVENTS, 60)
    # What comes twice comes with the next polls.
    polled = relay.get("/api/v1/status")
    time.sleep(2.0)
    read = Counter(messages(relay))
    lost = set(writer.written) - read.keys()
    repeated = {text: count for text, count in read.items() if count > 1}
    assert (len(writer.written), len(lost), repeated) == (EVENTS, 0, {})
    assert read.keys() == set(writer.written)
    assert polled["sources"][0]["last_error"] is None


def test_the_first_line_of_a_job_appears_within_two_seconds(
    moto: Moto, start_relay: StartRelay
) -> None:
    """
    After a silence, in which the interval has stretched to what it may.

    The first lines come from a log stream that is there, the last from a new log group.
    """
    moto.create("/quiet", "a")
    relay = start_relay(table(moto, ["/quiet", "/fresh/*"]))
    relay.wait(
        lambda: "eu-central-1:/quiet" in relay.get("/api/v1/status")["sources"][0]["readers"]
    )
    delays = []
    for number in range(4):
        time.sleep(2.5 + 0.3 * number)
        group = "/quiet" if number < 3 else "/fresh/a"
        if number == 3:
            moto.create(group, "a")
        began = time.monotonic()
        moto.put(group, "a", [(time.time_ns() // 1_000_000, f"line {number}")])
        while seq(relay) <= number:
            time.sleep(0.02)
            assert time.monotonic() < began + 20
        delays.append(time.monotonic() - began)
    assert max(delays) < 2.0, delays


def test_an_invocation_is_a_run_that_ends_with_its_report(
    moto: Moto, start_relay: StartRelay
) -> None:
    """With its status, and one job's stream shows that job alone and then ends."""
    moto.create("/aws/lambda/shell", "2026/11/21/[$LATEST]aa")
    relay = start_relay(table(moto, "/aws/lambda/shell", 'start = "1m"'))
    request = "5f1e7c4a-7a10-4d57-9c1f-2f6f6c1f8a01"
    at = time.time_ns() // 1_000_000
    lines = [
        f"START RequestId: {request} Version: $LATEST\n",
        "plain words of the function\n",
        f"[ERROR]\t2026-11-21T09:47:30.123Z\t{request}\tit went wrong\n",
        f"END RequestId: {request}\n",
        f"REPORT RequestId: {request}\tDuration: 3000.00 ms\tStatus: timeout\n",
    ]
    events = [(at + n, text) for n, text in enumerate(lines)]
    moto.put("/aws/lambda/shell", "2026/11/21/[$LATEST]aa", events)
    relay.wait(lambda: relay.get("/api/v1/runs")["runs"])
    url = f"{relay.url}api/v1/runs/{request}/logs/stream?format=ndjson&tail=10"
    with urllib.request.urlopen(url, timeout=20) as response:
        objects = [json.loads(line) for line in response]
    logs = [one for one in objects if one["type"] == "log"]
    assert [one["message"] for one in logs] == [text.strip() for text in lines]
    assert [one["level"] for one in logs] == ["info", "info", "error", "info", "info"]
    assert [one["instance"] for one in logs] == ["2026/11/21/[$LATEST]aa"] * 5
    assert (objects[-1]["type"], objects[-1]["status"]) == ("complete", "timeout")


def test_an_invocation_goes_on_though_the_relay_is_killed(
    moto: Moto, start_relay: StartRelay, tmp_path: Path
) -> None:
    """Lines that name no request are of the one that was under way before; it ends once."""
    group, stream = "/aws/lambda/killed", "2026/11/21/[$LATEST]aa"
    moto.create(group, stream)
    state = f'[state]\ndirectory = "{tmp_path / "state"}"\n'
    config = state + table(moto, group, 'start = "1m"')
    request = "5f1e7c4a-7a10-4d57-9c1f-2f6f6c1f8a02"
    at = time.time_ns() // 1_000_000
    moto.put(group, stream, [(at, f"START RequestId: {request} Version: 1"), (at + 1, "before")])
    relay = start_relay(config)
    relay.wait(lambda: seq(relay) == 2)
    relay.stop(signal.SIGKILL)
    moto.put(group, stream, [(at + 2, "meanwhile")])
    relay = start_relay(config)
    relay.wait(lambda: seq(relay) == 3)
    moto.put(group, stream, [(at + 3, f"REPORT RequestId: {request}\tStatus: error")])
    url = f"{relay.url}api/v1/runs/{request}/logs/stream?format=ndjson&tail=10"
    with urllib.request.urlopen(url, timeout=20) as response:
        objects = [json.loads(line) for line in response]
    assert [(one["type"], one.get("message", one.get("status"))) for one in objects[1:]] == [
        ("log", f"START RequestId: {request} Version: 1"),
        ("log", "before"),
        ("log", "meanwhile"),
        ("log", f"REPORT RequestId: {request}\tStatus: error"),
        ("complete", "failed"),
    ]


def test_jobs_that_lines_name_are_runs_in_channels_of_their_tenants(
    moto: Moto, start_relay: StartRelay
) -> None:
    """They end by a pattern, by silence, or by whoever knows."""
    moto.create("/jobs", "a", "b")
    relay = start_relay(
        table(
            moto,
            "/jobs",
            r"""
start = "1m"
run_pattern = 'tenant=(?P<tenant>\w+) job=(?P<run>\S+)'
run_end_pattern = 'exited with (?P<exit_code>\d+)'
run_timeout = "4s"
channel = "jobs-{tenant}"
""",
        )
    )
    at = time.time_ns() // 1_000_000
    moto.put("/jobs", "a", [(at, "tenant=acme job=j-1 begins"), (at + 1, "tenant=acme job=j-2 x")])
    moto.put("/jobs", "b", [(at, "tenant=acme job=j-3 x"), (at + 2, "who knows")])
    moto.put("/jobs", "a", [(at + 5, "tenant=acme job=j-1 exited with 3")])

    def ended(name: str) -> Any:
        runs = {run["id"]: run for run in relay.get("/api/v1/runs")["runs"]}
        return name in runs and runs[name]["ended"] and runs[name]

    assert relay.wait(lambda: ended("j-1"))["exit_code"] == 3
    request = urllib.request.Request(
        f"{relay.url}api/v1/runs/j-2/complete", b'{"status":"succeeded"}', method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert json.load(response)["status"] == "succeeded"
    assert relay.wait(lambda: ended("j-3"))["status"] == "ended"
    assert [ended(name)["status"] for name in ("j-1", "j-2", "j-3")] == [
        "failed",
        "succeeded",
        "ended",
    ]
    page = relay.get("/api/v1/runs/j-1/logs")
    assert [one["message"] for one in page["logs"]] == [
        "tenant=acme job=j-1 begins",
        "tenant=acme job=j-1 exited with 3",
    ]
    assert {one["channel"] for one in page["logs"]} == {"jobs-acme"}
    # A newer line of a name that has ended begins it again.
    moto.put("/jobs", "a", [(time.time_ns() // 1_000_000, "tenant=acme job=j-1 again")])
    relay.wait(lambda: not ended("j-1"))


def test_a_filter_is_aws_own(moto: Moto, start_relay: StartRelay) -> None:
    """What does not match never comes."""
    moto.create("/filtered", "a")
    at = time.time_ns() // 1_000_000
    moto.put("/filtered", "a", [(at, "job-41 x"), (at, "job-42 x"), (at + 1, "job-42 y")])
    relay = start_relay(table(moto, "/filtered", "start = '1m'\nfilter_pattern = '\"job-42\"'"))
    relay.wait(lambda: seq(relay) >= 2)
    assert messages(relay) == ["job-42 x", "job-42 y"]


class Deliverer(threading.Thread):
    """Delivers numbered events as AWS does: again and again until it is told that they came."""

    def __init__(self, events: int) -> None:
        super().__init__()
        self._count = events
        self.url = ""
        self.delivered: list[str] = []
        self.repeats = 0

    def run(self) -> None:
        """Deliver 50 at a time; now and then what was acknowledged, too."""
        for start in range(0, self._count, 50):
            numbers = range(start, start + 50)
            events = [event(n, f"event {n:05d}", time.time_ns() // 1_000_000) for n in numbers]
            body = json.dumps(awslogs_event(payload(*events))).encode()
            while not self._is_taken(body):
                self.repeats += 1
                time.sleep(0.05)
            if start % 500 == 0:
                self._is_taken(body)
                self.repeats += 1
            self.delivered += [one["message"] for one in events]
            time.sleep(0.01)

    def _is_taken(self, body: bytes) -> bool:
        try:
            with urllib.request.urlopen(self.url, body, timeout=10) as response:
                return bool(response.status == 200)
        except OSError:
            return False


def test_pushes_are_taken_once_though_the_relay_is_killed(
    start_relay: StartRelay, tmp_path: Path
) -> None:
    """10,000 events; whatever was not acknowledged is delivered again."""
    config = f"""
[state]
directory = "{tmp_path / "state"}"
[channel]
archive = true
[sources.push]
type = "cloudwatch-push"
channels = "aws"
"""
    deliverer = Deliverer(10_000)
    chance = random.Random(3)
    for life in range(4):
        relay = start_relay(config)
        deliverer.url = f"{relay.url}api/v1/push/awslogs/aws"
        if not life:
            deliverer.start()
        if life < 3:
            time.sleep(chance.uniform(0.5, 1.5))
            relay.process.kill()
            relay.process.wait()
    deliverer.join()
    read = messages(relay)
    assert (len(read), sorted(read)) == (10_000, deliverer.delivered)
    assert deliverer.repeats >= 20
