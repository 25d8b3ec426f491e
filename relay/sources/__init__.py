"""
Sources: where lines come from.

Add a source: one module with its options and a :class:`~relay.sources.base.Source`, and one
line in ``SOURCES``.
"""

from relay.sources.base import Source
from relay.sources.file import FileSource
from relay.sources.own_log import OwnLogSource
from relay.sources.process import ProcessSource
from relay.sources.push import PushSource
from relay.sources.stdin import StdinSource

__all__ = ["SOURCES"]

SOURCES: dict[str, type[Source]] = {
    "file": FileSource,
    "process": ProcessSource,
    "stdin": StdinSource,
    "push": PushSource,
    "relay": OwnLogSource,
}
"""All sources by their ``type`` in the configuration."""
