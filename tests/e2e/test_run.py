"""``relay run``: the command's output here and there, and its exit code."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PATIENCE_SECONDS, Relay, StartRelay

CONFIG = '[channel]\nlines = 100_000\n[sources.push]\ntype = "push"\nchannels = ["build"]\n'


def run(url: str, *command: str, run_id: str = "job") -> "subprocess.Popen[bytes]":
    """Start a command by ``relay run``."""
    words = [sys.executable, "-m", "relay", "run", "--url", url, "--channel", "build"]
    return subprocess.Popen(
        [*words, "--run", run_id, "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        start_new_session=True,
    )


def finish(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes, int]:
    """Return what it printed, and its exit code."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return out, err, process.returncode


def entries(relay: Relay) -> list[Any]:
    """Return all entries of the channel."""
    logs: list[Any] = []
    while True:
        after = logs[-1]["id"] if logs else 0
        page = relay.get(f"/api/v1/logs?channel=build*&after={after}&limit=10000")
        if not page["logs"]:
            return logs
        logs += page["logs"]


def free_port() -> int:
    """Return a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_output_here_and_there(start_relay: StartRelay) -> None:
    """Unchanged here, as a run with its streams there; and the exit code in both."""
    relay = start_relay(CONFIG)
    script = r"printf 'a\r\n\n\377'; sleep 0.1; echo ERROR >&2; exit 3"
    out, err, code = finish(run(relay.url, "sh", "-c", script))
    assert (out, err, code) == (b"a\r\n\n\xff", b"ERROR\n", 3)
    got = [(log["message"], log["stream"], log["run"]) for log in entries(relay)]
    assert sorted(got) == [
        ("", "stdout", "job"),
        ("ERROR", "stderr", "job"),
        ("a", "stdout", "job"),
        ("\ufffd", "stdout", "job"),
    ]
    ended = relay.get("/api/v1/runs/job")
    assert (ended["status"], ended["exit_code"], ended["offset"]) == ("failed", 3, 4)


def test_a_run_is_seen_from_its_start_and_line_by_line(start_relay: StartRelay) -> None:
    """Before the first line, and an unfinished line after a second."""
    relay = start_relay(CONFIG)
    process = run(relay.url, "sh", "-c", "sleep 0.5; printf prompt; exec sleep 60")
    relay.wait(lambda: relay.get("/api/v1/runs")["runs"])
    relay.wait(lambda: [log for log in entries(relay) if log["message"] == "prompt"])
    process.send_signal(signal.SIGTERM)
    assert finish(process)[2] == 128 + signal.SIGTERM
    ended = relay.get("/api/v1/runs/job")
    assert (ended["status"], ended["signal"]) == ("killed", "SIGTERM")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_for_the_command(start_relay: StartRelay, number: int) -> None:
    """It may take its time, and decides how it ends."""
    relay = start_relay(CONFIG)
    script = "trap 'echo stopped; exit 7' INT TERM; echo ready; while :; do sleep 0.05; done"
    process = run(relay.url, "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    assert finish(process)[::2] == (b"stopped\n", 7)
    assert [log["message"] for log in entries(relay)] == ["ready", "stopped"]
    assert relay.get("/api/v1/runs/job")["exit_code"] == 7


def test_without_a_relay() -> None:
    """The command runs all the same, and one warning says so."""
    url = f"http://127.0.0.1:{free_port()}"
    out, err, code = finish(run(url, "sh", "-c", "echo a; sleep 1; echo b; exit 4"))
    assert (out, code) == (b"a\nb\n", 4)
    assert err.decode().splitlines() == [
        f"relay run: cannot push to {url}: connection refused; the output is kept meanwhile",
        "relay run: not delivered: 2 lines",
    ]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ("/no/such", 127, "relay run: '/no/such': no such file or directory\n"),
        ("/etc/passwd", 126, "relay run: '/etc/passwd': permission denied\n"),
    ],
)
def test_commands_that_cannot_be_started(words: str, code: int, sentence: str) -> None:
    """As a shell says it."""
    out, err, got = finish(run("http://127.0.0.1:9", words))
    assert (out, err.decode(), got) == (b"", sentence, code)


def test_a_relay_that_refuses(start_relay: StartRelay) -> None:
    """It is told once, and the command goes on."""
    relay = start_relay("")
    out, err, code = finish(run(relay.url, "sh", "-c", "echo a; exit 5"))
    assert (out, code) == (b"a\n", 5)
    assert err.decode().splitlines()[0] == (
        "relay run: the relay refuses the output: no source takes pushes; add [sources.push] "
        'with type = "push" and channels = ["build"] to the configuration'
    )


def test_who_reads_has_enough(start_relay: StartRelay) -> None:
    """The command is told by SIGPIPE, as without us."""
    relay = start_relay(CONFIG)
    process = run(relay.url, "yes")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGPIPE
    assert process.stderr is not None
    process.stderr.close()


def test_a_relay_that_comes_later_gets_all(start_relay: StartRelay, tmp_path: Path) -> None:
    """What was kept meanwhile arrives with the times of its lines."""
    port, flag = free_port(), tmp_path / "flag"
    script = f"seq 9000; while [ ! -e {flag} ]; do sleep 0.05; done; echo end"
    process = run(f"http://127.0.0.1:{port}", "sh", "-c", script)
    file = tmp_path / "push.toml"
    file.write_text(CONFIG)
    relay = start_relay("", "-c", str(file), "--listen", f"127.0.0.1:{port}")
    relay.wait(lambda: len(entries(relay)) == 9000)
    flag.touch()
    assert finish(process)[2] == 0
    logs = entries(relay)
    assert [log["message"] for log in logs] == [*map(str, range(1, 9001)), "end"]
    assert logs[0]["timestamp"] < relay.get("/api/v1/runs/job")["started"]


class Cutter:
    """A proxy whose connections are cut after random numbers of bytes."""

    def __init__(self, port: int, cuts: int) -> None:
        self.cuts = cuts
        self._rng = random.Random(3)
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, target: Any, *given: Any) -> None:
        thread = threading.Thread(target=target, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                left = [self._rng.randrange(200_000) if self.cuts > 0 else 1 << 40]
                self.cuts -= 1
                for source, sink in ((client, server), (server, client)):
                    self._start(self._pump, source, sink, left)

    def _pump(self, source: socket.socket, sink: socket.socket, left: list[int]) -> None:
        with suppress(OSError):
            while left[0] > 0 and (data := source.recv(65536)):
                sink.sendall(data[: left[0]])
                left[0] -= len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Take no more connections, and let go of all."""
        for end in [self._server, *self._sockets]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        for end in self._sockets:
            end.close()


def test_a_connection_that_is_cut_again_and_again(start_relay: StartRelay) -> None:
    """Every line arrives once, in order, and no gap is declared."""
    relay = start_relay(CONFIG)
    cutter = Cutter(relay.port, 20)
    script = "for i in 1 2 3 4 5 6 7 8 9 10; do seq $((i * 5000 - 4999)) $((i * 5000)); done"
    out, err, code = finish(run(f"http://127.0.0.1:{cutter.port}", "sh", "-c", script))
    cutter.close()
    wanted = [str(number) for number in range(1, 50_001)]
    assert (out.decode().split(), code) == (wanted, 0)
    assert err.count(b"\n") <= 1
    assert [log["message"] for log in entries(relay)] == wanted
    assert relay.get("/api/v1/runs/job")["status"] == "succeeded"
