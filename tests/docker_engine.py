"""
A Docker engine of the tests' own: Debian's, with a data root and a socket of its own.

Its containers have no network, and its image is Debian's busybox: no registry is asked.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

__all__ = ["IMAGE", "Engine", "engine", "running_engine"]

IMAGE = "busybox"
PATIENCE_SECONDS = 60.0
"""How long an engine may take to start or to end."""

ROOT = Path(__file__).parents[1]
BRIDGE = "relay-test0"


class Engine:
    """
    One engine, which can be ended and started again.

    Args:
        home: a directory of its own, with a short path: a socket's may have 107 bytes.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.socket = home / "docker.sock"
        self.url = f"unix://{self.socket}"
        self.log = home / "dockerd.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._has_bridge = False

    @property
    def pid(self) -> int:
        """Of the engine."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, live_restore: bool = False) -> None:
        """
        Start it, and wait until it answers.

        Args:
            live_restore: whether its containers go on while it is down.
        """
        # Where the last one was killed.
        self._wait_until_all_are_gone("containerd --config")
        for name in ("docker.sock", "docker.pid", "exec/containerd/containerd.pid"):
            (self.home / name).unlink(missing_ok=True)
        settings = self.home / "daemon.json"
        settings.write_text(json.dumps({"live-restore": live_restore}))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd",
                    *("--config-file", str(settings), "--data-root", str(self.home / "data")),
                    *("--exec-root", str(self.home / "exec"), "--host", self.url),
                    *("--pidfile", str(self.home / "docker.pid"), "--bridge", self._bridge()),
                    *("--iptables=false", "--ip-masq=false", "--ip-forward=false"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait_until_it_answers()

    def _wait_until_all_are_gone(self, words: str) -> None:
        """Wait for what ends with the engine; a next one would take it for its own."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._processes(words):
            assert time.monotonic() < deadline, f"{words} goes on"
            time.sleep(0.05)

    def _processes(self, words: str = "") -> list[int]:
        """Return the processes that have this engine's home, and words, in their command."""
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if f"{self.home}/" in command and words in command:
                    found.append(int(directory.name))
        return found

    def _bridge(self) -> str:
        # An engine with none removes the bridge of another that runs on this host.
        if not Path("/sys/class/net/docker0").exists():
            return "none"
        if not self._has_bridge:
            subprocess.run(["ip", "link", "add", "name", BRIDGE, "type", "bridge"], check=False)
            self._has_bridge = True
        return BRIDGE

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.try_docker("version").returncode:
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal; what KILL leaves is taken over by the next start."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def require_running(self) -> None:
        """Start it if it is down, whatever has ended it."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def close(self) -> None:
        """End it, its containers and what they left behind."""
        try:
            self.require_running()
            self.remove_all()
            self.stop()
        finally:
            for pid in self._processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for mount in _mounts_below(self.home):
                subprocess.run(["umount", "-l", mount], check=False)
            if self._has_bridge:
                subprocess.run(["ip", "link", "delete", BRIDGE], check=False)
            shutil.rmtree(self.home, ignore_errors=True)

    def docker(self, *arguments: str) -> str:
        """Run a command of the client, and return what it says."""
        done = self.try_docker(*arguments)
        assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def try_docker(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the client, which may fail."""
        return subprocess.run(
            ["docker", "--host", self.url, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
            env={**os.environ, "DOCKER_CONTEXT": "", "DOCKER_HOST": ""},
        )

    def run(self, name: str, script: str, *options: str) -> str:
        """Start a container that runs a script of the shell, and return its id."""
        return self.docker(
            *("run", "--detach", "--network", "none", "--name", name),
            *(*options, IMAGE, "sh", "-c", script),
        )

    def wait(self, name: str) -> int:
        """Wait until a container has ended, and return its exit code."""
        return int(self.docker("wait", name))

    def remove_all(self) -> None:
        """Remove all containers."""
        if found := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", "--volumes", *found)

    def load_image(self) -> None:
        """Make the image, of one program with many names."""
        archive = self.home / "image.tar"
        _write_image(archive)
        self.docker("import", str(archive), IMAGE)


def _write_image(path: Path) -> None:
    busybox = shutil.which("busybox")
    assert busybox is not None
    names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    with tarfile.open(path, "w") as tar:
        tar.add(busybox, "bin/busybox")
        for name in names.stdout.split():
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            if name != "busybox":
                tar.addfile(link)
        for name in ("tmp", "etc", "dev", "proc", "sys", "record"):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(directory)
        passwd = tarfile.TarInfo("etc/passwd")
        text = b"root:x:0:0:root:/:/bin/sh\n"
        passwd.size = len(text)
        tar.addfile(passwd, io.BytesIO(text))


def _mounts_below(home: Path) -> list[str]:
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((one for one in mounts if one.startswith(f"{home}/")), reverse=True)


def _install() -> None:
    """Have the engine and its client, from Debian where they are missing."""
    setup = ROOT / "tools" / "setup"
    done = subprocess.run(
        [setup, "commands", "dockerd", "docker", "busybox"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Give an engine that runs and has the image; end it and remove all traces afterwards."""
    assert os.geteuid() == 0, "an engine of one's own needs root"
    _install()
    engine = Engine(Path(tempfile.mkdtemp(prefix="relay-docker-")))
    try:
        engine.start()
        engine.load_image()
        yield engine
    finally:
        with suppress(subprocess.TimeoutExpired):
            engine.close()


@pytest.fixture(scope="session")
def shared_engine() -> Iterator[Engine]:
    """Return the engine of all tests of this session."""
    with running_engine() as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: Engine) -> Iterator[Engine]:
    """Return the shared engine, without containers."""
    shared_engine.require_running()
    shared_engine.remove_all()
    yield shared_engine
    shared_engine.require_running()
    shared_engine.remove_all()
