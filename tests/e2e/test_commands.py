"""The commands that ask a relay, against the real one: what a terminal and a script see."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.conftest import PATIENCE_SECONDS, Relay, StartRelay

RELAY = [sys.executable, "-m", "relay"]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "NO_COLOR"},
    "PYTHONPATH": str(Path(__file__).parents[2]),
    "TERM": "xterm",
}
JOB = "echo fine; echo ERROR no space; exit 3"


def ask(relay: Relay, *arguments: str, **more: str) -> tuple[str, str, int]:
    """Run a command to its end; return stdout, stderr and the exit code."""
    done = subprocess.run(
        [*RELAY, *arguments],
        env={**ENVIRONMENT, "RELAY_URL": relay.url, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.stdout, done.stderr, done.returncode


@contextmanager
def on_terminal(
    relay: Relay, *arguments: str, **more: str
) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[str], str]]]:
    """Run a command on a terminal; yield it, and what reads the terminal up to some text."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [*RELAY, *arguments],
        env={**ENVIRONMENT, "RELAY_URL": relay.url, "COLUMNS": "120", "LINES": "30", **more},
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=subprocess.STDOUT,
    )
    os.close(its)
    seen = b""

    def read_to(text: str) -> str:
        nonlocal seen
        while text.encode() not in seen:
            try:
                data = os.read(ours, 65536)
            except OSError:  # Linux says so where the other side is closed.
                data = b""
            assert data, seen
            seen += data
        return seen.decode().replace("\r\n", "\n")

    try:
        yield process, read_to
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def job(start_relay: StartRelay) -> tuple[Relay, str]:
    """Start a relay with a command that fails; return it and the id of the run, once ended."""
    relay = start_relay("", f"job=cmd:{JOB}")
    runs = relay.wait(
        lambda: [run for run in relay.get("/api/v1/runs")["runs"] if run["ended"]],
    )
    return relay, runs[0]["id"]


def test_tail_takes_all_its_ways_out(start_relay: StartRelay) -> None:
    """Text, a template, all as JSON; a pattern; the exit code of the run."""
    relay, run = job(start_relay)
    assert ask(relay, "tail", "job", "--run", run) == ("fine\nERROR no space\n", "", 3)
    template = "{channel}/{seq} {level} {stream}: {message}"
    assert ask(relay, "tail", "job", "--no-follow", "--template", template) == (
        "job/1 info stdout: fine\njob/2 error stdout: ERROR no space\n",
        "",
        0,
    )
    out, err, code = ask(relay, "tail", "-o", "json", "--run", run, "--grep", "^f.n")
    kinds = [(item["type"], item.get("message")) for item in map(json.loads, out.splitlines())]
    assert (kinds, err, code) == ([("log", "fine"), ("complete", None)], "", 3)
    assert ask(relay, "tail", "--no-follow", "job", "--regex", "NO SPACE")[0] == ""
    assert ask(relay, "tail", "--no-follow", "relay,job", "--level", "error")[0].endswith(
        "job | ERROR no space\n"
    )


def test_tail_tells_what_it_cannot_do_by_its_name(start_relay: StartRelay) -> None:
    """As its notes do; what is wrong in an argument is told before the relay is asked."""
    relay, _ = job(start_relay)
    assert ask(relay, "tail", "jbo") == (
        "",
        "relay tail: no channel 'jbo'; did you mean 'job'?\n",
        1,
    )
    for arguments, message in (
        (["-o", "template"], "-o template needs --template"),
        (["-o", "json", "--template", "x"], "--template is not for -o json"),
        (
            ["--template", "{mesage}"],
            "Invalid value for --template: no field 'mesage'; did you mean 'message'?",
        ),
    ):
        _, err, code = ask(relay, "tail", *arguments)
        assert (err.splitlines()[-1], code) == (f"Error: {message}", 2)


def test_levels_have_colours_on_a_terminal(start_relay: StartRelay) -> None:
    """Unless NO_COLOR is set and not empty."""
    relay, run = job(start_relay)
    for more, line in (
        ({}, "\x1b[31mERROR no space\x1b[0m\n"),
        ({"NO_COLOR": ""}, "\x1b[31mERROR no space\x1b[0m\n"),
        ({"NO_COLOR": "1"}, "ERROR no space\n"),
    ):
        with on_terminal(relay, "tail", "job", "--run", run, **more) as (process, read_to):
            assert read_to("no space") is not None
            assert process.wait(PATIENCE_SECONDS) == 3
            assert read_to("space" if more.get("NO_COLOR") else "\x1b[0m").startswith(
                "fine\n" + line.rstrip("\n")
            )


