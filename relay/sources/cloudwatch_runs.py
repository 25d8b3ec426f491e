"""
The runs that lines of CloudWatch Logs name: when they begin, and how they end.

It sees batches as they are to be published, when redaction and ``run_pattern`` have done their
work. A run begins with its first line; it ends by a line in which ``run_end_pattern`` occurs, by
the report of the Lambda invocation in which its lines were written, by silence, or by who knows.
A line that comes late does not bring back a run that has ended; a newer one does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from relay.decode.captures import Captures, Match, compile_expression
from relay.entry import Batch, Origin, RunEnded, RunStarted
from relay.hub import Hub
from relay.names import is_run_id
from relay.sources.cloudwatch_lambda import InvocationEnded

__all__ = ["JobRuns", "end_pattern"]

FORGET_SECONDS = 60.0
"""How often to let go of runs of which no line is held any more."""

MAX_INSTANCES = 1000
"""Log streams of a run, the newest: a run that never ends may come from ever more of them."""

_LINE = "whole_line_"
"""A group around the pattern: captures must have one."""


@dataclass(slots=True)
class _Open:
    """
    A run that is under way.

    Args:
        channel: where its last lines went.
        instances: the log streams that they came from, the newest last.
        said_at: when the last of them came, by the caller's clock.
    """

    channel: str
    instances: dict[str, None]
    said_at: float

    def note(self, instance: str) -> None:
        """Take note of a log stream that a line came from."""
        self.instances.pop(instance, None)
        self.instances[instance] = None
        if len(self.instances) > MAX_INSTANCES:
            del self.instances[next(iter(self.instances))]


def end_pattern(text: str) -> Captures:
    """
    Compile a pattern of the lines that end runs.

    Raises:
        ValueError: what was expected, as a noun phrase.
    """
    # By itself first: an error must show what the user wrote.
    compile_expression(text)
    return Captures(f"(?P<{_LINE}>{text})", None, "")


class JobRuns:
    """
    The runs of one source.

    Args:
        source: its name.
        pattern: of the lines that end a run.
        timeout_seconds: of silence, after which a run has ended.
    """

    def __init__(self, source: str, pattern: str | None, timeout_seconds: float | None) -> None:
        self._source = source
        self._pattern = None if pattern is None else end_pattern(pattern)
        self._timeout_seconds = timeout_seconds
        self._open: dict[str, _Open] = {}
        self._hub: Hub | None = None
        self._forgotten_at = 0.0

    def connect(self, hub: Hub, now: float) -> None:
        """Take up the runs that an earlier life left under way."""
        self._hub = hub
        for run in hub.runs.values():
            if run.source == self._source and run.ending_id is None:
                instances = {} if run.instance is None else {run.instance: None}
                self._open[run.id] = _Open(max(run.last_ids), instances, now)

    def under_way(self) -> Iterator[tuple[str, str]]:
        """Give the runs that are under way, with each log stream of theirs, the newest last."""
        known = {} if self._hub is None else self._hub.runs
        started = {name: known[name].started_ns if name in known else 0 for name in self._open}
        for name in sorted(self._open, key=started.__getitem__):
            for instance in self._open[name].instances:
                yield instance, name

    def follow(self, batches: Sequence[Batch], now: float) -> list[Batch]:
        """
        Return batches with what they say of runs.

        Args:
            batches: as they are to be published.
            now: in seconds, by a clock that never steps.
        """
        given: list[Batch] = []
        ends: dict[str, RunEnded] = {}
        for batch in batches:
            if batch.lines.count:
                given += self._starts(batch, now)
                ends.update((ended.run, ended) for ended in self._pattern_ends(batch))
            plain = tuple(one for one in batch.runs if not isinstance(one, InvocationEnded))
            given.append(batch if len(plain) == len(batch.runs) else replace(batch, runs=plain))
            for change in batch.runs:
                if isinstance(change, InvocationEnded):
                    ends.update((ended.run, ended) for ended in self._invocation_ends(change))
                elif isinstance(change, RunEnded):
                    # Only now: who said so may have left before it was handed on.
                    self._open.pop(change.run, None)
        return self._ended(given, ends) if ends else given

    def overdue(self, now: float, now_ns: int) -> list[Batch]:
        """
        Return what ends the runs that were silent for too long.

        Args:
            now: by the clock of :meth:`follow`; all that it was given is visible.
            now_ns: the present, nanoseconds since the epoch.
        """
        if now - self._forgotten_at >= FORGET_SECONDS and self._hub is not None:
            known = self._hub.runs
            self._open = {name: run for name, run in self._open.items() if name in known}
            self._forgotten_at = now
        most = self._timeout_seconds
        if most is None:
            return []
        over = [name for name, run in self._open.items() if now - run.said_at >= most]
        return [self._end(RunEnded(name, now_ns, "ended")) for name in over]

    def excuse(self, now: float) -> None:
        """
        Count silence from now on: nobody could have heard what runs said.

        Args:
            now: by the clock of :meth:`follow`.
        """
        for run in self._open.values():
            run.said_at = now

    def completed(self, ended: RunEnded, channel: str) -> list[Batch]:
        """
        Return what ends a run of which somebody knows how it ended.

        Args:
            ended: how.
            channel: one that the run is in.
        """
        run = self._open.get(ended.run)
        return [Batch(self._source, channel if run is None else run.channel, runs=(ended,))]

    def _starts(self, batch: Batch, now: float) -> Iterator[Batch]:
        for place, origin in enumerate(batch.origins):
            if origin.run is None:
                continue
            run = self._open.get(origin.run)
            if run is None:
                if not self._begins(batch, place, origin.run):
                    continue
                run = self._open[origin.run] = _Open(batch.channel, {}, now)
                yield self._start(batch, place, origin)
            run.channel, run.said_at = batch.channel, now
            if origin.instance is not None:
                run.note(origin.instance)

    def _begins(self, batch: Batch, place: int, name: str) -> bool:
        """Tell whether lines begin a run, or begin it again."""
        known = None if self._hub is None else self._hub.runs.get(name)
        if known is None:
            return True
        if known.source != self._source:
            return False
        return known.ended_ns is None or max(_times(batch, place)) > known.ended_ns

    def _start(self, batch: Batch, place: int, origin: Origin) -> Batch:
        assert origin.run is not None
        first_ns = next(iter(_times(batch, place)))
        started = RunStarted(origin.run, first_ns, origin.instance)
        return Batch(self._source, batch.channel, reader=batch.reader, runs=(started,))

    def _pattern_ends(self, batch: Batch) -> Iterator[RunEnded]:
        if self._pattern is None:
            return
        for line, match in self._pattern.find(batch.lines):
            groups = self._groups(match)
            origin = batch.origins[0 if batch.origin_index is None else batch.origin_index[line]]
            name = groups.get("run") or origin.run
            if name is not None and name in self._open:
                time_ns = 0 if batch.timestamps is None else batch.timestamps[line]
                yield _ending(name, time_ns, groups)

    def _groups(self, match: Match) -> dict[str, str]:
        assert self._pattern is not None
        found = {name: match[number] for name, number in self._pattern.groups.items()}
        return {name: value.decode() for name, value in found.items() if value}

    def _invocation_ends(self, ended: InvocationEnded) -> Iterator[RunEnded]:
        """Give the ends of what ran in an invocation: itself, or the jobs that it worked at."""
        names = [ended.run]
        if ended.run not in self._open:
            names = [name for name, run in self._open.items() if ended.instance in run.instances]
        for name in names:
            yield RunEnded(name, ended.ended_ns, ended.status)

    def _ended(self, given: list[Batch], ends: dict[str, RunEnded]) -> list[Batch]:
        """Let runs end after all lines, and let the position stand after that."""
        endings = [self._end(ended) for name, ended in ends.items() if name in self._open]
        if not endings:
            return given
        last = given[-1]
        endings = [replace(ending, reader=last.reader) for ending in endings]
        return [
            *given[:-1],
            replace(last, position=None),
            *endings[:-1],
            replace(endings[-1], position=last.position),
        ]

    def _end(self, ended: RunEnded) -> Batch:
        run = self._open.pop(ended.run)
        return Batch(self._source, run.channel, runs=(ended,))


def _times(batch: Batch, place: int) -> Iterable[int]:
    """Return the times of a batch's lines of one origin."""
    times = batch.timestamps or ()
    if batch.origin_index is None:
        return times
    return [time for time, at in zip(times, batch.origin_index, strict=True) if at == place]


def _ending(name: str, time_ns: int, groups: dict[str, str]) -> RunEnded:
    said, code = groups.get("status", "").lower(), groups.get("exit_code", "")
    exit_code = int(code) if code.isdecimal() and len(code) < 10 else None
    status = _WORDS.get(said, said)
    if not is_run_id(status):
        status = "ended" if exit_code is None else "failed" if exit_code else "succeeded"
    return RunEnded(name, time_ns, status, exit_code)


_WORDS = {
    "success": "succeeded",
    "ok": "succeeded",
    "error": "failed",
    "failure": "failed",
}
