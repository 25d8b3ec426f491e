"""Log groups that are read over the wire, from a server that misbehaves as it is told."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from relay.entry import Level
from relay.sources.cloudwatch_client import Clients, Connection
from relay.sources.cloudwatch_options import CloudwatchOptions
from relay.status import SourceState
from tests.fakes.aws_logs import Asked, FakeLogs, Refusal, until
from tests.fakes.moto import ACCESS_KEY, ACCOUNT
from tests.sources.cloudwatch_running import Running, environment
from tests.sources.committed import Committed

EXPIRED = Refusal("ExpiredTokenException", "The security token included in the request is expired")
TOO_MUCH = Refusal("ThrottlingException", "Rate exceeded")


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def fake() -> AsyncIterator[FakeLogs]:
    """Return a server that has nothing yet."""
    server = FakeLogs()
    await server.start()
    yield server
    await server.close()


def now_ms() -> int:
    """Return the present."""
    return time.time_ns() // 1_000_000


async def test_events_have_their_time_their_stream_and_their_level(fake: FakeLogs) -> None:
    """AWS's time, without the newline that most writers send along."""
    at = now_ms() - 5000
    fake.put("/app", "web/1", (at, "one\n"), (at + 1, '{"level":"ERROR","message":"x"}'))
    fake.put("/app", "web/2", (at, "two\r\n"), (at + 2, "a\nb\n"))
    async with Running(fake.url) as running:
        running.start()
        await until(lambda: len(running.entries()) == 4)
        entries = running.entries()
    assert [(e.message, e.origin.instance, e.timestamp_ns // 1_000_000 - at) for e in entries] == [
        ("one", "web/1", 0),
        ("two", "web/2", 0),
        ('{"level":"ERROR","message":"x"}', "web/1", 1),
        ("a\nb", "web/2", 2),
    ]
    assert [e.level for e in entries] == [Level.INFO, Level.INFO, Level.ERROR, Level.INFO]


async def test_a_long_event_comes_in_parts(fake: FakeLogs) -> None:
    """Not cut inside a character, and each with the event's time."""
    fake.put("/app", "a", (now_ms(), "é" * 200), (now_ms(), "short"))
    async with Running(fake.url) as running:
        running.start(max_line_bytes="256B")
        await until(lambda: len(running.entries()) == 3)
        assert [(e.message, e.part) for e in running.entries()] == [
            ("é" * 128, True),
            ("é" * 72, True),
            ("short", False),
        ]


async def test_pages_without_events_are_passed_over(fake: FakeLogs) -> None:
    """A page with nothing but a token is not the end."""
    fake.empty_pages, fake.page_size = 3, 2
    fake.put("/app", "a", *[(now_ms(), f"{n}") for n in range(5)])
    async with Running(fake.url) as running:
        running.start()
        await running.until_texts(["0", "1", "2", "3", "4"])


async def test_events_need_not_wait_for_the_last_page(fake: FakeLogs) -> None:
    """A filter may leave out most: thousands of pages then hold next to nothing."""
    fake.page_size = 1
    at = now_ms() - 5000
    fake.put("/app", "a", *[(at + n, f"{n}") for n in range(40)])
    async with Running(fake.url) as running:
        running.start(max_requests_per_second=15)
        await until(lambda: running.texts())
        assert len(fake.asked) < 30
        await running.until_texts([f"{n}" for n in range(40)])


async def test_events_of_one_poll_are_in_the_order_of_time(fake: FakeLogs) -> None:
    """Whatever the order of the streams, and over pages."""
    at, fake.page_size = now_ms() - 5000, 3
    for n in range(10):
        fake.put("/app", f"stream-{n % 3}", (at + 10 - n, f"{10 - n}"))
    async with Running(fake.url) as running:
        running.start()
        await running.until_texts([f"{n}" for n in range(1, 11)])


async def test_a_list_whose_token_is_lost_is_begun_again(fake: FakeLogs) -> None:
    """Nothing is lost, nothing repeated, and nobody is alarmed."""
    fake.page_size, fake.lost_tokens = 2, 2
    fake.put("/app", "a", *[(now_ms(), f"{n}") for n in range(9)])
    async with Running(fake.url) as running:
        running.start()
        await running.until_texts([f"{n}" for n in range(9)])
        assert running.statuses["aws"].last_error is None


async def test_halves_of_characters_are_replaced(fake: FakeLogs) -> None:
    """A program may write them in JSON; its event is not lost."""
    fake.put("/app", "a", (now_ms() + 1, "after"))
    fake.instead.append(
        b'{"events":[{"logStreamName":"a","timestamp":%d,"message":"x\\ud800y",'
        b'"ingestionTime":1,"eventId":"1"}]}' % now_ms()
    )
    async with Running(fake.url) as running:
        running.start()
        await running.until_texts(["x?y", "after"])


async def test_too_many_requests_are_a_status_and_then_go_on(fake: FakeLogs) -> None:
    """In AWS's own words; the next request waits."""
    fake.put("/app", "a", (now_ms(), "one"))
    fake.always = TOO_MUCH
    async with Running(fake.url) as running:
        running.start()
        status = running.statuses["aws"]
        await until(lambda: len(fake.asked) >= 3)
        assert status.last_error == "log group '/app': ThrottlingException: Rate exceeded"
        assert status.state is SourceState.FAILING
        row = status.readers["eu-central-1:/app"]
        assert row.state == "throttled"
        assert row.detail is not None
        assert row.detail.startswith(
            "log group '/app': ThrottlingException: Rate exceeded; tries again in "
        )
        assert fake.asked[1].at - fake.asked[0].at >= 0.25
        assert fake.asked[2].at - fake.asked[1].at >= 0.5
        fake.always = None
        await running.until_texts(["one"])
        await until(lambda: status.state is SourceState.RUNNING)
        assert status.readers["eu-central-1:/app"].state == "reading"


async def test_who_is_throttled_holds_all_of_the_account_back(fake: FakeLogs) -> None:
    """Else they would keep the account over its quota."""
    fake.put("/app", "a", (now_ms(), "one"))
    fake.put("/other", "a", (now_ms(), "one"))
    async with Running(fake.url) as running:
        running.start("one")
        running.start("two", log_group="/other")
        await until(lambda: running.texts("one") == running.texts("two") == ["one"])
        fake.instead.append(TOO_MUCH)
        await until(lambda: not fake.instead)
        count = len(fake.asked)
        await until(lambda: len(fake.asked) > count)
        # Refused once, so the first wait: at least a quarter of a second. One may be under way.
        await until(lambda: len(fake.asked) > count + 1)
        assert fake.asked[count + 1].at - fake.asked[count - 1].at >= 0.2


async def test_pages_are_not_begun_again_after_too_many_requests(fake: FakeLogs) -> None:
    """The request that was refused is made again, with its token."""
    fake.page_size = 2
    fake.put("/app", "a", *[(now_ms(), f"{n}") for n in range(6)])
    async with Running(fake.url) as running:
        running.start(max_requests_per_second=4)
        await until(lambda: len(fake.pages()) == 1)
        fake.instead.append(TOO_MUCH)
        await running.until_texts([f"{n}" for n in range(6)])
    tokens = [one.body.get("nextToken") for one in fake.pages()]
    assert tokens[:4] == [None, "1", "1", "2"]


async def test_a_source_that_is_refused_hurts_no_other(fake: FakeLogs) -> None:
    """Each has its own poller and its own row."""
    fake.put("/app", "a", (now_ms(), "one"))
    async with Running(fake.url) as running:
        running.start("aws", log_group=["/app", "/gone"])
        await running.until_texts(["one"])
        status = running.statuses["aws"]
        await until(lambda: "eu-central-1:/gone" in status.readers)
        assert status.readers["eu-central-1:/gone"].state == "missing"
        assert status.last_error == (
            "log group '/gone': ResourceNotFoundException: The specified log group does not exist."
        )
        await until(lambda: status.state is SourceState.RUNNING)
        fake.put("/gone", "a", (now_ms(), "two"))
        await running.until_texts(["one", "two"])


async def test_what_is_missing_is_asked_for_as_often_as_what_is_silent(fake: FakeLogs) -> None:
    """Its first lines must not wait for half a minute when it comes."""
    async with Running(fake.url) as running:
        running.start(log_group="/gone", poll_interval_max="400ms")
        await until(lambda: len(fake.asked) >= 9)
    gaps = [b.at - a.at for a, b in zip(fake.asked, fake.asked[1:], strict=False)]
    # It was a wait of half a second at first, doubled with each.
    assert min(gaps) >= 0.15
    assert sum(gaps) < 8 * 1.5


async def test_credentials_that_expire_are_looked_for_anew(
    fake: FakeLogs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever renews the file need not restart the relay; nothing is lost or repeated."""

    def write(key: str) -> None:
        file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = x\n")

    file = tmp_path / "credentials"
    write("OLD")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    fake.put("/app", "a", (now_ms(), "one"))
    async with Running(fake.url) as running:
        running.start()
        await running.until_texts(["one"])
        fake.always = EXPIRED
        status = running.statuses["aws"]
        await until(lambda: status.state is SourceState.FAILING)
        assert status.last_error == (
            "log group '/app': ExpiredTokenException: The security token included in the request "
            "is expired"
        )
        # Each try begins anew with what there is, and they become fewer.
        count = len(fake.asked)
        await until(lambda: len(fake.asked) >= count + 4)
        assert fake.asked[count + 3].at - fake.asked[count + 2].at >= 0.3
        write("NEW")
        fake.always = None
        fake.put("/app", "a", (now_ms(), "two"))
        await running.until_texts(["one", "two"])
        assert status.state is SourceState.RUNNING
    assert "Credential=OLD/" in fake.asked[0].authorization
    assert "Credential=NEW/" in fake.asked[-1].authorization


async def test_no_credentials_are_a_status(
    fake: FakeLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what can be done about it."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    async with Running(fake.url) as running:
        running.start()
        status = running.statuses["aws"]
        await until(lambda: status.last_error is not None)
        assert status.last_error == (
            "log group '/app': Unable to locate credentials; set `profile`, AWS_PROFILE or "
            "AWS_ACCESS_KEY_ID, or give this host a role"
        )


async def test_a_refused_signature_tells_nothing_secret(fake: FakeLogs) -> None:
    """AWS repeats the request that was signed, and a session token stands in it."""
    sentence = "The request signature we calculated does not match the signature you provided."
    request = "The Canonical String for this request should have been\n'POST\n/\n\n"
    fake.always = Refusal(
        "InvalidSignatureException", f"{sentence}\n\n{request}x-amz-security-token:TOKEN\n'", 403
    )
    async with Running(fake.url) as running:
        running.start()
        status = running.statuses["aws"]
        await until(lambda: status.last_error)
        expected = f"log group '/app': InvalidSignatureException: {sentence}"
        assert status.last_error == expected


async def test_no_region_is_a_status(fake: FakeLogs) -> None:
    """So is a profile that is not there."""
    async with Running(fake.url) as running:
        running.start("one", region=None)
        running.start("two", profile="nobody")
        one, two = running.statuses["one"], running.statuses["two"]
        await until(lambda: one.last_error and two.last_error)
        assert one.last_error == (
            'You must specify a region; set `region`, such as "eu-central-1", or AWS_REGION'
        )
        assert two.last_error == "The config profile (nobody) could not be found"


async def test_a_profile_tells_credentials_and_region(
    fake: FakeLogs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for AWS's own tools; it beats the environment."""
    file = tmp_path / "config"
    file.write_text(
        "[profile jobs]\nregion = us-east-2\n"
        "aws_access_key_id = OFJOBS\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    fake.put("/app", "a", (now_ms(), "one"))
    async with Running(fake.url) as running:
        running.start(profile="jobs", region=None)
        await running.until_texts(["one"])
        assert list(running.statuses["aws"].readers) == ["us-east-2:/app"]
    assert "Credential=OFJOBS/" in fake.asked[0].authorization
    assert "/us-east-2/logs/" in fake.asked[0].authorization


async def test_no_network_is_a_status_and_then_goes_on(fake: FakeLogs) -> None:
    """Nobody listens; later somebody does."""
    await fake.close()
    async with Running(fake.url) as running:
        running.start()
        status = running.statuses["aws"]
        await until(lambda: status.last_error is not None)
        assert status.last_error == (
            f"log group '/app': Could not connect to the endpoint URL: \"{fake.url}/\""
        )
        assert status.readers["eu-central-1:/app"].state == "unreachable"
        fake.put("/app", "a", (now_ms(), "one"))
        await fake.start()
        await running.until_texts(["one"])


@pytest.mark.parametrize("refusal", [TOO_MUCH, EXPIRED])
async def test_a_run_that_nobody_could_hear_is_not_silent(
    fake: FakeLogs, refusal: Refusal
) -> None:
    """AWS cannot be asked for longer than a run may be silent: it does not end by that."""
    fake.put("/app", "a", (now_ms(), "one"))
    async with Running(fake.url) as running:
        running.start(run="{log_stream}", run_timeout="1500ms")
        await running.until_texts(["one"])
        fake.always = refusal
        await asyncio.sleep(2.5)
        assert running.hub.runs["a"].status == "running"
        fake.put("/app", "a", (now_ms(), "two"))
        fake.always = None
        await running.until_texts(["one", "two"])
        assert running.hub.runs["a"].status == "running"
        await until(lambda: running.hub.runs["a"].status == "ended")


@pytest.mark.parametrize("groups", ["/app", "/ap*"])
async def test_a_run_of_a_log_group_that_is_gone_ends_by_silence(
    fake: FakeLogs, groups: str
) -> None:
    """Nothing of it comes any more."""
    fake.put("/app", "a", (now_ms(), "one"))
    async with Running(fake.url) as running:
        running.start(log_group=groups, run="{log_stream}", run_timeout="1s")
        await running.until_texts(["one"])
        del fake.groups["/app"]
        await until(lambda: running.hub.runs["a"].status == "ended", 10.0)


async def test_an_answer_that_is_no_json_is_a_status(fake: FakeLogs) -> None:
    """As a proxy on the way may give."""
    fake.put("/app", "a", (now_ms(), "one"))
    fake.instead.append(b"<html>hotel wifi</html>")
    async with Running(fake.url) as running:
        running.start()
        await running.until_texts(["one"])
        assert running.statuses["aws"].last_error == (
            "log group '/app': Expecting value: line 1 column 1 (char 0)"
        )


async def test_all_sources_of_an_account_keep_one_pace(fake: FakeLogs) -> None:
    """Requests are spread, and in no second are there more than the lowest rate."""
    for name in ("/a", "/b", "/c"):
        fake.put(name, "a", (now_ms(), "one"))
    async with Running(fake.url) as running:
        running.start("one", log_group=["/a", "/b"], max_requests_per_second=20)
        running.start("two", log_group="/c", max_requests_per_second=10)
        await until(lambda: len(fake.asked) >= 20)
    times = [one.at for one in fake.asked[5:]]
    # Sent evenly, they arrive as the machine lets them.
    assert all(later - time >= 0.9 for time, later in zip(times, times[11:], strict=False))


async def test_what_is_selected_is_asked_of_aws(fake: FakeLogs) -> None:
    """Streams, their prefix and the filter are passed on as they are."""
    fake.put("/app", "a", (now_ms(), "one"))
    async with Running(fake.url) as running:
        running.start("one", log_streams=["a", "b"], filter_pattern="{ $.level = ERROR }")
        await until(lambda: len(fake.asked) >= 1)
        running.start("two", log_streams="2026/*")
        await until(lambda: any("logStreamNamePrefix" in one.body for one in fake.asked))
    first, last = fake.asked[0].body, fake.asked[-1].body
    assert (first["logStreamNames"], first["filterPattern"]) == (["a", "b"], "{ $.level = ERROR }")
    assert (last.get("logStreamNamePrefix", "2026/"), first["logGroupName"]) == ("2026/", "/app")


async def test_a_glob_takes_in_groups_that_appear_later(fake: FakeLogs) -> None:
    """From their first event on; each in its own channel."""
    fake.put("/jobs/a", "s", (now_ms(), "one"))
    fake.put("/other", "s", (now_ms(), "no"))
    for n in range(3):
        fake.put(f"/jobs/a{n}", "s", (now_ms() - 86_400_000, "old"))
    async with Running(fake.url) as running:
        source = running.start(log_group="/jobs/*", channel="{name}")
        await running.until_texts(["one"], "a")
        fake.put("/jobs/b", "s", (now_ms(), "two"))
        await running.until_texts(["two"], "b")
        assert sorted(running.statuses["aws"].readers) == [
            f"eu-central-1:/jobs/{name}" for name in ("a", "a0", "a1", "a2", "b")
        ]
        assert source.feeds == {"a", "a0", "a1", "a2", "b"}
        del fake.groups["/jobs/b"]
        await until(lambda: "eu-central-1:/jobs/b" not in running.statuses["aws"].readers)
        assert source.feeds == {"a", "a0", "a1", "a2"}
        assert "other" not in running.hub.channels


async def test_a_group_that_a_list_leaves_out_is_read_on(fake: FakeLogs) -> None:
    """Whether it is gone its own reader is told."""
    fake.put("/jobs/a", "s", (now_ms(), "one"))
    async with Running(fake.url) as running:
        running.start(log_group="/jobs/*")
        await running.until_texts(["one"])
        poller = [task for task in asyncio.all_tasks() if "Poller.run" in repr(task)]
        fake.unlisted.add("/jobs/a")
        count = len(fake.asked)
        await until(lambda: _lists(fake.asked[count:]) >= 3)
        assert [task.done() for task in poller] == [False]
        fake.put("/jobs/a", "s", (now_ms(), "two"))
        await running.until_texts(["one", "two"])


def _lists(asked: list[Asked]) -> int:
    return sum(one.action == "DescribeLogGroups" for one in asked)


async def test_a_group_that_appeared_while_the_relay_was_away_is_new(fake: FakeLogs) -> None:
    """All of it is read; one that is there when its glob is new begins where `start` says."""
    store = Committed()
    fake.put("/jobs/a", "s", (now_ms() - 10_000, "old"))
    fake.put("/other/a", "s", (now_ms() - 10_000, "old"))
    keys: dict[str, Any] = {"start": "now", "channel": "{log_group}"}
    async with Running(fake.url, store) as running:
        running.start(log_group="/jobs/*", **keys)
        await until(lambda: ("aws", "eu-central-1:/jobs/*") in store.positions)
        await until(lambda: fake.pages())
    fake.put("/jobs/b", "s", (now_ms(), "first"))
    async with Running(fake.url, store) as running:
        running.start(log_group=["/jobs/*", "/other/*"], **keys)
        await running.until_texts(["first"], "jobs-b")
        await until(lambda: len(running.statuses["aws"].readers) == 3)
        fake.put("/other/a", "s", (now_ms() + 1, "new"))
        await running.until_texts(["new"], "other-a")
        assert running.texts("jobs-a") == []


async def test_log_groups_are_listed_as_often_as_polled_where_that_takes_little(
    fake: FakeLogs,
) -> None:
    """The first lines of a job may be those of its log group."""
    async with Running(fake.url) as running:
        running.start(log_group="/jobs/*", list_seconds=30.0)
        await until(lambda: len(fake.asked) >= 2)
        fake.put("/jobs/a", "s", (now_ms(), "one"))
        began = time.monotonic()
        await running.until_texts(["one"])
        assert time.monotonic() - began < 2.0


async def test_a_list_that_takes_long_is_not_soon_asked_for_again(fake: FakeLogs) -> None:
    """Requests are needed for polling."""
    for n in range(8):
        fake.put(f"/jobs/a{n}", "s", (now_ms(), "one"))
    async with Running(fake.url) as running:
        running.start(log_group="/jobs/*", list_seconds=30.0, max_requests_per_second=20)
        await until(lambda: _lists(fake.asked) > 4)
    listed = [one.at for one in fake.asked if one.action == "DescribeLogGroups"]
    # Four pages, the last three of which had to wait.
    assert listed[4] - listed[3] >= 4 * 0.13


async def test_an_arn_tells_region_and_account(fake: FakeLogs) -> None:
    """A group of another account is asked for by its ARN, one of our own by its name."""
    fake.put("/app", "a", (now_ms(), "one"))
    arn = "arn:aws:logs:us-west-2:{}:log-group:/app"
    async with Running(fake.url) as running:
        running.start("own", log_group=arn.format(ACCOUNT) + ":*")
        await running.until_texts(["one"], "own")
        assert "/us-west-2/logs/" in fake.asked[0].authorization
        assert f"Credential={ACCESS_KEY}/" in fake.asked[0].authorization
        assert fake.asked[0].body["logGroupName"] == "/app"
        assert list(running.statuses["own"].readers) == ["us-west-2:/app"]
        count = len(fake.asked)
        running.start("foreign", log_group=arn.format("210987654321"))
        await running.until_texts(["one"], "foreign")
        arns = [one.body.get("logGroupIdentifier") for one in fake.asked[count:]]
        assert arn.format("210987654321") in arns


async def test_a_glob_in_an_arn_is_listed_in_its_account(fake: FakeLogs) -> None:
    """Our own groups of these names are others."""
    fake.put("/jobs/a", "s", (now_ms(), "one"))
    arn = "arn:aws:logs:us-west-2:{}:log-group:/jobs/*"
    async with Running(fake.url) as running:
        running.start("own", log_group=arn.format(ACCOUNT))
        running.start("foreign", log_group=arn.format("210987654321"))
        await running.until_texts(["one"], "own")
        await running.until_texts(["one"], "foreign")
    listed = [one.body for one in fake.asked if one.action == "DescribeLogGroups"]
    own = {"logGroupNamePrefix": "/jobs/"}
    foreign = {**own, "accountIdentifiers": ["210987654321"], "includeLinkedAccounts": True}
    assert min(listed, key=len) == own
    assert max(listed, key=len) == foreign


async def test_it_begins_now_where_nothing_else_is_said(fake: FakeLogs) -> None:
    """What was there before is not read."""
    fake.put("/app", "a", (now_ms() - 10_000, "old"))
    async with Running(fake.url) as running:
        running.start(start="now")
        await until(lambda: len(fake.asked) >= 2)
        fake.put("/app", "a", (now_ms() + 1, "new"))
        await running.until_texts(["new"])


async def test_it_begins_where_it_is_said(fake: FakeLogs) -> None:
    """So long ago, or at a time: as text, or as TOML has it."""
    at = datetime(2026, 11, 21, 9, 47, tzinfo=UTC)
    time_ms = int(at.timestamp()) * 1000
    fake.put("/app", "a", (time_ms - 1, "old"), (time_ms, "at"), (now_ms() - 540_000, "ago"))
    async with Running(fake.url) as running:
        running.start("ago", start="10m")
        running.start("text", start="2026-11-21T09:47:00Z")
        running.start("toml", start=at)
        await running.until_texts(["ago"], "ago")
        await running.until_texts(["at", "ago"], "text")
        await running.until_texts(["at", "ago"], "toml")


async def test_now_is_by_awss_clock(fake: FakeLogs) -> None:
    """Ours is four minutes ahead: what is written from now on is read, nothing older."""
    fake.behind_seconds = 240
    fake.put("/app", "a", (now_ms() - 250_000, "old"))
    async with Running(fake.url) as running:
        running.start(start="now")
        await until(lambda: fake.asked)
        fake.put("/app", "a", (now_ms() - 240_000, "new"))
        await running.until_texts(["new"])


async def test_a_clock_that_is_ahead_costs_no_event(fake: FakeLogs) -> None:
    """AWS takes requests of a clock that is five minutes wrong; its answers tell the time."""
    fake.behind_seconds = 240
    theirs = now_ms() - 240_000
    fake.put("/app", "a", (theirs, "one"))
    async with Running(fake.url) as running:
        running.start(filter_pattern="x", lookback="30s")
        await running.until_texts(["one"])
        count = len(fake.asked)
        await until(lambda: len(fake.asked) >= count + 3)
        fake.put("/app", "a", (theirs - 500, "two"))
        await running.until_texts(["one", "two"])


async def test_a_clock_is_taken_to_be_ahead_by_as_much_as_it_may_be(fake: FakeLogs) -> None:
    """An answer's date has no fraction of a second: what it leaves out must not be lost."""
    fake.behind_seconds = 2.0
    fake.put("/app", "a", (now_ms(), "one"))
    clients = Clients(Connection("eu-central-1", endpoint_url=fake.url), None)
    client = await clients.of(None)
    await client.filter_log_events(logGroupName="/app", startTime=0)
    await clients.close()
    assert 2000 <= client.ahead_ms < 8000


@pytest.mark.parametrize("refused", [0, 1])
async def test_new_events_need_not_wait_until_old_ones_are_read_again(
    fake: FakeLogs, refused: int
) -> None:
    """Between the pages of a sweep the newest are asked for; if that is too much, it goes on."""
    fake.page_size = 5
    at = now_ms() - 60_000
    fake.put("/app", "a", *[(at + n, f"{n}") for n in range(100)], (now_ms(), "last"))
    async with Running(fake.url) as running:
        running.start(max_requests_per_second=20)
        await until(lambda: len(running.texts()) == 101)

        def sweeps() -> int:
            return sum(one.body["startTime"] < at and "nextToken" not in one.body for one in pages)

        pages = fake.asked
        await until(lambda: sweeps() == 2)
        count = len(pages)
        fake.refused_lists = refused
        fake.put("/app", "a", (now_ms(), "new"))
        await until(lambda: len(running.texts()) == 102)
        assert len(pages) - count < 15  # A sweep takes 21.
        await until(lambda: len(pages) - count > 25)
        assert (fake.refused_lists, sweeps()) == (0, 2)


async def test_the_interval_stretches_while_nothing_comes(fake: FakeLogs) -> None:
    """Requests cost, and others need them."""
    fake.put("/app", "a", (now_ms() - 10_000_000, "old"))
    async with Running(fake.url) as running:
        running.start(poll_interval="100ms", poll_interval_max="400ms")
        await until(lambda: len(fake.asked) >= 7)
    gaps = [b.at - a.at for a, b in zip(fake.asked, fake.asked[1:], strict=False)]
    # Sent at these times, they arrive as the machine lets them; the first had to connect.
    least = [0.13, 0.2, 0.3, 0.36, 0.36]
    assert [gap >= one for gap, one in zip(gaps[1:], least, strict=True)] == [True] * 5


async def test_a_channel_for_each_log_stream(fake: FakeLogs) -> None:
    """By a template; what such a channel may not be called becomes a dash."""
    fake.put("/app", "a/1", (now_ms(), "one"))
    fake.put("/app", "[b]", (now_ms(), "two"))
    async with Running(fake.url) as running:
        running.start(channel="{name}-{log_stream}")
        await running.until_texts(["one"], "app-a-1")
        await running.until_texts(["two"], "app--b-")


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            {"log_group": "a b"},
            (
                'the name of a log group such as "/aws/lambda/worker", a glob for names such as '
                '"/aws/lambda/*", or the ARN of a log group'
            ),
        ),
        (
            {"log_streams": ["a*", "b"]},
            'names of log streams, or one prefix such as "2026/11/*"',
        ),
        ({"log_streams": [str(n) for n in range(101)]}, "at most 100 of them"),
        ({"endpoint_url": "localhost"}, 'a URL such as "http://127.0.0.1:4566"'),
        (
            {"start": "yesterday"},
            (
                '"now", a time with its zone such as 2026-11-21T09:47:30Z, a date such as '
                "2026-11-21, seconds since the epoch, or how long ago such as 10m or 2h30m"
            ),
        ),
        (
            {"multiline": "python"},
            "no multiline: an event of CloudWatch Logs is an entry as it is",
        ),
        ({"encoding": "latin-1"}, "utf-8: CloudWatch Logs has no other"),
        ({"run": "{tenant}"}, "text in which {log_stream}, {log_group} and {name} may stand"),
        (
            {"run_end_pattern": "("},
            "a pattern (missing ): ()",
        ),
    ],
)
def test_a_key_that_cannot_be_used_is_told(keys: dict[str, object], sentence: str) -> None:
    """With what would have been right."""
    table = {"type": "cloudwatch", "log_group": "/app", **keys}
    with pytest.raises(ValidationError) as caught:
        CloudwatchOptions.model_validate(table)
    assert [str(one["ctx"]["error"]) for one in caught.value.errors()] == [sentence]


async def test_a_poller_that_is_cancelled_leaves_nothing(fake: FakeLogs) -> None:
    """No task, and no connection."""
    fake.put("/app", "a", (now_ms(), "one"))
    before = asyncio.all_tasks()
    async with Running(fake.url) as running:
        running.start(log_group=["/app", "/gone"])
        await running.until_texts(["one"])
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() - before if "cloudwatch" in repr(task)} == set()
