"""The real relay as a process that is killed, stopped and started again at the same port."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.faults.clock import RelayClock

__all__ = ["RelayProcess"]

PATIENCE_SECONDS = 30.0
CHECKOUT = Path(__file__).parents[2]


class RelayProcess:
    """
    A relay with one configuration, in one life after the other.

    Args:
        folder: for its configuration and log.
        config: TOML without the table ``[server]``.
        module: what Python runs.
    """

    def __init__(self, folder: Path, config: str, module: str = "relay") -> None:
        self.port = 0
        """Where it listens, from its first start on."""
        self.log = folder / "relay.log"
        self._config = folder / "relay.toml"
        self._text = config
        self._module = module
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Of the life that is under way."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it runs, stopped or not."""
        return self._process is not None and self._process.returncode is None

    async def start(self, environment: Mapping[str, str] | None = None) -> None:
        """
        Start it, and wait until it serves.

        Raises:
            RuntimeError: it ended instead.
        """
        await self.spawn(environment)
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            announced = await self._process.stdout.readline()
        if not announced.startswith(b"relay: serving "):
            raise RuntimeError(f"the relay did not start:\n{self.tail()}")
        self.port = int(announced.split()[-1].rstrip(b"/").rsplit(b":", 1)[1])

    async def spawn(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it, with these variables besides our own."""
        listen = f'[server]\nlisten = "127.0.0.1:{self.port}"\nstop_timeout = "1s"\n'
        self._config.write_text(listen + self._text)
        with self.log.open("a") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", self._module, "serve", "-c", str(self._config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(CHECKOUT), **(environment or {})},
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def ended(self) -> None:
        """Wait until it has ended."""
        assert self._process is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._process.wait()

        RelayClock.clean(self.pid)

    async def kill(self) -> None:
        """End it as nothing can prevent, and wait until it is gone."""
        if self.is_running:
            self.signal(signal.SIGKILL)
            await self.ended()

    def has_open(self, path: Path) -> bool:
        """Ask the system, not the relay, whether it has the file open that a path leads to."""
        with suppress(FileNotFoundError):
            wanted = path.stat()
            for link in Path(f"/proc/{self.pid}/fd").iterdir():
                with suppress(FileNotFoundError):
                    if os.path.samestat(link.stat(), wanted):
                        return True
        return False

    def tail(self, characters: int = 3000) -> str:
        """Return the end of its log."""
        return self.log.read_text()[-characters:] if self.log.exists() else ""
