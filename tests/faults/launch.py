"""
The relay's own command, as a process that can be killed at a known step.

    RELAY_FAULTS_STEPS=FILE python -m tests.faults.launch serve -c relay.toml

What is noted lies around the relay's own functions: they know nothing of it.
"""

import functools
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from relay.cli import main
from relay.durable import Durable
from relay.hub import Hub
from relay.store import bundles, plan
from relay.store.writer import Writer
from relay.web.writer import StreamWriter
from tests.faults.steps import ENVIRONMENT, Steps

__all__: list[str] = []


def pass_step(steps: Steps, step: str) -> None:
    """Note a step, and die if it is the fatal one."""
    if steps.take(step):
        os.kill(os.getpid(), signal.SIGKILL)


def note_before(owner: type, name: str, steps: Steps, step: str) -> None:
    """Note a step when a function is called."""
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    def noted(*arguments: Any, **options: Any) -> Any:
        pass_step(steps, step)
        return original(*arguments, **options)

    setattr(owner, name, noted)


def note_after(owner: type, name: str, steps: Steps, step: str) -> None:
    """Note a step when a function has returned."""
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    def noted(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        pass_step(steps, step)
        return result

    setattr(owner, name, noted)


def note_after_waiting(owner: type, name: str, steps: Steps, step: str) -> None:
    """Note a step when a coroutine function has returned."""
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)

    @functools.wraps(original)
    async def noted(*arguments: Any, **options: Any) -> Any:
        result = await original(*arguments, **options)
        pass_step(steps, step)
        return result

    setattr(owner, name, noted)


def note_steps(steps: Steps) -> None:
    """Note all steps of a line's journey."""
    note_before(Hub, "hand_over", steps, "read")
    note_after(Hub, "_number", steps, "ids given")
    note_after(Writer, "_append", steps, "segment written")
    note_after(Writer, "commit", steps, "committed")
    note_after(Hub, "_show", steps, "visible")
    note_after_waiting(StreamWriter, "write", steps, "sent")


SEGMENT_BYTES = 640 * 1024
"""Some chunks: a run of minutes is to have many segments."""

LEAST_ENTRIES = 2
"""Of a bundle: lines come a few at a time."""

OBJECTS = frozenset({"web", "proxy"})
"""Channels that are written as objects; what others hold is bundled as far as it can be, also
where all of it is kept: it is to be read again."""


def is_archived(self: Durable, channel: str) -> bool:
    """Answer in the place of the relay's own."""
    return channel in OBJECTS


if __name__ == "__main__":
    plan.SEGMENT_BYTES, bundles.LEAST_ENTRIES = SEGMENT_BYTES, LEAST_ENTRIES
    Durable.is_archived = is_archived  # type: ignore[method-assign]
    note_steps(Steps(Path(os.environ[ENVIRONMENT])))
    # A clock that is stepped is the relay's alone: not its children's.
    os.environ.pop("LD_PRELOAD", None)
    main()
