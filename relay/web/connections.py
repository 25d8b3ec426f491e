"""
Open streams: who they are, and the one clock that gives them heartbeats.

One timer for all of them: a timer for each client would cost more than an idle client does. And
one callback of the loop for all who have news: one for each is a tenth of what a line costs.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from relay.query import Query
from relay.subscription import Subscription

__all__ = ["Connection", "Connections"]

_TICKS_PER_HEARTBEAT = 15

_numbers = count(1)


@dataclass(eq=False, slots=True)
class Connection:
    """
    One open stream.

    Args:
        protocol: ``sse``, ``ndjson``, ``text``, ``websocket``, ``download`` or ``poll``.
        query: what it reads.
        subscription: where it stands.
        heard: the tick at which something was last sent.
        number: of the connection, in the order of arrival.
    """

    protocol: str
    query: Query
    subscription: Subscription
    heard: int = 0
    number: int = field(default_factory=lambda: next(_numbers))


class Connections:
    """
    All open streams.

    Args:
        heartbeat_seconds: how long a stream may be silent.
    """

    def __init__(self, heartbeat_seconds: float) -> None:
        self._open: set[Connection] = set()
        self._tick_seconds = heartbeat_seconds / _TICKS_PER_HEARTBEAT
        self.tick = 0
        self.stopping = False
        self._due: deque[Callable[[], None]] = deque()

    def __iter__(self) -> Iterator[Connection]:
        return iter(sorted(self._open, key=lambda connection: connection.number))

    def __len__(self) -> int:
        return len(self._open)

    def open(self, connection: Connection) -> None:
        """Count a connection from now on."""
        connection.heard = self.tick
        self._open.add(connection)

    def close(self, connection: Connection) -> None:
        """Count it no more."""
        self._open.discard(connection)

    @contextmanager
    def opened(self, connection: Connection) -> Iterator[Connection]:
        """Count a connection while it is open."""
        self.open(connection)
        try:
            yield connection
        finally:
            self.close(connection)

    def call_soon(self, function: Callable[[], None]) -> None:
        """Have the loop call a function, with those of other connections."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._call_due)
        self._due.append(function)

    def _call_due(self) -> None:
        due, self._due = self._due, deque()
        try:
            while due:
                due.popleft()()
        finally:
            # One that failed is no reason to forget those behind it.
            for function in due:
                self.call_soon(function)

    def is_silent(self, connection: Connection) -> bool:
        """Tell whether a heartbeat is due."""
        return self.tick - connection.heard >= _TICKS_PER_HEARTBEAT

    async def run(self) -> None:
        """Wake those for whom a heartbeat is due, until cancelled."""
        while True:
            await asyncio.sleep(self._tick_seconds)
            self.tick += 1
            for connection in self._open:
                if self.is_silent(connection):
                    connection.subscription.poke()

    def stop(self) -> None:
        """Tell all streams to end."""
        self.stopping = True
        for connection in self._open:
            connection.subscription.poke()
