import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.sources import guard
from relay.sources.command import Guard

SECONDS = 10.0
"""How long anything here may take on a busy machine."""

RELAY = """
import asyncio, sys
from relay.sources.base import SourceStatus
from relay.sources.process import ProcessOptions, ProcessSource

async def main():
    options = ProcessOptions.model_validate({"type": "process", "command": sys.argv[1]})
    source = ProcessSource("p", options, SourceStatus("p", "process"))
    async for batches in source.batches({}):
        for batch in batches:
            sys.stdout.buffer.write(batch.lines.text)
            sys.stdout.flush()

asyncio.run(main())
"""
"""A relay that runs one command and prints its lines."""


@pytest.fixture
def marker() -> Iterator[str]:
    """Give an argument of ``sleep`` that no other process has."""
    marker = f"9{random.randrange(10**9)}.5"
    yield marker
    for process in with_argument(marker):
        os.kill(process, signal.SIGKILL)


def with_argument(text: str) -> list[int]:
    """Return the processes that live and have ``text`` among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
        except OSError:
            continue
        if text.encode() in words:
            found.append(int(entry.name))
    return found


def children(parent: int) -> list[int]:
    """Return the children of a process."""
    return [int(p) for p in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def relay(command: str) -> "subprocess.Popen[bytes]":
    """Start a relay that runs ``command``, which prints ``ready``."""
    process = subprocess.Popen([sys.executable, "-c", RELAY, command], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def wait_for_none(marker: str) -> None:
    """Wait until no process with ``marker`` is left."""
    deadline = time.monotonic() + SECONDS
    while left := with_argument(marker):
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)


def guard_of(process: "subprocess.Popen[bytes]") -> int:
    """Return the pid of a relay's guard."""
    (found,) = [pid for pid in children(process.pid) if pid in with_argument("guard.py")]
    return found


def wait_readable(descriptor: int) -> bool:
    """Wait for the end of a process, and close its descriptor."""
    try:
        return bool(select.select([descriptor], [], [], SECONDS)[0])
    finally:
        os.close(descriptor)


def sleeper(script: str = "exec sleep 1000") -> "subprocess.Popen[bytes]":
    """Start a process group that nobody watches over; it prints ``ready`` before ``script``."""
    process = subprocess.Popen(
        ["sh", "-c", f"echo ready; {script}"], start_new_session=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.parametrize(
    "command",
    [
        "echo ready; exec sleep {}",
        "(sleep {0} & sleep {0}) & sh -c 'echo ready; sleep {0}'; wait",
        "trap '' TERM; (sleep {0}; sleep {0}) & echo ready; sleep {0}; sleep {0}",
    ],
    ids=["a program", "grandchildren", "who ignores TERM"],
)
def test_no_child_outlives_a_killed_relay(command: str, marker: str) -> None:
    """However the command is made, and whatever it started: all of it ends."""
    process = relay(command.format(marker))
    assert len(with_argument(marker)) >= 2  # The relay itself is one.
    process.kill()
    with process:
        wait_for_none(marker)
    assert process.returncode == -signal.SIGKILL


def test_the_command_may_end_in_peace(marker: str, tmp_path: Path) -> None:
    """It gets TERM before it is killed."""
    file = tmp_path / "bye"
    process = relay(f"trap 'echo bye >{file}; exit' TERM; echo ready; sleep {marker} & wait")
    process.kill()
    with process:
        wait_for_none(marker)
    assert file.read_text() == "bye\n"


def test_without_a_guard_the_leader_still_ends(marker: str) -> None:
    """Also where relay and guard are killed together."""
    process = relay(f"echo ready; exec sleep {marker}")
    os.kill(guard_of(process), signal.SIGKILL)
    process.kill()
    with process:
        wait_for_none(marker)


def test_the_guard_stays_until_the_relay_is_gone(marker: str) -> None:
    """Signals that ask the relay to stop do not end its guard first; then it ends itself."""
    process = relay(f"echo ready; sleep {marker}")
    with process:
        its_guard = guard_of(process)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(its_guard, number)
        assert os.getsid(its_guard) == its_guard
        descriptor = os.pidfd_open(its_guard)
        with pytest.raises(ChildProcessError):
            os.waitid(os.P_PIDFD, descriptor, os.WEXITED)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) != 0
        wait_for_none(marker)
        assert wait_readable(descriptor)


def test_a_guard_that_was_ended_is_replaced() -> None:
    """The next one is told of all groups again."""
    ours = Guard()
    ours.ensure()
    with sleeper() as process:
        ours.add(process.pid)
        assert ours.process is not None
        ours.process.kill()
        ours.process.wait()
        ours.ensure().close()
        assert process.wait(SECONDS) == -signal.SIGTERM
    assert ours.process.wait(SECONDS) == 0


def test_a_guard_that_runs_is_kept() -> None:
    """One is enough, and it ends with nothing to do."""
    ours = Guard()
    socket = ours.ensure()
    assert ours.ensure() is socket
    socket.close()
    assert ours.process is not None
    assert ours.process.wait(SECONDS) == 0


def test_it_forgets_groups_that_have_ended() -> None:
    """Their number may be somebody else's by then."""
    with sleeper() as lasting, sleeper("exit") as ended:
        ended.wait()
        groups = guard.hear(guard.hear(set(), b"+%d" % lasting.pid), b"+%d" % ended.pid)
        assert groups == {lasting.pid, ended.pid}
        assert guard.hear(groups, b"?") == {lasting.pid}
        guard.end_groups(groups)
        assert lasting.wait(SECONDS) == -signal.SIGTERM


def test_what_has_ended_but_is_not_reaped_does_not_live() -> None:
    """A group of such processes is gone."""
    with sleeper() as process:
        assert guard.is_alive(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert guard.signal_group(process.pid, 0)
        assert not guard.is_alive(process.pid)
