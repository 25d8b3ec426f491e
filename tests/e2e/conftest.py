"""The real relay as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import engine, shared_engine
from tests.e2e.docker_writers import lives

__all__ = [
    "PATIENCE_SECONDS",
    "Relay",
    "StartRelay",
    "engine",
    "lives",
    "shared_engine",
    "start_relay",
]

PATIENCE_SECONDS = 30.0
"""How long a test waits for what must happen; a slow machine needs no more than a part of it."""


@dataclass
class Relay:
    """A relay that runs."""

    process: "subprocess.Popen[str]"
    url: str
    log: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rstrip("/").rsplit(":", 1)[1].partition("/")[0])

    def get(self, path: str) -> Any:
        """Return the JSON of a path."""
        with urllib.request.urlopen(self.url + path.lstrip("/"), timeout=10) as response:
            return json.load(response)

    def wait(self, until: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait until something is true, and return it."""
        deadline = time.monotonic() + seconds
        while not (result := until()):
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            time.sleep(0.02)
        return result

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it with a signal, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    @property
    def rss_bytes(self) -> int:
        """Its resident memory."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


StartRelay = Callable[..., Relay]


@pytest.fixture
def start_relay(tmp_path: Path) -> Iterator[StartRelay]:
    """Return a function that starts a relay with a configuration, or with arguments."""
    started: list[Relay] = []

    def start(config: str = "", *arguments: str, stdin: Any = subprocess.DEVNULL) -> Relay:
        command = [sys.executable, "-m", "relay", "serve"]
        if not arguments:
            file = tmp_path / "relay.toml"
            file.write_text('[server]\nlisten = "127.0.0.1:0"\n' + config)
            command += ["-c", str(file)]
        else:
            command += ["--listen", "127.0.0.1:0", *arguments]
        log = tmp_path / f"relay-{len(started)}.log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        assert process.stdout is not None
        announced = process.stdout.readline()
        assert announced.startswith("relay: serving "), log.read_text()
        relay = Relay(process, announced.split()[-1], log)
        started.append(relay)
        return relay

    yield start
    for relay in started:
        if relay.process.poll() is None:
            relay.process.kill()
            relay.process.wait()
        if relay.process.stdout is not None:
            relay.process.stdout.close()
