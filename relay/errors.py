"""
The errors that users and callers meet.

    RelayError
    ├── ConfigError      the configuration cannot be used; holds every problem at once
    ├── QueryError       a reader's parameter is wrong: a 400
    ├── NotFoundError    no such channel or run: a 404 with near names
    ├── ChannelLimitError
    │                    there are as many channels as there may be: a 429
    ├── SourceError      a source cannot go on for now; its supervisor retries
    └── StoreError       what should be durable could not be made durable

An error keeps its values; the sentence is built in ``__str__``, in lower case,
what was read against what is allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "ChannelLimitError",
    "ConfigError",
    "ConfigProblem",
    "NotFoundError",
    "QueryError",
    "RelayError",
    "SourceError",
    "StoreError",
]


class RelayError(Exception):
    """Anything that the relay tells its user in a sentence of its own."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """
    One thing wrong in a configuration.

    Args:
        where: dotted path to the key, such as ``sources.app.path``; empty for the whole file.
        sentence: what was expected and what was read, in lower case, without a full stop.
    """

    where: str
    sentence: str


class ConfigError(RelayError):
    """
    A configuration that cannot be used, with all of its problems.

    Args:
        file: name of the file as the user wrote it, or ``arguments``.
        problems: at least one.
    """

    def __init__(self, file: str, problems: Sequence[ConfigProblem]) -> None:
        self.file = file
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(
            ": ".join(part for part in (self.file, problem.where, problem.sentence) if part)
            for problem in self.problems
        )


class QueryError(RelayError):
    """
    A parameter of a reader's request that cannot be used.

    Args:
        parameter: its name, as in the URL.
        value: what was read.
        allowed: what would have been right, as a noun phrase.
    """

    def __init__(self, parameter: str, value: str, allowed: str) -> None:
        self.parameter = parameter
        self.value = value
        self.allowed = allowed

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= 100 else self.value[:100] + "…"
        return f"{self.parameter}: expected {self.allowed}, got {shown!r}"


class NotFoundError(RelayError):
    """
    A channel or run that is not there.

    Args:
        kind: ``channel`` or ``run``.
        name: what was asked for.
        near: known names that resemble it, best first.
    """

    def __init__(self, kind: str, name: str, near: Sequence[str] = ()) -> None:
        self.kind = kind
        self.name = name
        self.near = tuple(near)

    def __str__(self) -> str:
        sentence = f"no {self.kind} {self.name!r}"
        if self.near:
            sentence += "; did you mean " + " or ".join(repr(name) for name in self.near) + "?"
        return sentence


class ChannelLimitError(RelayError):
    """
    Channels that were not made, since there are as many as there may be.

    Args:
        limit: how many there may be.
        channels: names of those that were not made; at least one.
    """

    def __init__(self, limit: int, channels: Sequence[str]) -> None:
        self.limit = limit
        self.channels = tuple(channels)

    def __str__(self) -> str:
        names = repr(self.channels[0])
        if len(self.channels) > 1:
            names += f" and {len(self.channels) - 1} more"
        return f"channel limit of {self.limit} reached: {names} not made"


class SourceError(RelayError):
    """
    A source cannot go on for now.

    The supervisor shows the sentence in the source's status and tries again with backoff.

    Args:
        sentence: what went wrong and, where it helps, what to do.
    """

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class StoreError(RelayError):
    """
    What should be durable cannot be made durable, or cannot be read.

    Args:
        directory: ``state.directory``.
        problem: what is wrong with it, as a predicate: ``cannot be written: no space left``.
    """

    def __init__(self, directory: str, problem: str) -> None:
        self.directory = directory
        self.problem = problem

    def __str__(self) -> str:
        return f"state.directory {self.directory} {self.problem}"
