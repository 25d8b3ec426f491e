"""
Reading one log group: poll after poll, page after page, and what to do when AWS will not.

What AWS refuses is tried again after a while that grows, with jitter, so that many relays do not
come back at once; where it was too much, all who ask for the same account wait. Errors that no
waiting mends end the poller: its source begins anew with whatever credentials there are then.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from relay.entry import Position
from relay.errors import SourceError
from relay.sources.base import TURN_BYTES
from relay.sources.cloudwatch_client import Client
from relay.sources.cloudwatch_errors import AwsError, Kind
from relay.sources.cloudwatch_events import TIME, Event, in_order, of_page, turns
from relay.sources.cloudwatch_groups import Group
from relay.sources.cloudwatch_window import Poll, Window
from relay.status import ReaderStatus

__all__ = ["POSITION_SECONDS", "Backoff", "Interval", "Poller", "Reporter", "sentence_of"]

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0

GROWTH = 1.5
"""Of the interval, with each poll that brings nothing."""

HELD_EVENTS = 2000
"""New ones that are put in order together. AWS orders them over all pages; what is held for longer
costs memory, and leaves the processor's cache."""

HELD_SECONDS = 1.0
"""From the beginning of a poll: what it has found by then does not wait for pages to come, of
which there may be thousands without an event where a filter leaves out most."""

MAX_LOST_TOKENS = 3
"""In a row, that are nothing to speak of: a page was fetched too late."""

POSITION_SECONDS = 60.0
"""How often it is noted how far reading has come where nothing comes."""

Publish = Callable[[Sequence[Event], Position, Callable[[], None]], Awaitable[None]]
"""Makes events visible, with where reading stands after them, and calls what is to follow."""


