"""
Sources: where lines come from.

Add a source: one module with its options and a :class:`~relay.sources.base.Source`, a function
that imports it, and one line in ``SOURCES``. What is not configured is never imported: that
would be a tenth of the relay's start.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from relay.sources.base import Source, SourceOptions

__all__ = ["MODELS", "OWN_LOG", "SOURCES"]

OWN_LOG = "relay"
"""The type of the relay's own log."""

_T = TypeVar("_T")


def _file() -> type[Source]:
    from relay.sources.file import FileSource

    return FileSource


def _process() -> type[Source]:
    from relay.sources.process import ProcessSource

    return ProcessSource


def _stdin() -> type[Source]:
    from relay.sources.stdin import StdinSource

    return StdinSource


def _push() -> type[Source]:
    from relay.sources.push import PushSource

    return PushSource


def _cloudwatch() -> type[Source]:
    from relay.sources.cloudwatch import CloudwatchSource

    return CloudwatchSource


def _docker() -> type[Source]:
    from relay.sources.docker import DockerSource

    return DockerSource


def _cloudwatch_push() -> type[Source]:
    from relay.sources.cloudwatch_push import CloudwatchPushSource

    return CloudwatchPushSource


def _relay() -> type[Source]:
    from relay.sources.own_log import OwnLogSource

    return OwnLogSource


class _AtNeed(Mapping[str, _T]):
    """A mapping whose values are made when they are asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], _T]]) -> None:
        self._makers = makers

    def __getitem__(self, kind: str) -> _T:
        return self._makers[kind]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __contains__(self, kind: object) -> bool:
        return kind in self._makers


SOURCES: Mapping[str, type[Source]] = _AtNeed(
    {
        "file": _file,
        "process": _process,
        "stdin": _stdin,
        "push": _push,
        "docker": _docker,
        "cloudwatch": _cloudwatch,
        "cloudwatch-push": _cloudwatch_push,
        OWN_LOG: _relay,
    }
)
"""All sources by their ``type`` in the configuration."""


def _options(kind: str) -> type[SourceOptions]:
    return SOURCES[kind].Options


MODELS: Mapping[str, type[SourceOptions]] = _AtNeed(
    {kind: partial(_options, kind) for kind in SOURCES}
)
"""The models of their tables."""
