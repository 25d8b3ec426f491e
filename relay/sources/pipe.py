"""
Pipes: bytes that come while somebody else writes, read in bulk.

Rule of this file: nothing is read ahead. A descriptor is watched only while its reader waits
for bytes, so while a batch is being published a flood waits in the pipe, and then its writer
waits. Descriptors stay as blocking as they were, since a terminal is shared with the shell.
"""

import asyncio
import fcntl
import os
import select
from collections.abc import Iterator
from contextlib import suppress

from relay.decode.decoder import Decoder
from relay.decode.lines import Decoded
from relay.entry import Origin
from relay.sources.base import TURN_BYTES

__all__ = ["Output", "Pipe", "PipeReader", "Readiness"]

PIPE_BYTES = 1 << 20
"""How much a pipe holds, where the system allows it (it gives 64 KiB unasked)."""

PACE_SECONDS = 0.001
"""
Small reads come no closer than this, so that a program that writes line by line does not
become a batch for each line; what comes after a pause is read at once.
"""

SMALL_BYTES = TURN_BYTES // 4


class Readiness:
    """
    Tells which of several descriptors can be read.

    The loop watches one epoll descriptor of ours: its own way would set the descriptors (under
    uvloop) to non-blocking, for all processes that share them. Regular files, which cannot be
    watched, are always ready.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._always: set[int] = set()

    def add(self, descriptor: int) -> None:
        """Watch a descriptor."""
        try:
            self._epoll.register(descriptor, select.EPOLLIN)
        except PermissionError:
            self._always.add(descriptor)

    def remove(self, descriptor: int) -> None:
        """Watch a descriptor no more; to be called before it is closed."""
        if descriptor in self._always:
            self._always.remove(descriptor)
        else:
            self._epoll.unregister(descriptor)

    def ready(self) -> set[int]:
        """Return the descriptors that can be read now, or are at their end."""
        return self._always.union([descriptor for descriptor, _ in self._epoll.poll(0)])

    async def wait(self, until: float | None) -> set[int]:
        """
        Wait until a descriptor is ready; yields to the loop at least once.

        Args:
            until: at most until the loop's clock shows this.
        """
        if self._always:
            await asyncio.sleep(0)
            return self.ready()
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        loop.add_reader(self._epoll.fileno(), woken.set)
        # No asyncio.timeout: in a task that was cancelled Python 3.11.2's cancels again, and a
        # command is ended in one.
        timer = None if until is None else loop.call_at(until, woken.set)
        try:
            await woken.wait()
        finally:
            loop.remove_reader(self._epoll.fileno())
            if timer is not None:
                timer.cancel()
        return self.ready()

    def close(self) -> None:
        """Stop watching; the descriptors themselves stay open."""
        self._epoll.close()


class Pipe:
    """
    One stream of bytes on its way to become lines.

    Args:
        descriptor: its read end.
        origin: of its lines.
        decoder: makes lines of them.
        keep: whether the descriptor is somebody else's and must not be closed.
    """

    def __init__(
        self, descriptor: int, origin: Origin, decoder: Decoder, *, keep: bool = False
    ) -> None:
        self.descriptor = descriptor
        self.origin = origin
        self.ended = False
        self.size = 0
        """How many bytes the last read gave."""
        self._decoder = decoder
        self._keep = keep

    @property
    def due(self) -> float | None:
        """When :meth:`pause` will have something to give, by the loop's clock."""
        return self._decoder.due

    def read(self, most: int, now: float) -> Decoded:
        """
        Read what is there; must be ready.

        Args:
            most: bytes.
            now: the loop's clock.

        Returns:
            Whole lines; at the end of the stream the unfinished one too, as a whole line.
        """
        try:
            data = os.read(self.descriptor, most)
        except BlockingIOError:
            return Decoded()
        except OSError:
            # EIO of a terminal that is gone, ECONNRESET of a socket: nothing more will come.
            data = b""
        self.size = len(data)
        if not data:
            return self.end()
        return self._decoder.feed(data, now)

    def pause(self, now: float) -> Decoded:
        """Give out what has waited long enough: the unfinished line as a part."""
        return self._decoder.pause(now)

    def end(self) -> Decoded:
        """Give out the unfinished line as a whole one, and read no more."""
        self.ended = True
        return self._decoder.flush()

    def close(self) -> None:
        """Close the descriptor, if it is ours."""
        if not self._keep:
            os.close(self.descriptor)