class Backoff:
    """
    How long to wait after one failure more.

    Args:
        jitter: a number from 0 up to 1.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self._seconds = FIRST_WAIT_SECONDS

    def reset(self) -> None:
        """Begin with a short wait again: it works."""
        self._seconds = FIRST_WAIT_SECONDS

    def wait(self, longest: float = LONGEST_WAIT_SECONDS) -> float:
        """Return how many seconds to wait now, at most ``longest``."""
        seconds = min(self._seconds, longest) * (0.5 + self._jitter() / 2)
        self._seconds = min(self._seconds * 2, LONGEST_WAIT_SECONDS)
        return seconds


@dataclass(slots=True)
class Interval:
    """
    How often to poll: it stretches while nothing comes.

    Args:
        least: seconds.
        most: seconds.
        now: seconds from the beginning of the last poll to that of the next.
    """

    least: float
    most: float
    now: float = 0.0

    def next(self, *, has_news: bool) -> float:
        """Return the seconds to the next poll."""
        if has_news or not self.now:
            self.now = self.least
        else:
            self.now = min(self.now * GROWTH, self.most)
        return self.now


class Reporter:
    """
    What a poller says of itself.

    Args:
        source: its source's name.
        show: is given its row of the status.
        fail: is given a sentence where it cannot go on for now.
    """

    def __init__(
        self, source: str, show: Callable[[ReaderStatus], None], fail: Callable[[str], None]
    ) -> None:
        self._source = source
        self._show = show
        self._fail = fail
        self._last = ""

    def reading(self, newest_ms: int | None) -> None:
        """Say that it works, and how far it has come."""
        self._show(ReaderStatus("reading", position=_utc(newest_ms)))

    def recovered(self) -> None:
        """Say that a whole poll went well: what goes wrong next is worth a line."""
        self._last = ""

    def failing(self, state: str, sentence: str, seconds: float) -> None:
        """Say that it does not, why, and when it tries again."""
        if sentence != self._last:
            log.warning("source %s: %s", self._source, sentence)
            self._last = sentence
        self._show(ReaderStatus(state, f"{sentence}; tries again in {seconds:.1f} s"))
        self._fail(sentence)


class Poller:
    """
    Reads one log group until it is cancelled.

    Args:
        group: which.
        client: whom to ask.
        selection: what is asked of it: streams and filter, as parameters of the request.
        window: what was read before.
        interval: how often to poll.
        publish: takes what came.
        reporter: is told how it goes.
    """

    def __init__(
        self,
        group: Group,
        client: Client,
        selection: dict[str, object],
        window: Window,
        interval: Interval,
        publish: Publish,
        reporter: Reporter,
    ) -> None:
        self._group = group
        self._client = client
        # AWS takes `interleaved` for granted; other servers give one stream after another.
        self._request = {**group.request, **selection, "interleaved": True}
        self._window = window
        self._interval = interval
        self._publish = publish
        self._reporter = reporter
        self._backoff = Backoff()
        self._newest_ms: int | None = None
        self._noted_at = self._looked_at = time.monotonic()
        self._has_news = False
        self._lost_tokens = 0

    async def run(self) -> None:
        """
        Poll for ever; where reading stands is kept already.

        Raises:
            SourceError: there are no credentials that could be used.
        """
        while True:
            began = time.monotonic()
            try:
                await self._poll()
            except AwsError as error:
                await self._wait_after(error)
                continue
            self._lost_tokens = 0
            self._reporter.recovered()
            seconds = self._interval.next(has_news=self._has_news)
            await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))

    async def _wait_after(self, error: AwsError) -> None:
        sentence = sentence_of(self._group.name, error)
        if error.kind is Kind.CREDENTIALS:
            raise SourceError(sentence) from error
        # Asking for what is missing costs what asking for the silent does: when it comes, its
        # first lines are a job's.
        is_missing = error.kind is Kind.MISSING
        seconds = self._backoff.wait(self._interval.most if is_missing else LONGEST_WAIT_SECONDS)
        if error.kind is Kind.TOKEN and self._lost_tokens < MAX_LOST_TOKENS:
            # Reading goes on where it has come to, with a list of its own.
            self._lost_tokens += 1
            await asyncio.sleep(seconds)
            return
        if error.kind is Kind.THROTTLED:
            self._client.pace.hold(asyncio.get_running_loop().time() + seconds)
        self._reporter.failing(_STATES.get(error.kind, "failing"), sentence, seconds)
        await asyncio.sleep(seconds)

    async def _poll(self) -> None:
        """Read from where the window begins up to the newest event."""
        self._has_news = False
        await self._read(self._window.begin(self._now_ms()))
        if time.monotonic() - self._noted_at >= POSITION_SECONDS:
            await self._note_position()

    async def _read(self, poll: Poll) -> None:
        """Read page after page."""
        window, token = self._window, None
        ahead_ms = self._client.ahead_ms
        held: list[Event] = []
        began = time.monotonic()
        try:
            while True:
                page = await self._page(poll, token)
                poll = poll.turned(max(0, self._client.ahead_ms - ahead_ms))
                window.note_clock(self._client.ahead_ms)
                held += window.new(of_page(page))
                # The same token again leads nowhere; it ends other lists of AWS's.
                last, token = token, page.get("nextToken")
                if not token or token == last:
                    break
                now = time.monotonic()
                if len(held) >= HELD_EVENTS or now - began >= HELD_SECONDS:
                    await self._pass_on(poll, held)
                if now - self._looked_at >= self._interval.least:
                    await self._look_ahead(poll)
            await self._pass_on(poll, held)
        finally:
            window.unread(held)
        window.end(poll, self._now_ms())
        self._looked_at = time.monotonic()

    async def _look_ahead(self, sweep: Poll) -> None:
        """Read the newest events between the pages of a sweep: there may be many of them."""
        poll = self._window.meanwhile(sweep, self._now_ms())
        if poll is None:
            return
        try:
            await self._read(poll)
        except AwsError as error:
            if error.kind not in (*_PASSING, Kind.TOKEN):
                raise
            # The pages of the sweep need not be read again.
            await self._wait_after(error)

    def _now_ms(self) -> int:
        """Return the present by our clock, or by AWS's where ours is ahead of it."""
        return _now_ms() - self._client.ahead_ms

    async def _page(self, poll: Poll, token: str | None) -> Mapping[str, Any]:
        request = {**self._request, "startTime": poll.start_ms}
        if token is not None:
            request["nextToken"] = token
        while True:
            try:
                page = await self._client.filter_log_events(**request)
            except AwsError as error:
                if error.kind not in _PASSING or token is None:
                    raise
                # The pages before need not be read again.
                await self._wait_after(error)
            else:
                self._backoff.reset()
                self._reporter.reading(self._newest_ms)
                return page

    async def _pass_on(self, poll: Poll, held: list[Event]) -> None:
        """Publish events in the order of time, and take them from those that are held."""
        held[:] = in_order(held)
        for turn in turns(list(held), TURN_BYTES):
            position = self._window.position(poll, turn)
            await self._publish(turn, position, partial(self._settle, held, turn, position))

    def _settle(self, held: list[Event], turn: Sequence[Event], position: Position) -> None:
        self._window.settle(position, turn)
        del held[: len(turn)]
        self._has_news = True
        self._noted_at = time.monotonic()
        self._newest_ms = max(self._newest_ms or 0, turn[-1][TIME])

    async def _note_position(self) -> None:
        self._noted_at = time.monotonic()
        await self._publish((), self._window.here(), _nothing)


_PASSING = (Kind.THROTTLED, Kind.UNREACHABLE)
"""What is not to be said of one log group, nor of what was asked."""

_STATES = {Kind.THROTTLED: "throttled", Kind.MISSING: "missing", Kind.UNREACHABLE: "unreachable"}


def sentence_of(group: str, error: AwsError) -> str:
    """Say what went wrong with a log group, in AWS's own words."""
    return f"log group {group!r}: {error}"


def _nothing() -> None:
    pass


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _utc(time_ms: int | None) -> str | None:
    if time_ms is None:
        return None
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
