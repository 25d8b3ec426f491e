"""
What the sources of CloudWatch Logs have in common: lines that come from many sides, and runs.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from typing import ClassVar

from relay.entry import Batch, RunEnded
from relay.hub import Hub
from relay.sources.base import Source, SourceOptions
from relay.sources.cloudwatch_lines import LineOptions, LogLines
from relay.sources.cloudwatch_runs import JobRuns
from relay.sources.handover import Handover
from relay.status import SourceStatus

__all__ = ["JobSource"]

LOOK_SECONDS = 1.0
"""How often to look which runs were silent for too long."""


class JobSource(Source):
    """
    A source whose lines name runs.

    Args:
        name: from the configuration's table.
        options: its keys.
        status: what it tells about itself.
    """

    Options: ClassVar[type[SourceOptions]] = LineOptions
    options: LineOptions

    def __init__(self, name: str, options: LineOptions, status: SourceStatus) -> None:
        super().__init__(name, options, status)
        self.handover = Handover()
        self.hub: Hub | None = None
        self.runs = JobRuns(name, options.run_end_pattern, options.run_timeout)

    def connect(self, hub: Hub) -> None:
        """Take up runs that are under way; let others end them."""
        self.hub = hub
        self.runs.connect(hub, time.monotonic())
        hub.completers[self.name] = self

    def followed(self, batches: list[Batch]) -> list[Batch]:
        """Return batches with what they say of runs."""
        return self.runs.follow(batches, time.monotonic())

    async def complete(self, channel: str, ended: RunEnded) -> None:
        """
        End a run; see :class:`relay.inlet.Completer`.

        Raises:
            RefusedPushError: the relay is stopping.
        """
        await self.handover.publish(self.runs.completed(ended, channel))

    def resume_invocations(self, lines: LogLines) -> None:
        """Let lines know which requests an earlier life of the relay knew to be under way."""
        if lines.invocations is not None:
            for stream, run in self.runs.under_way():
                lines.invocations.resume(stream, run)

    @property
    def is_hearing(self) -> bool:
        """Whether what runs say now would come."""
        return True

    def given(self) -> AsyncGenerator[list[Batch], None]:
        """Give what is handed on, and the ends of runs that were silent for too long."""
        # The source begins, or begins anew after a failure.
        self.runs.excuse(time.monotonic())
        return self.handover.batches(self._overdue, LOOK_SECONDS)

    def _overdue(self) -> Sequence[Batch]:
        now = time.monotonic()
        if not self.is_hearing:
            self.runs.excuse(now)
        return self.runs.overdue(now, time.time_ns())

    async def stop(self) -> list[Batch]:
        """Refuse what waits: whoever brought it has it still."""
        self.handover.close()
        await asyncio.sleep(0)
        return []
