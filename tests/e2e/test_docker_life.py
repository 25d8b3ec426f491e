"""Real containers: which are read, what status tells of them, runs, and what bounds the reader."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import Engine
from tests.e2e.conftest import Relay, StartRelay
from tests.e2e.docker_writers import gaps_in, lines_in, wait_for_lines
from tests.fakes.engine_proxy import EngineProxy

CONFIG = """
[sources.containers]
type = "docker"
host = "{host}"
{more}
"""

MANY = 200
ENDLESS_BYTES = 64 * 1024 * 1024

Start = Callable[..., Relay]


@pytest.fixture
def start(start_relay: StartRelay, engine: Engine) -> Start:
    """Return a function that starts a relay that reads the engine's containers."""
    return lambda more="", host="": start_relay(CONFIG.format(host=host or engine.url, more=more))


def source(relay: Relay) -> dict[str, Any]:
    sources: list[dict[str, Any]] = relay.get("/api/v1/status")["sources"]
    return next(one for one in sources if one["name"] == "containers")


def reader(relay: Relay, name: str) -> dict[str, Any]:
    found: dict[str, Any] = source(relay)["readers"].get(name) or {}
    return found


def shown(relay: Relay, name: str, **wanted: Any) -> bool:
    """Tell whether status has these values of a container."""
    container = reader(relay, name).get("container") or {}
    return wanted.items() <= container.items()


def channels(relay: Relay) -> list[str]:
    return sorted(one["name"] for one in relay.get("/api/v1/channels")["channels"])


def test_an_engine_that_is_absent_is_a_status(
    start: Start, engine: Engine, tmp_path: Path
) -> None:
    """And once it is there its containers are read."""
    path = tmp_path / "later.sock"
    relay = start(host=f"unix://{path}")
    relay.wait(lambda: source(relay)["state"] == "failing")
    expected = f"cannot reach unix://{path}: no such file or directory"
    assert source(relay)["last_error"] == expected
    engine.run("late", "echo here; sleep 1000")
    path.symlink_to(engine.socket)
    wait_for_lines(relay, "late", 1)
    assert source(relay)["state"] == "running"


def test_lines_have_their_stream_their_time_and_their_run(start: Start, engine: Engine) -> None:
    """Docker's own time, with nanoseconds; the run ends with the container's code."""
    relay = start()
    engine.run("app", "echo out; echo err >&2; exit 7", "--label", "team=blue")
    run = relay.wait(lambda: next(iter(ended(relay)), None))
    assert (run["status"], run["exit_code"], run["lines"]) == ("failed", 7, 2)
    logs = relay.get("/api/v1/logs?channel=app")["logs"]
    assert {(one["message"], one["stream"], one["level"]) for one in logs} == {
        ("out", "stdout", "info"),
        ("err", "stderr", "error"),
    }
    done = engine.try_docker("logs", "--timestamps", "app")
    times = [line.split()[0] for line in (done.stdout + done.stderr).splitlines()]
    assert sorted(one["timestamp"] for one in logs) == sorted(times)
    assert {one["instance"] for one in logs} == {"app"}
    assert {one["run"] for one in logs} == {run["id"]}


def ended(relay: Relay) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = relay.get("/api/v1/runs")["runs"]
    return [run for run in runs if run["ended"] is not None]


def test_a_tail_of_a_run_ends_with_its_code(start: Start, engine: Engine) -> None:
    """As the command in the container does."""
    relay = start()
    engine.run("job", "echo one; sleep 2; echo two; exit 3")
    run = relay.wait(lambda: reader(relay, "job").get("run"))
    command = [sys.executable, "-m", "relay", "tail", "--url", relay.url, "--run", run]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 3, done.stderr
    assert [line.split()[-1] for line in done.stdout.splitlines()[:2]] == ["one", "two"]


def test_a_run_that_was_out_of_memory_says_so(start: Start, engine: Engine) -> None:
    """The engine's own word for it is a flag beside the code."""
    relay = start("system_events = true")
    script = "echo big; tail /dev/zero"
    engine.run("greedy", script, "--memory", "16m", "--memory-swap", "16m")
    run = relay.wait(lambda: next(iter(ended(relay)), None))
    assert (run["status"], run["exit_code"], run["signal"]) == ("oom", 137, "SIGKILL")


def test_containers_that_live_for_a_moment_are_read(start: Start, engine: Engine) -> None:
    """Milliseconds after its start each is removed; what the engine removed sooner is a gap."""
    relay = start('channel = "all"')
    relay.wait(lambda: source(relay)["state"] == "running")
    for number in range(8):
        options = ("--rm", "--network", "none")
        engine.docker("run", *options, "busybox", "echo", f"moment {number}")
    relay.wait(lambda: len(ended(relay)) == 8)
    said = [f"moment {number}" for number in range(8)]
    read = lines_in(relay, "all")
    assert [line for line in said if line in read] == sorted(read) != []
    assert len(gaps_in(relay, "all")) == len(said) - len(read)