def test_tail_waits_for_a_run_and_ends_with_it(start_relay: StartRelay) -> None:
    """It says so, since nothing else is to be seen; the run is pushed afterwards."""
    relay = start_relay('[sources.push]\ntype = "push"\nchannels = ["build"]\n')
    process = subprocess.Popen(
        [*RELAY, "tail", "--run", "build-1"],
        env={**ENVIRONMENT, "RELAY_URL": relay.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == ("relay tail: no run 'build-1' yet; waiting for it\n")
    pushed = ask(relay, "run", "--channel", "build", "--run", "build-1", "--", "sh", "-c", JOB)
    assert pushed == ("fine\nERROR no space\n", "", 3)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (out, err, process.returncode) == ("build | fine\nbuild | ERROR no space\n", "", 3)


def test_a_base_path_stands_behind_a_unix_socket(start_relay: StartRelay, tmp_path: Path) -> None:
    """What the relay announces is what all commands take."""
    file = tmp_path / "behind.toml"
    file.write_text(
        'server.base_path = "/logs"\n'
        f"[sources.job]\ntype = 'process'\nrestart = 'never'\ncommand = '{JOB}'\n"
        "[sources.push]\ntype = 'push'\nchannels = ['build']\n"
    )
    relay = start_relay("", "-c", str(file), "--listen", f"unix:{tmp_path}/relay.sock")
    assert relay.url == f"unix:{tmp_path}/relay.sock/logs"
    assert ask(relay, "healthcheck") == ("ok\n", "", 0)
    relay.wait(lambda: '"failed"' in ask(relay, "status", "-o", "json")[0])
    assert ask(relay, "tail", "--no-follow", "job") == ("fine\nERROR no space\n", "", 0)
    assert ask(relay, "run", "--channel", "build", "--", "echo", "a") == ("a\n", "", 0)
    assert ask(relay, "tail", "--no-follow", "build") == ("a\n", "", 0)


def test_status_is_a_table_and_an_exit_code(start_relay: StartRelay) -> None:
    """A source that fails comes first and makes it 1; as JSON it is what the relay says."""
    relay, run = job(start_relay)
    out, err, code = ask(relay, "status")
    assert (err, code) == ("", 0)
    lines = out.splitlines()
    assert lines[0].startswith(f"relay 0.1.0 at {relay.url}, up ")
    rows = [line.split() for line in lines if line.startswith("job")]
    assert (rows[0][:4], rows[1][:2]) == (["job", "process", "ended", "2"], ["job", "2"])
    assert rows[2][:4] == [run, "failed", "3", "2"]
    assert {
        one["name"] for one in json.loads(ask(relay, "status", "-o", "json")[0])["sources"]
    } == {
        "job",
        "relay",
    }
    worse = start_relay(
        '[sources.worker]\ntype = "process"\ncommand = ["/no/such/program"]\n'
        '[sources.app]\ntype = "file"\npath = "/no/such.log"\n'
    )
    worse.wait(lambda: ask(worse, "status")[2] == 1)
    out = ask(worse, "status")[0]
    assert out.startswith("failing: worker\nrelay 0.1.0 at ")
    table = out.split("\n\n")[1].splitlines()
    assert table[1].startswith("worker  process  failing")
    assert "/no/such.log: missing, No such file or directory" in out


def test_status_that_watches_stays(start_relay: StartRelay) -> None:
    """It draws on a screen of its own, says where the relay is gone, and leaves all as it was."""
    relay = start_relay("", "y=cmd:sleep 600")
    with on_terminal(relay, "status", "--watch") as (process, read_to):
        assert read_to("CHANNEL").startswith("\x1b[?1049h\x1b[?7l")
        relay.stop(signal.SIGTERM)
        read_to("connection refused; trying again")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130
        assert read_to("\x1b[?1049l").endswith("\x1b[?7h\x1b[?1049l")


def test_status_that_watches_is_plain_in_a_pipe(start_relay: StartRelay) -> None:
    """A line of JSON each second, without anything for a terminal."""
    relay = start_relay("", "y=cmd:sleep 600")
    process = subprocess.Popen(
        [*RELAY, "status", "-w", "-o", "json"],
        env={**ENVIRONMENT, "RELAY_URL": relay.url},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    begun = time.monotonic()
    seen = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert time.monotonic() - begun >= 2
    assert seen[0]["uptime_seconds"] < seen[2]["uptime_seconds"]
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_SECONDS) == 130
    process.stdout.close()


def test_healthcheck_is_an_exit_code(start_relay: StartRelay) -> None:
    """For a container: 0 while it lives, then 1 and why."""
    relay = start_relay("", "y=cmd:sleep 600")
    assert ask(relay, "healthcheck") == ("ok\n", "", 0)
    relay.stop()
    assert ask(relay, "healthcheck") == (
        "",
        f"relay healthcheck: cannot reach {relay.url}: connection refused\n",
        1,
    )


def test_channels_and_runs_are_completed(start_relay: StartRelay) -> None:
    """By asking the relay; where none answers nothing is offered."""
    relay, run = job(start_relay)
    bash = {"_RELAY_COMPLETE": "bash_complete"}
    assert ask(relay, **bash, COMP_WORDS="relay tail j", COMP_CWORD="2")[0] == "plain,job\n"
    assert ask(relay, **bash, COMP_WORDS="relay tail --run jo", COMP_CWORD="3")[0] == (
        f"plain,{run}\n"
    )
    relay.stop()
    assert ask(relay, **bash, COMP_WORDS="relay tail j", COMP_CWORD="2") == ("\n", "", 0)
