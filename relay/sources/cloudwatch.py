"""
CloudWatch Logs, pulled: log groups of AWS, read without loss and without repetition.

The parts: ``cloudwatch_options`` (its keys), ``cloudwatch_groups`` (which log groups),
``cloudwatch_poller`` (reading one of them), ``cloudwatch_window`` (what was read, and what must be
asked for again), ``cloudwatch_client``, ``cloudwatch_errors`` and ``cloudwatch_pace`` (AWS),
``cloudwatch_events`` and ``cloudwatch_batches`` (from events to batches), ``cloudwatch_lines``,
``cloudwatch_lambda`` and ``cloudwatch_runs`` (channels, and which run a line is of).

A reader is a log group, and its position the time from which on it is asked for again; the keys of
the events after it are beside it. AWS's libraries are loaded when the source starts.
"""

import asyncio
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
from relay.sources.cloudwatch_groups import Group, find_groups, parse_group
from relay.sources.cloudwatch_jobs import JobSource
from relay.sources.cloudwatch_lines import LogLines
from relay.sources.cloudwatch_options import NOW, CloudwatchOptions
from relay.sources.cloudwatch_poller import Interval, Poller, Reporter
from relay.sources.cloudwatch_window import Window
from relay.status import ReaderStatus
from relay.times import parse_time

__all__ = ["CloudwatchSource"]

log = logging.getLogger(__name__)

LIST_SECONDS = 30.0
"""How often to look for more log groups that a glob takes in."""

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
        list_seconds: how often to look for more log groups that a glob takes in.
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
        self._listed_ms: int | None = None

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
        while True:
            listed_ms = _now_ms()
            try:
                groups = await find_groups(wanted, clients)
            except AwsError as error:
                if error.kind is Kind.CREDENTIALS or not self._pollers:
                    raise SourceError(str(error)) from error
                self._fail(str(error))
            else:
                self._take_up(groups, positions)
                self._listed_ms = listed_ms
            if not self._pollers:
                self.status.enter(SourceState.WAITING)
            if not any(one.is_glob for one in wanted):
                return
            await asyncio.sleep(self._list_seconds)

    def _take_up(self, groups: Mapping[Group, Client], positions: Mapping[str, Position]) -> None:
        """Read log groups that are there, and no more those that are gone."""
        for reader in self._pollers.keys() - {group.reader for group in groups}:
            self._pollers.pop(reader).cancel()
            self._lines.pop(reader)
            self.status.readers.pop(reader, None)
        for group, client in groups.items():
            if group.reader not in self._pollers:
                self._read(group, client, positions)

    def _read(self, group: Group, client: Client, positions: Mapping[str, Position]) -> None:
        """Begin to read a log group, or go on with it."""
        options, reader = self.options, group.reader
        longest = options.poll_interval_max
        # Not again where the source begins anew: what it publishes means that it works.
        is_new = reader not in self._windows and reader not in positions
        if reader not in self._windows:
            self._windows[reader] = self._window(positions.get(reader))
        if reader not in self._lines:
            self._lines[reader] = LogLines(self, options, group.name, reader, group.region)
            self.resume_invocations(self._lines[reader])
        poller = Poller(
            group,
            client,
            options.selection,
            self._windows[reader],
            Interval(options.poll_interval, max(options.poll_interval, longest)),
            partial(self._publish, self._lines[reader]),
            Reporter(self.name, partial(self._show, reader), self._fail),
            is_new=is_new,
        )
        task = asyncio.create_task(poller.run())
        task.add_done_callback(self._note_end)
        self._pollers[reader] = task

    def _window(self, position: Position | None) -> Window:
        lookback_ms = int(self.options.lookback * 1000)
        slack_ms = SLACK_MS if self.options.filter_pattern is None else 0
        if position is not None:
            return Window.restored(position, lookback_ms, slack_ms)
        if self._listed_ms is not None:
            # It was not there when the groups were listed last: all of it is new.
            return Window(self._listed_ms - lookback_ms, lookback_ms, slack_ms)
        now_ns = time.time_ns()
        begin_ns = now_ns if self.options.start == NOW else parse_time(self.options.start, now_ns)
        return Window(begin_ns // 1_000_000, lookback_ms, slack_ms)

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
