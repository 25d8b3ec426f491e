"""
A counter that knows its rate, and one that knows how long things took.

Cost of counting is two additions and, at most once a second, one exponential.
"""

import math
import time
from collections import deque

__all__ = ["Meter", "Timings"]

WINDOW_SECONDS = 10.0
"""After this long without counts a rate has fallen to 37 %."""

MAX_TIMINGS = 1000
"""The last so many are looked at."""


class Meter:
    """Counts, and how fast they came lately."""

    __slots__ = ("_at", "_pending", "_rate", "total")

    def __init__(self) -> None:
        self.total = 0
        self._pending = 0
        self._rate = 0.0
        self._at = time.monotonic()

    def add(self, count: int) -> None:
        """Count."""
        self.total += count
        self._pending += count
        if time.monotonic() - self._at >= 1.0:
            self._fold()

    def per_second(self) -> float:
        """Return the rate over about the last ten seconds."""
        if time.monotonic() - self._at >= 1.0:
            self._fold()
        return self._rate

    def _fold(self) -> None:
        now = time.monotonic()
        elapsed = now - self._at
        weight = 1.0 - math.exp(-elapsed / WINDOW_SECONDS)
        self._rate += weight * (self._pending / elapsed - self._rate)
        self._pending, self._at = 0, now


class Timings:
    """How many there were, and how long the last of them took."""

    __slots__ = ("_seconds", "total")

    def __init__(self) -> None:
        self.total = 0
        self._seconds: deque[float] = deque(maxlen=MAX_TIMINGS)

    def add(self, seconds: float) -> None:
        """Count one that took so long."""
        self.total += 1
        self._seconds.append(seconds)

    def quantile(self, share: float) -> float:
        """Return the seconds within which this share of the last ones was done; 0 for none."""
        if not self._seconds:
            return 0.0
        return sorted(self._seconds)[int((len(self._seconds) - 1) * share)]
