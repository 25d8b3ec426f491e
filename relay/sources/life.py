"""
One life of a command: its group, its pipes, and the steps by which both come to their end.

A command goes on until its leader has ended. Its group may then hold on to the pipes for
GRACE_SECONDS; who is still there after that, or when it is stopped, gets TERM, then KILL.
"""

import asyncio
import signal
import time
from collections.abc import Iterator

from relay.entry import RunEnded
from relay.sources.command import Group
from relay.sources.pipe import Output, PipeReader

__all__ = ["Life"]

GRACE_SECONDS = 1.0
"""How long after its leader's end a group may hold on to the pipes."""

KILL_SECONDS = 1.0
"""How long the system may take to end a killed group."""

POLL_SECONDS = 0.02
"""How often to look whether a group is gone; nothing tells it."""


class Life:
    """
    One life of the command, from its start until all that it said is read.

    Args:
        run: id of its run.
        started_ns: nanoseconds since the epoch.
        group: its processes.
        reader: of its pipes; a sign of the leader's end wakes it.
        stop_timeout: seconds from TERM to KILL.
    """

    def __init__(
        self, run: str, started_ns: int, group: Group, reader: PipeReader, stop_timeout: float
    ) -> None:
        self.run = run
        self.started_ns = started_ns
        self.group = group
        self.going = True
        """Whether another turn is needed."""
        self._reader = reader
        self._steps = iter([(signal.SIGTERM, stop_timeout), (signal.SIGKILL, KILL_SECONDS)])
        self._until: float | None = None
        self._born = time.monotonic()
        self._died: float | None = None
        self._ending = False
        self._stopped = False

    @property
    def seconds(self) -> float:
        """How long the leader lived, or has lived so far."""
        return (self._died or time.monotonic()) - self._born

    async def turn(self) -> list[Output]:
        """Wait for news of it, and return what it said."""
        loop = asyncio.get_running_loop()
        until = self._until
        if self._ending and until is not None:
            until = min(until, loop.time() + POLL_SECONDS)
        outputs = await self._reader.turn(until)
        self._advance(loop.time())
        return outputs

    def drain(self) -> Iterator[list[Output]]:
        """Return what is left in the pipes."""
        return self._reader.drain()

    def stop(self) -> None:
        """Begin to end the group; its turns go on until it is gone."""
        self._stopped = self.group.poll() is None
        if not self._ending:
            self._escalate(asyncio.get_running_loop().time())

    def close(self) -> None:
        """Release everything; kill what is left."""
        self.group.signal(signal.SIGKILL)
        self._reader.close()
        self.group.close()

    def ended(self) -> RunEnded:
        """Return the end of the run, which is now."""
        result = self.group.poll()
        code, by = (result.code, result.signal) if result else (None, None)
        return RunEnded(self.run, time.time_ns(), self._status(code, by), code, by)

    def _status(self, code: int | None, by: str | None) -> str:
        if self._stopped:
            return "stopped"
        if by is not None:
            return "killed"
        return "ended" if code is None else "failed" if code else "succeeded"

    def _advance(self, now: float) -> None:
        if self._died is None and self.group.poll() is not None:
            self._died = time.monotonic()
            self._reader.unwatch(self.group.descriptor)
            if not self._ending:
                self._until = now + GRACE_SECONDS
        silent = self._died is not None and (self._reader.ended or self._ending)
        if silent and not self.group.is_alive():
            self.going = False
        elif self._until is not None and (now >= self._until or (silent and not self._ending)):
            self._escalate(now)

    def _escalate(self, now: float) -> None:
        step = next(self._steps, None)
        if step is None:
            # Not even KILL has ended it: it hangs in the kernel, or is not ours to kill.
            self.going = False
            return
        number, seconds = step
        self.group.signal(number)
        self._until = now + seconds
        self._ending = True
