"""
CloudWatch Logs, pulled: log groups of AWS, read without loss and without repetition.

The parts: ``cloudwatch_options`` (its keys), ``cloudwatch_groups`` (which log groups),
``cloudwatch_poller`` (reading one of them), ``cloudwatch_window`` (what was read, and what must be
asked for again), ``cloudwatch_client``, ``cloudwatch_errors`` and ``cloudwatch_pace`` (AWS),
``cloudwatch_events`` and ``cloudwatch_batches`` (from events to batches), ``cloudwatch_lines``,
``cloudwatch_lambda`` and ``cloudwatch_runs`` (channels, and which run a line is of).

A reader is a log group, and its position the time from which on it is asked for again; the keys of
the events after it are beside it. Under a glob it is kept when its log groups were listed last:
all of one that appeared since then is new. AWS's libraries are loaded when the source starts.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial

from relay.entry import Batch, Position
from relay.errors import SourceError
from relay.sources.base import SourceState, SourceStatus
from relay.sources.cloudwatch_client import Client, Clients, Connection
from relay.sources.cloudwatch_errors import AwsError, Kind
from relay.sources.cloudwatch_events import Event
from relay.sources.cloudwatch_groups import Group, Listing, find_groups, parse_group
from relay.sources.cloudwatch_jobs import JobSource
from relay.sources.cloudwatch_lines import LogLines
from relay.sources.cloudwatch_options import NOW, CloudwatchOptions
from relay.sources.cloudwatch_poller import (
    POSITION_SECONDS,
    Backoff,
    Interval,
    Poller,
    Reporter,
)
from relay.sources.cloudwatch_window import Window
from relay.status import ReaderStatus
from relay.times import parse_time

__all__ = ["CloudwatchSource"]

log = logging.getLogger(__name__)

LIST_SECONDS = 30.0
"""How long at most until a glob's log groups are listed again."""

LIST_SHARE = 4
"""Listing takes at most about one part in so many of the time: a page of 50 log groups is soon
asked for again, hundreds are not."""

GONE = ("missing", "failing")
"""States of log groups that are read no more if they are not listed either."""

SLACK_MS = 3_600_000
"""How late AWS may be with all of a log group; with a filter nobody can tell."""