Output = tuple[Pipe, Decoded]
"""What one pipe gave."""


class PipeReader:
    """Reads the pipes of one source, turn by turn, and owns them."""

    def __init__(self) -> None:
        self._pipes: list[Pipe] = []
        self._readiness = Readiness()
        self._last_small = 0.0

    def add(self, pipe: Pipe) -> None:
        """Read a pipe; let it hold PIPE_BYTES, where it is one and the system allows it."""
        self._pipes.append(pipe)
        with suppress(OSError):
            fcntl.fcntl(pipe.descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._readiness.add(pipe.descriptor)

    def watch(self, sign: int) -> None:
        """Let a descriptor that is not read wake turns."""
        self._readiness.add(sign)

    def unwatch(self, sign: int) -> None:
        """Let it wake no more turns."""
        self._readiness.remove(sign)

    @property
    def ended(self) -> bool:
        """Whether all pipes are at their end."""
        return not self._pipes

    async def turn(self, until: float | None = None) -> list[Output]:
        """
        Wait for news, and read at most TURN_BYTES.

        Args:
            until: when to return with nothing, by the loop's clock; ``None``: never.

        Returns:
            What came, per pipe; nothing if a sign woke it, a pipe ended, or the time is over.
        """
        loop = asyncio.get_running_loop()
        ready = await self._readiness.wait(self._deadline(until))
        wait = self._last_small + PACE_SECONDS - loop.time()
        if ready and wait > 0:
            await asyncio.sleep(wait)
            ready = self._readiness.ready()
        return self._read(ready, loop.time())

    def drain(self) -> Iterator[list[Output]]:
        """
        Read what is in the pipes and end them, though somebody may still hold their other end.

        Reads at most what a pipe holds, since that somebody may write on; yields at most
        TURN_BYTES at a time.
        """
        for _ in range(PIPE_BYTES // TURN_BYTES * len(self._pipes)):
            ready = self._readiness.ready()
            if not self._pipes or not ready:
                break
            yield self._read(ready, 0.0)
        yield self._given([(pipe, pipe.end()) for pipe in self._pipes])

    def close(self) -> None:
        """Close the pipes that are not at their end, and give up watching."""
        for pipe in self._pipes:
            self._readiness.remove(pipe.descriptor)
            pipe.close()
        self._pipes.clear()
        self._readiness.close()

    def _deadline(self, until: float | None) -> float | None:
        times = [pipe.due for pipe in self._pipes]
        return min((time for time in [until, *times] if time is not None), default=None)

    def _read(self, ready: set[int], now: float) -> list[Output]:
        outputs = []
        readable = [pipe for pipe in self._pipes if pipe.descriptor in ready]
        for pipe in self._pipes:
            if pipe.descriptor in ready:
                outputs.append((pipe, pipe.read(TURN_BYTES // len(readable), now)))
            elif pipe.due is not None and pipe.due <= now:
                outputs.append((pipe, pipe.pause(now)))
        if readable and sum(pipe.size for pipe in readable) < SMALL_BYTES:
            self._last_small = now
        return self._given(outputs)

    def _given(self, outputs: list[Output]) -> list[Output]:
        for pipe in [pipe for pipe in self._pipes if pipe.ended]:
            self._readiness.remove(pipe.descriptor)
            self._pipes.remove(pipe)
            pipe.close()
        return [(pipe, decoded) for pipe, decoded in outputs if decoded.lines.count]
