"""The engine's answers, as values."""

from typing import Any

import pytest

from relay.sources.docker_facts import Container, Event

INSPECTED: dict[str, Any] = {
    "Id": "ab" * 32,
    "Name": "/shop-web-1",
    "Created": "2026-11-21T09:00:00.5Z",
    "RestartCount": 2,
    "Config": {
        "Image": "nginx:1",
        "Tty": False,
        "Labels": {"com.docker.compose.service": "web", "com.docker.compose.project": "shop"},
    },
    "HostConfig": {"LogConfig": {"Type": "local", "Config": {}}},
    "State": {
        "Status": "exited",
        "OOMKilled": True,
        "ExitCode": 137,
        "StartedAt": "2026-11-21T09:00:01.000000001Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
        "Health": {"Status": "unhealthy"},
    },
}


def test_what_is_inspected() -> None:
    """The year 1 is the engine's word for never."""
    found = Container.inspected(INSPECTED)
    assert found == Container(
        id="ab" * 32,
        name="shop-web-1",
        image="nginx:1",
        labels=INSPECTED["Config"]["Labels"],
        state="exited",
        health="unhealthy",
        driver="local",
        file_bytes=20_000_000,
        restarts=2,
        created_ns=1_795_251_600_500_000_000,
        started_ns=1_795_251_601_000_000_001,
        exit_code=137,
        oom=True,
    )
    assert (found.service, found.project, found.is_running, found.is_over) == (
        "web",
        "shop",
        False,
        True,
    )


@pytest.mark.parametrize(
    ("driver", "options", "expected"),
    [
        ("json-file", {}, None),
        ("json-file", {"max-size": "10m", "max-file": "3"}, 10_000_000),
        ("json-file", {"max-size": "512kb"}, 512_000),
        ("json-file", {"max-size": "-1"}, None),
        ("local", {}, 20_000_000),
        ("local", {"max-size": "1.5G"}, 1_500_000_000),
        ("syslog", {"max-size": "1m"}, 20_000_000),
        ("syslog", {"cache-max-size": "1m"}, 1_000_000),
        ("journald", {}, None),
    ],
)
def test_when_a_log_s_next_file_is_begun(
    driver: str, options: dict[str, str], expected: int | None
) -> None:
    """As the engine reads its options: a thousand is a thousand, and some have a default."""
    log = {"LogConfig": {"Type": driver, "Config": options}}
    assert Container.inspected(INSPECTED | {"HostConfig": log}).file_bytes == expected


def test_a_list_has_the_container_s_own_name() -> None:
    """Links of others are names with a slash inside."""
    names = ["/other/alias", "/web-1"]
    found = Container.listed({"Id": "c", "Names": names, "Labels": None, "Created": 7})
    assert (found.name, found.labels, found.created_ns) == ("web-1", {}, 7_000_000_000)
    assert found.service == "web-1"


def test_events() -> None:
    """What follows a colon is a health."""
    actor = {"ID": "c", "Attributes": {"exitCode": "7"}}
    die = {"Type": "container", "Action": "die", "Actor": actor, "timeNano": 5, "time": 0}
    assert Event.parse(die) == Event("c", "die", 5, {"exitCode": "7"})
    health = {"Action": "health_status: healthy", "Actor": {"ID": "c"}, "time": 3}
    assert Event.parse(health) == Event("c", "health_status", 3_000_000_000, {}, "healthy")
