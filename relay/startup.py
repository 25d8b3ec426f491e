"""
What ``relay serve`` is to do: by a file, by arguments, or by what this host has.

The relay's own log is always a source, unless one of that name is configured.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from relay.config.clashes import find_clashes
from relay.config.document import Document
from relay.config.loader import build, read
from relay.config.model import Config
from relay.errors import ConfigError
from relay.shorthand import ARGUMENTS, host_sources, sources

__all__ = ["DEFAULT_FILE", "Startup", "configure"]

DEFAULT_FILE = "relay.toml"
"""Read from where the relay is started, if nothing else is asked for."""

OWN_LOG = "relay"


@dataclass(frozen=True, slots=True)
class Startup:
    """
    What was asked for on the command line.

    Args:
        file: name of the configuration file, if one was named.
        arguments: sources, as :mod:`relay.shorthand` reads them.
        start: where their files are begun.
        listen: address, instead of the file's.
        anonymous: whether to let everyone in, whatever the file says.
        lines: how many lines each channel keeps, instead of the file's.
        state: directory of what outlives the relay, instead of the file's.
    """

    file: str | None = None
    arguments: Sequence[str] = ()
    start: str = "10"
    listen: str | None = None
    anonymous: bool = False
    lines: int | None = None
    state: str | None = None


def configure(
    startup: Startup,
    models: Mapping[str, type[BaseModel]],
    environ: Mapping[str, str],
    commands: Collection[str] = (),
) -> tuple[Config, str]:
    """
    Put together what is to be done.

    Args:
        startup: what was asked for.
        models: each type of source and its model; one is ``relay``.
        environ: where a file's ``${NAME}`` is looked up.
        commands: names that a mistyped argument may have meant.

    Returns:
        The configuration, and what errors call its origin.

    Raises:
        ConfigError: something cannot be used; holds every problem of the file, or else of
            the arguments.
    """
    file = startup.file
    if file is None and not startup.arguments and Path(DEFAULT_FILE).exists():
        file = DEFAULT_FILE
    document = {} if file is None else read(file)
    _override(document, startup)
    config = build(document, file or ARGUMENTS, models, environ)
    start = int(startup.start) if startup.start.isdecimal() else startup.start
    more = sources(startup.arguments, start, config.sources, commands)
    if file is None and not startup.arguments:
        more = host_sources()
    if OWN_LOG not in config.sources:
        more.setdefault(OWN_LOG, {"type": OWN_LOG})
    added = build({"sources": more}, ARGUMENTS, models).sources
    merged = {**config.sources, **added}
    if clashes := list(find_clashes(merged)):
        raise ConfigError(ARGUMENTS, clashes)
    return config.model_copy(update={"sources": merged}), file or ARGUMENTS


def _override(document: Document, startup: Startup) -> None:
    """Put the command line's values in the place of the file's."""
    wanted: list[tuple[str, str, Any]] = [
        ("server", "listen", startup.listen),
        ("server", "anonymous", startup.anonymous or None),
        ("channel", "lines", startup.lines),
        ("state", "directory", startup.state),
    ]
    for table, key, value in wanted:
        # What is no table in the file is left for the loader to complain of.
        if value is not None and isinstance(document.setdefault(table, {}), dict):
            document[table][key] = value