def test_what_is_chosen_and_left_out(start: Start, engine: Engine) -> None:
    """By name, label, project and service; the table of exclusions beats the rest."""
    relay = start(
        'containers = ["web-*", "db"]\nlabel = ["read=yes"]\n'
        'exclude = { label = ["secret"], service = ["cache"] }\n'
        'channel = "{project}-{service}-{label:team}"'
    )
    read = ("--label", "read=yes")
    compose = ("--label", "com.docker.compose.project=shop")
    service = "com.docker.compose.service"
    engine.run("web-1", "echo x", *read, *compose, "--label", f"{service}=web")
    engine.run("web-2", "echo x", *read, *compose, "--label", f"{service}=web")
    engine.run("web-3", "echo x", *read, "--label", "secret=1")
    engine.run("web-4", "echo x", "--label", "read=no")
    engine.run("web-5", "echo x", *read, *compose, "--label", f"{service}=cache")
    engine.run("other", "echo x", *read)
    engine.run("db", "echo x", *read, "--label", "team=blue")
    relay.wait(lambda: channels(relay) == ["none-db-blue", "relay", "shop-web-none"])
    wait_for_lines(relay, "shop-web-none", 2)
    logs = relay.get("/api/v1/logs?channel=shop-web-none")["logs"]
    assert sorted(one["instance"] for one in logs) == ["web-1", "web-2"]
    assert sorted(source(relay)["readers"]) == ["db", "web-1", "web-2"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [("tail = 3", [7, 8, 9]), ('tail = "all"', list(range(10))), ("tail = 0", [])],
)
def test_how_much_of_the_past_is_read(
    start: Start, engine: Engine, more: str, expected: list[int]
) -> None:
    """Of what was there before the relay; what comes after is read whole."""
    engine.run("old", "mkfifo /tmp/in; seq 0 9; while :; do cat /tmp/in; done")
    deadline = time.monotonic() + 30
    while len(engine.docker("logs", "old").split()) < 10:
        assert time.monotonic() < deadline
    # An engine's list has whole seconds only: what is a second old is old.
    time.sleep(1.1)
    relay = start(more)
    relay.wait(lambda: reader(relay, "old").get("state") == "reading")
    engine.docker("exec", "old", "sh", "-c", "echo more > /tmp/in")
    wait_for_lines(relay, "old", len(expected) + 1)
    assert lines_in(relay, "old") == [*map(str, expected), "more"]


def test_state_and_health_are_live(start: Start, engine: Engine) -> None:
    """In the status, its stream, and, where it is asked for, among the lines."""
    relay = start("system_events = true")
    health = ("--health-cmd", "test -e /tmp/well", "--health-interval", "1s")
    engine.run("app", "sleep 1000", *health, "--health-retries", "1")
    with urllib.request.urlopen(f"{relay.url}api/v1/status/stream", timeout=30) as stream:
        relay.wait(lambda: shown(relay, "app", state="running", health="unhealthy"))
        engine.docker("exec", "app", "touch", "/tmp/well")
        relay.wait(lambda: shown(relay, "app", health="healthy"))
        engine.docker("pause", "app")
        relay.wait(lambda: shown(relay, "app", state="paused"))
        states = _states_until_paused(stream)
    assert ("running", "unhealthy") in states
    engine.docker("unpause", "app")
    engine.docker("rename", "app", "renamed")
    relay.wait(lambda: shown(relay, "renamed", state="running", service="renamed"))
    engine.docker("rm", "--force", "renamed")
    relay.wait(lambda: not source(relay)["readers"])
    # While it is paused its health may change again.
    words = dict.fromkeys(lines_in(relay, "app") + lines_in(relay, "renamed"))
    assert [word.removeprefix("container ") for word in words if "created" not in word] == [
        "started",
        "is unhealthy",
        "is healthy",
        "paused",
        "goes on",
        "renamed to renamed",
        "ended: exit code 137",
        "removed",
    ]
    log = relay.get("/api/v1/logs?channel=app&limit=1")["logs"][0]
    assert (log["stream"], log["instance"]) == ("system", "app")


def _states_until_paused(stream: Any) -> list[tuple[str, str]]:
    states: list[tuple[str, str]] = []
    for line in stream:
        if not line.startswith(b"data:"):
            continue
        for one in json.loads(line[5:]).get("sources", ()):
            rows = [row["container"] for row in one["readers"].values()]
            states += [(row["state"], row["health"]) for row in rows]
        if states and states[-1][0] == "paused":
            break
    return states


