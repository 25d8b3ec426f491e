"""
From tasks that read or receive to the one generator of their source.

Who hands batches on waits until they are visible; the generator gives what waits in one go, so
that what came from many sides is one publishing.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from relay.entry import Batch
from relay.inlet import RefusedPushError

__all__ = ["Handover"]

MOST_BYTES = 1024 * 1024
"""Of text in one publishing, about; what waits beyond it is the next."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """
    What was handed on.

    Args:
        batches: of one reader.
        published: who waits for it.
        then: is called once they are visible, also where nobody waits any more.
    """

    batches: Sequence[Batch]
    published: "asyncio.Future[None]"
    then: Callable[[], None]


class Handover:
    """Hands on batches in the order in which they come."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._news = asyncio.Event()
        self._error: BaseException | None = None
        self._is_closed = False

    async def publish(
        self, batches: Sequence[Batch], then: Callable[[], None] = lambda: None
    ) -> None:
        """
        Hand on batches of one reader, with at most one position, and wait until they are visible.

        Args:
            batches: in their order.
            then: is called as soon as they are. What stands behind the call may never be
                reached: who waits may be cancelled at that very moment.

        Raises:
            RefusedPushError: the relay is stopping; they may have been published.
        """
        if self._is_closed:
            raise _stopping()
        published = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(batches, published, then))
        self._news.set()
        await published

    def fail(self, error: BaseException) -> None:
        """Let the generator raise an error: its source cannot go on."""
        self._error = error
        self._news.set()

    def open(self) -> None:
        """Begin anew, after an end."""
        self._is_closed, self._error = False, None

    def close(self) -> None:
        """Refuse what waits, and all that comes."""
        self._is_closed = True
        waiting, self._waiting = self._waiting, []
        _settle(waiting, _stopping())

    async def batches(
        self, idle: Callable[[], Sequence[Batch]], seconds: float
    ) -> AsyncGenerator[list[Batch], None]:
        """
        Give what is handed on, for ever.

        Args:
            idle: is asked about every ``seconds`` for what else there is to publish.
            seconds: how often.

        Raises:
            BaseException: what :meth:`fail` was given.
        """
        while True:
            await self._wait(seconds)
            if self._error is not None:
                raise self._error
            waiting = self._take()
            given = [batch for one in waiting for batch in one.batches]
            given += idle()
            if not given:
                continue
            try:
                yield given
            except BaseException:
                _settle(waiting, _stopping())
                raise
            _settle(waiting)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    def _take(self) -> list[_Waiting]:
        """Take what waits; what nobody waits for any more was not begun, and is dropped."""
        size = count = 0
        for one in self._waiting:
            count += 1
            size += sum(len(batch.lines.text) for batch in one.batches)
            if size >= MOST_BYTES:
                break
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        if not self._waiting:
            self._news.clear()
        return [one for one in taken if not one.published.done()]


def _settle(waiting: Sequence[_Waiting], error: Exception | None = None) -> None:
    for one in waiting:
        if error is None:
            one.then()
        if one.published.done():
            continue  # Who waited has left.
        if error is None:
            one.published.set_result(None)
        else:
            one.published.set_exception(error)


def _stopping() -> RefusedPushError:
    return RefusedPushError("stopping", "the relay is stopping")
