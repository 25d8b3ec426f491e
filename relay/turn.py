"""Fairness: long work on the loop is cut into turns of a few milliseconds."""

import asyncio
import time

__all__ = ["Turn"]

TURN_SECONDS = 0.002


class Turn:
    """
    Yields to the loop once a turn is over.

    Cost of a look is one reading of the clock.
    """

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends = time.perf_counter() + TURN_SECONDS

    async def end_if_over(self) -> None:
        """Let others run if this turn has taken its time."""
        if time.perf_counter() >= self._ends:
            await asyncio.sleep(0)
            self._ends = time.perf_counter() + TURN_SECONDS