def test_a_driver_that_keeps_nothing_holds_up_nobody(start: Start, engine: Engine) -> None:
    """Status says why it cannot be read, and what to do."""
    relay = start()
    engine.run("silent", "echo x; sleep 1000", "--log-driver", "none")
    engine.run("spoken", "echo y")
    wait_for_lines(relay, "spoken", 1)
    relay.wait(lambda: reader(relay, "silent").get("state") == "unreadable")
    assert reader(relay, "silent")["detail"] == (
        "configured logging driver does not support reading: the log driver 'none' keeps nothing "
        "that can be read; use json-file or local, or do not set cache-disabled"
    )


def test_many_containers_are_followed_at_once(start: Start, engine: Engine) -> None:
    """No limit of a pool stands in the way, and each has one reader, however many clients."""
    script = "mkfifo /tmp/in; cat /tmp/in; echo me; sleep 1000"
    for number in range(MANY):
        engine.docker(
            *("run", "--detach", "--network", "none", "--name", f"many-{number}"),
            *("--volume", f"{engine.home}:/home", "busybox", "sh", "-c"),
            script.replace("cat /tmp/in", "while [ ! -e /home/go ]; do usleep 300000; done"),
        )
    with EngineProxy(engine.socket).running() as proxy:
        relay = start('channel = "many"\ntail = "all"', proxy.url)
        relay.wait(lambda: proxy.open("logs") == MANY, 60)
        (engine.home / "go").touch()
        wait_for_lines(relay, "many", MANY)
        (engine.home / "go").unlink()
        streams = [
            urllib.request.urlopen(f"{relay.url}many/raw?tail={MANY}", timeout=30)
            for _ in range(20)
        ]
        for stream in streams:
            assert [stream.readline() for _ in range(MANY)] == [b"me\n"] * MANY
            stream.close()
        assert proxy.open("logs") == MANY
        assert set(proxy.most_open.values()) == {1}


def test_an_endless_line_is_not_held(start: Start, engine: Engine) -> None:
    """Nor is what is no text: it comes in parts, and memory stays where it was."""
    relay = start('[channel]\nlines = 100\nbytes = "1MiB"')
    relay.wait(lambda: source(relay)["state"] == "running")
    engine.run("warm", "head -c 4000000 /dev/urandom")
    relay.wait(lambda: any(run["lines"] > 100 for run in ended(relay)))
    before = relay.rss_bytes
    engine.run("endless", f"head -c {ENDLESS_BYTES} /dev/zero; echo; echo after")
    # Not by its lines: what was rendered is kept too.
    relay.wait(lambda: len(ended(relay)) == 2, 120)
    assert relay.rss_bytes - before < 32 * 1024 * 1024
    parts = relay.get("/api/v1/logs?channel=endless&limit=3")["logs"]
    assert [one.get("part", False) for one in parts] == [True, True, False]
    assert parts[-1]["message"] == "after"


def test_the_relay_does_not_read_its_own_container(engine: Engine, tmp_path: Path) -> None:
    """Whatever it is called; it would read that it has read."""
    engine.run("other", "echo x; sleep 1000")
    config = tmp_path / "relay.toml"
    socket = tmp_path / "relay.sock"
    config.write_text(
        f'[server]\nlisten = "unix:{socket}"\n' + CONFIG.format(host=engine.url, more="")
    )
    folders = {"/usr", "/lib", "/lib64", "/etc", str(engine.home), str(tmp_path)}
    folders |= {sys.prefix, sys.base_prefix, str(Path(__file__).parents[2])}
    engine.docker(
        *("run", "--detach", "--network", "none", "--name", "any", "--hostname", "thing"),
        *(f"--volume={folder}:{folder}" for folder in sorted(folders) if Path(folder).exists()),
        *("--env", f"PYTHONPATH={Path(__file__).parents[2]}", "busybox"),
        *(sys.executable, "-m", "relay", "serve", "-c", str(config)),
    )
    deadline = time.monotonic() + 30
    while not (readers := _readers_over(socket)):
        assert time.monotonic() < deadline, engine.try_docker("logs", "any").stderr
        time.sleep(0.1)
    assert sorted(readers) == ["other"]


def _readers_over(socket: Path) -> dict[str, Any]:
    ask = ["curl", "-s", "--unix-socket", str(socket), "http://localhost/api/v1/status"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    if not done.stdout:
        return {}
    found: dict[str, Any] = json.loads(done.stdout)["sources"][0]["readers"]
    return found