class CloudwatchSource(JobSource):
    """
    Reads log groups.

    Args:
        name: from the configuration's table.
        options: its keys.
        status: its rows are log groups: ``reading``, ``throttled``, ``missing``, ``unreachable``,
            ``failing``.
        list_seconds: how long at most until a glob's log groups are listed again.
    """

    Options = CloudwatchOptions
    options: CloudwatchOptions
    can_wait = True

    def __init__(
        self,
        name: str,
        options: CloudwatchOptions,
        status: SourceStatus,
        list_seconds: float = LIST_SECONDS,
    ) -> None:
        super().__init__(name, options, status)
        self._list_seconds = list_seconds
        self._windows: dict[str, Window] = {}
        self._lines: dict[str, LogLines] = {}
        self._pollers: dict[str, asyncio.Task[None]] = {}
        self._listed_ms: dict[str, int] = {}
        """When a glob's log groups were listed last."""
        self._noted_at: float | None = None

    @property
    def feeds(self) -> frozenset[str]:
        """The channels of the log groups that are read, where lines alone do not tell them."""
        channels = [lines.channel for lines in self._lines.values()]
        return frozenset([channel for channel in channels if channel is not None])

    @property
    def is_hearing(self) -> bool:
        """Whether any log group can be read; one that is gone says nothing more."""
        states = {row.state for row in self.status.readers.values()}
        return not states or not states.isdisjoint(("reading", "missing"))

    async def batches(
        self, positions: Mapping[str, Position]
    ) -> AsyncGenerator[list[Batch], None]:
        """
        Read, by the contract of :class:`~relay.sources.base.Source`.

        Raises:
            SourceError: AWS cannot be asked with what there is.
        """
        options = self.options
        connection = Connection(
            options.region,
            options.profile,
            options.endpoint_url,
            options.max_requests_per_second,
        )
        clients = Clients(connection, self.hub)
        self.handover.open()
        lister = asyncio.create_task(self._list_groups(clients, positions))
        lister.add_done_callback(self._note_end)
        try:
            async with aclosing(self.given()) as given:
                async for batches in given:
                    yield batches
        finally:
            await self._end([lister, *self._pollers.values()])
            await clients.close()

    async def _end(self, tasks: Sequence["asyncio.Task[None]"]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pollers.clear()
        self.status.readers.clear()

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.handover.fail(error)

    async def _list_groups(self, clients: Clients, positions: Mapping[str, Position]) -> None:
        """Read each log group that is there, and those that appear."""
        wanted = [parse_group(text) for text in self.options.log_group]
        backoff = Backoff()
        while True:
            began, began_ms = time.monotonic(), _now_ms()
            try:
                listings = [await find_groups(one, clients) for one in wanted]
            except AwsError as error:
                if error.kind is Kind.CREDENTIALS or not self._pollers:
                    raise SourceError(str(error)) from error
                self._fail(str(error))
                seconds = backoff.wait()
            else:
                backoff.reset()
                await self._take_up(listings, positions, began_ms)
                seconds = self._list_again(time.monotonic() - began)
            if not self._pollers:
                self.status.enter(SourceState.WAITING)
            if not any(one.is_glob for one in wanted):
                return
            await asyncio.sleep(seconds)

    def _list_again(self, took_seconds: float) -> float:
        """Return in how many seconds to list again; lines of a new log group wait for it."""
        least = max(self.options.poll_interval, self.options.poll_interval_max)
        return min(max(least, LIST_SHARE * took_seconds), self._list_seconds)

    async def _take_up(
        self, listings: Sequence[Listing], positions: Mapping[str, Position], listed_ms: int
    ) -> None:
        """Read log groups that are there, and no more those that are gone."""
        groups: dict[Group, Listing] = {}
        for listing in listings:
            groups |= {group: listing for group in listing.groups if group not in groups}
        for reader in self._pollers.keys() - {group.reader for group in groups}:
            # A list may leave out what is there; who reads it is told.
            row = self.status.readers.get(reader)
            if row is not None and row.state in GONE:
                self._pollers.pop(reader).cancel()
                self._lines.pop(reader)
                self.status.readers.pop(reader)
        others = [group for group in groups if group.reader not in self._pollers]
        for group in others:
            self._prepare(group, groups[group], positions)
        # Positions before the first lines: a crash must not begin elsewhere. They are one with
        # the time of the list, after which no log group is taken for an old one.
        first = [batch for group in others for batch in self._first(group, positions)]
        first += self._note_lists(listings, listed_ms)
        if first:
            await self.handover.publish(first)
        for group in others:
            self._read(group, groups[group].client)

    def _prepare(self, group: Group, listing: Listing, positions: Mapping[str, Position]) -> None:
        """Find out where reading a log group begins, or goes on."""
        reader = group.reader
        if reader not in self._windows:
            self._windows[reader] = self._window(reader, listing, positions)
        if reader not in self._lines:
            lines = LogLines(self, self.options, group.name, reader, group.region)
            self._lines[reader] = lines
            self.resume_invocations(lines)

    def _first(self, group: Group, positions: Mapping[str, Position]) -> list[Batch]:
        """Return where reading of a log group begins, if that is not kept yet."""
        reader = group.reader
        if reader in positions:
            return []
        return self._lines[reader].batches((), self._windows[reader].here())

    def _note_lists(self, listings: Sequence[Listing], listed_ms: int) -> list[Batch]:
        """Take note of when globs were listed; return what is to be kept of it now and then."""
        globs = [listing.glob for listing in listings if listing.glob is not None]
        self._listed_ms |= dict.fromkeys(globs, listed_ms)
        now = time.monotonic()
        if self._noted_at is not None and now - self._noted_at < POSITION_SECONDS:
            return []
        self._noted_at = now
        position = Position(json.dumps({"listed": listed_ms}))
        return [Batch(self.name, "", reader=glob, position=position) for glob in globs]

    def _read(self, group: Group, client: Client) -> None:
        """Begin to read a log group, or go on with it."""
        options, reader = self.options, group.reader
        longest = options.poll_interval_max
        poller = Poller(
            group,
            client,
            options.selection,
            self._windows[reader],
            Interval(options.poll_interval, max(options.poll_interval, longest)),
            partial(self._publish, self._lines[reader]),
            Reporter(self.name, partial(self._show, reader), self._fail),
        )
        task = asyncio.create_task(poller.run())
        task.add_done_callback(self._note_end)
        self._pollers[reader] = task

    def _window(self, reader: str, listing: Listing, positions: Mapping[str, Position]) -> Window:
        lookback_ms = int(self.options.lookback * 1000)
        slack_ms = SLACK_MS if self.options.filter_pattern is None else 0
        if reader in positions:
            return Window.restored(positions[reader], lookback_ms, slack_ms)
        listed_ms = self._last_listed_ms(listing.glob, positions)
        if listed_ms is not None:
            # It was not there when the groups were listed last: all of it is new.
            return Window(listed_ms - lookback_ms, lookback_ms, slack_ms)
        if self.options.start == NOW:
            return Window(_now_ms(), lookback_ms, slack_ms, is_now=True)
        begin_ns = parse_time(self.options.start, time.time_ns())
        return Window(begin_ns // 1_000_000, lookback_ms, slack_ms)

    def _last_listed_ms(self, glob: str | None, positions: Mapping[str, Position]) -> int | None:
        if glob is None or glob in self._listed_ms:
            return self._listed_ms.get(glob or "")
        # In an earlier life.
        return int(json.loads(positions[glob].value)["listed"]) if glob in positions else None

    async def _publish(
        self,
        lines: LogLines,
        events: Sequence[Event],
        position: Position,
        then: Callable[[], None],
    ) -> None:
        await self.handover.publish(lines.batches(events, position), then)

    def _show(self, reader: str, row: ReaderStatus) -> None:
        self.status.readers[reader] = row
        states = {one.state for one in self.status.readers.values()}
        self.status.enter(SourceState.RUNNING if "reading" in states else SourceState.FAILING)

    def _fail(self, sentence: str) -> None:
        self.status.fail(sentence)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
