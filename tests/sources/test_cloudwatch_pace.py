"""How fast AWS is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.model import ChannelOptions
from relay.hub import Hub
from relay.sources.cloudwatch_groups import Group, Wanted, parse_group
from relay.sources.cloudwatch_pace import Pace, account_of, pace_of, quota_of
from relay.sources.cloudwatch_poller import Backoff, Interval


@given(
    st.floats(0.5, 50),
    st.lists(st.floats(0, 3), min_size=1, max_size=80),
)
def test_in_no_second_are_there_more_than_the_rate(rate: float, pauses: list[float]) -> None:
    """However they come; and nobody waits without a reason."""
    pace, now, slots = Pace(rate), 0.0, list[float]()
    for pause in pauses:
        now += pause
        slots.append(pace.reserve(now))
        assert slots[-1] >= now
        assert slots[-1] == now or slots[-1] - slots[-2] <= 1 / rate + 1e-9
    for number, slot in enumerate(slots):
        assert sum(slot <= later < slot + 1 for later in slots[number:]) <= rate + 1


def test_a_pace_that_is_held_back_goes_on_afterwards() -> None:
    """Evenly, as before."""
    pace = Pace(10)
    pace.hold(5.0)
    assert [round(pace.reserve(1.0), 3) for _ in range(3)] == [5.0, 5.1, 5.2]
    assert pace.reserve(9.0) == 9.0


def test_sources_of_an_account_in_a_region_have_one_pace() -> None:
    """The lowest rate counts; another account, region or server has its own."""
    hub, other = (Hub(lambda name: ChannelOptions()) for _ in range(2))
    pace = pace_of(hub, "1", "eu-central-1", "", 8.0)
    assert pace_of(hub, "1", "eu-central-1", "", 2.0) is pace
    assert pace.per_second == 2.0
    assert pace_of(hub, "1", "eu-central-1", "", 4.0).per_second == 2.0
    others = [
        pace_of(hub, "2", "eu-central-1", "", 8.0),
        pace_of(hub, "1", "us-east-1", "", 8.0),
        pace_of(hub, "1", "eu-central-1", "http://x", 8.0),
        pace_of(other, "1", "eu-central-1", "", 8.0),
    ]
    assert {one.per_second for one in others} == {8.0}


@pytest.mark.parametrize(
    ("region", "rate"), [("eu-central-1", 4.0), ("us-east-1", 20.0), ("eu-west-1", 8.0)]
)
def test_the_usual_rate_lies_below_the_regions_quota(region: str, rate: float) -> None:
    """Others of the account need some of it."""
    assert quota_of(region) == rate


@pytest.mark.parametrize(
    ("key", "account"),
    [
        ("ASIAY34FZKBOKMUTVV7A", "609629065308"),
        ("ASIAQNZGKIQY56JQ7WML", "029608264753"),
        ("testing", "testing"),
        ("", ""),
        ("AKIA1189AAAAAAAAAAAA", "AKIA1189AAAAAAAAAAAA"),
        ("AKIA7777777777777777", "AKIA7777777777777777"),
    ],
)
def test_a_key_tells_its_account(key: str, account: str) -> None:
    """Where it is one of AWS's; else it stands for it itself."""
    assert account_of(key) == account


def test_a_wait_grows_up_to_a_bound_and_has_jitter() -> None:
    """So that many relays do not come back at once."""
    least, most = Backoff(lambda: 0.0), Backoff(lambda: 1.0)
    assert [least.wait() for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15]
    assert [most.wait() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert [most.wait(2.0), least.wait(2.0)] == [2.0, 1.0]
    least.reset()
    assert least.wait() == 0.25


def test_an_interval_stretches_and_springs_back() -> None:
    """At the first event it is what is configured again."""
    interval = Interval(1.0, 3.0)
    waits = [interval.next(has_news=news) for news in (False, False, False, False, True, False)]
    assert waits == [1.0, 1.5, 2.25, 3.0, 1.0, 1.5]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/aws/lambda/x", Wanted("/aws/lambda/x")),
        ("app-*", Wanted("app-*")),
        (
            "arn:aws:logs:eu-west-1:123456789012:log-group:/app:*",
            Wanted("/app", "eu-west-1", "123456789012"),
        ),
        (
            "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/app",
            Wanted("/app", "us-gov-west-1", "123456789012"),
        ),
    ],
)
def test_a_log_group_is_named_in_many_ways(text: str, wanted: Wanted) -> None:
    """By name, by glob, by ARN with and without its tail."""
    assert parse_group(text) == wanted


def test_a_glob_is_asked_for_by_what_its_names_begin_with() -> None:
    """The rest is looked at here."""
    assert [(one.is_glob, one.prefix) for one in map(Wanted, ("/a/*x", "/a/b", "[ab]c"))] == [
        (True, "/a/"),
        (False, "/a/b"),
        (True, ""),
    ]


def test_a_group_of_another_account_is_asked_for_by_its_arn() -> None:
    """Of the partition that its region is in."""
    assert [
        Group("/app", region, "123456789012").request["logGroupIdentifier"]
        for region in ("eu-west-1", "cn-north-1", "us-gov-west-1")
    ] == [
        "arn:aws:logs:eu-west-1:123456789012:log-group:/app",
        "arn:aws-cn:logs:cn-north-1:123456789012:log-group:/app",
        "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/app",
    ]
    assert Group("/app", "eu-west-1").request == {"logGroupName": "/app"}
    assert Group("/app", "eu-west-1", "123456789012").reader == "123456789012:eu-west-1:/app"
