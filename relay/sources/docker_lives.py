"""
Which run of a container a line is of, and how each run ended.

Pure. A log goes on over restarts, and only times tell one run's lines from the next one's. A
``die`` event comes when all that a run said is in the log, and before the next run says anything:
it is the border. Where it was missed, the border is in the middle between what the engine calls
the end of one run and the start of the next: lines may be a little later than the one and a
little earlier than the other.

A run is new if its start was never seen, whatever the clock says: it may have been set back.
"""

from bisect import insort
from collections import deque
from dataclasses import dataclass, replace

from relay.entry import RunEnded, RunStarted
from relay.sources.docker_facts import Container, Death, Event, ended, run_id

__all__ = ["Life", "Lives"]

EARLY_NS = 100_000_000
"""So much sooner than the engine's start a run may have said something, where its machine is
busy; and so long a container takes to be started again."""

FIRST_NS = 10_000_000_000
"""A run that began so soon after its container was made is its first."""

MAX_EVENTS = 256
"""What the engine remembers."""


@dataclass(frozen=True, slots=True)
class Life:
    """
    One run of the container.

    Args:
        run: its id.
        started_ns: nanoseconds since the epoch.
        from_ns: its lines have this time or a later one.
    """

    run: str
    started_ns: int
    from_ns: int

    def started(self, instance: str) -> RunStarted:
        """Return its start in the hub's words."""
        return RunStarted(self.run, self.started_ns, instance)


class Lives:
    """
    The runs of one container: the one whose lines are read now, and those that follow.

    Args:
        current: what was read last, in an earlier life of the relay too.
        is_over: whether its end was published.
    """

    def __init__(self, current: Life | None = None, *, is_over: bool = False) -> None:
        self.current = current
        self.is_over = is_over
        self.next: deque[Life] = deque()
        """Those that have begun since."""
        self._deaths: list[tuple[int, int | None]] = []
        self._starts: list[int] = []
        self._ooms: list[int] = []
        self._seen: deque[int] = deque(maxlen=MAX_EVENTS)
        """Starts of runs, as the engine calls them."""
        if current is not None:
            self._seen.append(current.started_ns)
        self._newest_death: tuple[int, int | None] | None = None
        """That was told last, whatever its time."""
        self._facts: Container | None = None

    @property
    def run(self) -> str | None:
        """The run of lines that are read now."""
        return None if self.current is None else self.current.run

    def note(self, event: Event) -> None:
        """Remember what happened."""
        if event.action == "die":
            code = event.labels.get("exitCode", "")
            number = int(code) if code.isdigit() else None
            if all(event.time_ns != time for time, _ in self._deaths):
                insort(self._deaths, (event.time_ns, number))
                del self._deaths[:-MAX_EVENTS]
                self._newest_death = event.time_ns, number
                self._settle_borders()
        elif event.action == "oom":
            self._ooms = [*self._ooms[-MAX_EVENTS:], event.time_ns]
        elif event.action == "start" and event.time_ns not in self._starts:
            insort(self._starts, event.time_ns)
            del self._starts[:-MAX_EVENTS]

    def see(self, facts: Container) -> None:
        """Take note of how the container is now; its newest run may be a new one."""
        self._facts = facts
        if not self._is_new(facts):
            return
        # Those between that came and went.
        for start in self._starts:
            is_over = any(start < time < facts.started_ns for time, _ in self._deaths)
            if self._died_since(self._last_started_ns, start) and is_over:
                self._add(facts, start)
        self._add(facts, facts.started_ns)

    def misses_death(self, facts: Container) -> bool:
        """Tell whether a run that goes on here has ended by these facts, and no event said so."""
        if self.current is None or self.is_over:
            return False
        return bool(self.next or self._is_new(facts)) and not self.is_known_dead

    def _is_new(self, facts: Container) -> bool:
        return facts.started_ns > 0 and facts.started_ns not in self._seen

    def see_starts(self, facts: Container) -> None:
        """Take note of runs that only events have told of: the container is gone."""
        for start in self._starts:
            last = self._last_started_ns
            # The engine tells of a start a moment after what it calls its time.
            if start > last and (not last or self._died_since(last, start)):
                self._add(facts, start)

    @property
    def _last_started_ns(self) -> int:
        last = self.next[-1] if self.next else self.current
        return 0 if last is None else last.started_ns

    def _died_since(self, after: int, before: int) -> bool:
        return any(after < time < before for time, _ in self._deaths)

    def _add(self, facts: Container, started_ns: int) -> None:
        border = self._border(facts, self._last_started_ns, started_ns)
        self.next.append(Life(run_id(facts, started_ns), started_ns, border))
        self._seen.append(started_ns)

    def _settle_borders(self) -> None:
        """Correct the borders of runs that begin after a death that was told later."""
        before = 0 if self.current is None else self.current.started_ns
        for index, life in enumerate(self.next):
            deaths = [time for time, _ in self._deaths if before < time < life.started_ns]
            if deaths:
                self.next[index] = replace(life, from_ns=deaths[-1])
            before = life.started_ns

    def _border(self, facts: Container, before_ns: int, started_ns: int) -> int:
        """Return from which time on lines are of a run that started after another."""
        deaths = [time for time, _ in self._deaths if before_ns < time < started_ns]
        if deaths:
            return deaths[-1]
        if facts.is_running and not facts.finished_ns:
            return 0
        if facts.is_running and before_ns < facts.finished_ns < started_ns:
            return (facts.finished_ns + started_ns) // 2
        is_first = not before_ns and started_ns - facts.created_ns < FIRST_NS
        return 0 if is_first else started_ns - EARLY_NS

    def border(self) -> int | None:
        """Return from which time on lines are of the next run; ``None``: there is no next."""
        return self.next[0].from_ns if self.next else None

    def advance(self) -> Life:
        """Go on to the next run, which must be there."""
        self.current, self.is_over = self.next.popleft(), False
        return self.current

    def end(self, now_ns: int) -> RunEnded | None:
        """
        End the current run, after its last line.

        Args:
            now_ns: when, where nobody knows.

        Returns:
            ``None`` where there is none, or its end was told.
        """
        if self.current is None or self.is_over:
            return None
        self.is_over = True
        death = self._death(self.current, now_ns)
        # A container that lives for a moment has ended before the engine took note of its start.
        when = max(death.time_ns, self.current.started_ns)
        return ended(self.current.run, replace(death, time_ns=when))

    @property
    def is_known_dead(self) -> bool:
        """Whether an event has told the end of the current run, if there is one."""
        return self.current is None or self._event_death(self.current) is not None

    def _death(self, life: Life, now_ns: int) -> Death:
        facts = self._facts
        told = self._event_death(life)
        if facts is not None and facts.started_ns == life.started_ns and facts.is_over:
            oom = facts.oom or (told is not None and told.oom)
            return Death(facts.finished_ns or now_ns, facts.exit_code, oom)
        if told is not None:
            return told
        until = self.next[0].started_ns if self.next else now_ns
        if facts is not None and life.started_ns < facts.finished_ns <= until:
            until = facts.finished_ns
        return Death(until, None)

    def _event_death(self, life: Life) -> Death | None:
        until = self.next[0].started_ns if self.next else None
        for time, code in self._deaths:
            if life.started_ns < time and (until is None or time < until):
                oom = any(life.started_ns < one <= time for one in self._ooms)
                return Death(time, code, oom)
        if until is not None and until < life.started_ns and self._newest_death is not None:
            # The clock was set back: what was told last is the only order.
            return Death(*self._newest_death)
        return None
