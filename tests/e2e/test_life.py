"""Start, stop, and what users see when something is wrong."""

import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.clients import SseClient
from tests.e2e.conftest import Relay, StartRelay

ROOT = Path(__file__).parents[2]


def relay(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "relay", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_tells_clients_and_ends_commands(
    number: int, tmp_path: Path, start_relay: StartRelay
) -> None:
    """Sources stop, their last lines and run's end reach clients, the exit code is 0."""
    running = start_relay(
        '[sources.worker]\ntype = "process"\n'
        "command = \"trap 'echo goodbye; exit 3' TERM; echo $$; while :; do sleep 0.05; done\"\n"
    )
    running.wait(lambda: running.get("api/v1/status")["channels"][-1]["lines"])
    client = SseClient(running.port, "/worker/sse")
    client.connect()
    started = time.monotonic()
    assert running.stop(number) == 0
    assert time.monotonic() - started < 5
    client.read_to_end()
    assert "goodbye" in client.messages
    (ending,) = [one for kind, one in client.events if kind == "complete"]
    assert ending["status"] == "stopped"
    assert client.events[-1][0] == "cursor"
    assert not Path(f"/proc/{client.messages[0]}").exists()


def test_a_second_signal_does_not_wait(start_relay: StartRelay) -> None:
    """Twice at once counts once; later it ends a relay that waits for a command."""
    running = start_relay(
        '[sources.deaf]\ntype = "process"\nstop_timeout = "60s"\n'
        "command = \"trap '' TERM; echo deaf; while :; do sleep 0.05; done\"\n"
    )
    running.wait(lambda: running.get("api/v1/status")["sources"][0]["lines"])
    running.process.terminate()
    running.process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(1.5)
    assert running.stop() == 1


def test_an_address_in_use_is_a_sentence(tmp_path: Path) -> None:
    """Found before anything starts; exit code 2, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = tmp_path / "relay.toml"
        file.write_text(f'[server]\nlisten = "127.0.0.1:{port}"\n')
        done = relay("serve", "-c", str(file))
    assert done.returncode == 2
    assert done.stderr == f"{file}: server.listen: 127.0.0.1:{port} is in use\n"


def test_a_unix_socket_is_not_taken_from_who_answers_there(tmp_path: Path) -> None:
    """What a relay that was killed left is removed; what one that runs has is in use."""
    path = tmp_path / "relay.sock"
    file = tmp_path / "relay.toml"
    file.write_text(f'[server]\nlisten = "unix:{path}"\n')
    with socket.socket(socket.AF_UNIX) as answering:
        answering.bind(str(path))
        answering.listen()
        done = relay("serve", "-c", str(file))
    assert (done.returncode, done.stderr) == (
        2,
        f"{file}: server.listen: unix:{path} is in use\n",
    )
    command = [sys.executable, "-m", "relay", "serve", "-c", str(file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == f"relay: serving unix:{path}\n"
        running.terminate()
        assert running.wait(10) == 0
    assert not path.exists()


def test_every_error_of_a_file_at_once(tmp_path: Path) -> None:
    """With file, table, key, what was read and the nearest known key."""
    file = tmp_path / "relay.toml"
    file.write_text(
        '[server]\nlissten = "x"\n[channel]\nlines = -1\n'
        '[sources.app]\ntype = "file"\npath = 5\n[sources.job]\ntype = "proces"\n'
    )
    done = relay("check", "-c", str(file))
    assert done.returncode == 2
    for expected in (
        "server: unknown key 'lissten'; did you mean 'listen'?",
        "channel.lines: expected ",
        "sources.app.path: expected ",
        "sources.job.type: expected ",
    ):
        assert expected in done.stderr
    assert "Traceback" not in done.stderr


def _has_channel(running: Relay, name: str) -> bool:
    return name in [one["name"] for one in running.get("api/v1/channels")["channels"]]


def test_two_relays_read_one_file_and_curl_sees_it(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    """Arguments instead of a file, and curl as a client."""
    log = tmp_path / "app.log"
    log.write_text("one\ntwo\n")
    for _ in range(2):
        running = start_relay("", str(log))
        running.wait(partial(_has_channel, running, "app"))
        out = subprocess.run(
            ["curl", "-sN", f"{running.url}app/raw?follow=0"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
        assert out == "one\ntwo\n"


def test_relay_tail_follows_a_run_to_its_exit_code(start_relay: StartRelay) -> None:
    """As the command itself would have exited."""
    running = start_relay(
        '[sources.job]\ntype = "process"\nrestart = "never"\n'
        'command = "echo one; sleep 0.5; echo two; exit 7"\n'
    )
    (run,) = running.wait(lambda: running.get("api/v1/runs")["runs"])
    done = relay("tail", "--url", running.url, "--run", run["id"], "job")
    assert (done.stdout, done.returncode) == ("one\ntwo\n", 7)


def test_invalid_text_is_replaced_and_counted(tmp_path: Path, start_relay: StartRelay) -> None:
    """Bytes that are no text are shown as such, and status says how many."""
    log = tmp_path / "app.log"
    log.write_bytes(b"ok\n\xff\xfe bad\n" + bytes(range(256)) + b"\nend\n")
    running = start_relay(
        f'[sources.app]\ntype = "file"\npath = "{log}"\nstart = "beginning"\nchannel = "app"\n'
    )
    running.wait(partial(_has_channel, running, "app"))
    running.wait(lambda: running.get("api/v1/channels/app")["lines"] >= 5)
    logs = running.get("api/v1/channels/app/logs")["logs"]
    assert logs[1]["message"] == "\ufffd\ufffd bad"
    assert logs[-1]["message"] == "end"
    assert running.get("api/v1/status")["sources"][0]["invalid_bytes"] == 2 + 128
