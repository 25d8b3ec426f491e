"""
``relay init``: a configuration for what this host has, with comments.

Only logs that can be read by who asks are put in, and containers if their engine can be asked;
what cannot be read is told of.
"""

import json
import os
import pwd
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from glob import escape
from itertools import chain, count
from pathlib import Path

from relay.errors import ConfigError, ConfigProblem
from relay.names import channel_name

__all__ = ["ENGINE", "ROOT", "Logs", "find_engine", "find_logs", "save", "write_file"]

ROOT = Path("/var/log")
ENGINE = Path("/var/run/docker.sock")

SYSTEM = ("syslog", "messages", "secure", "maillog", "cron")
"""Logs of the system without a suffix, of Debian and of Red Hat."""

OWN_LOG = "relay"
CONTAINERS = "containers"
EXAMPLES = ("app", "worker", "push")
"""Sources that :data:`TAIL` shows: what is found must not have their names."""

NOTHING = f"# No logs were found under {ROOT}."

HEAD = """\
# Configuration of the log relay, written by `relay init` for what this host has.
# `relay check` tells all errors in it at once. A line that begins with "#" is a comment; one
# that holds a key shows its default, or an example.

[server]
# Where the page and all else is served: "HOST:PORT" or "unix:/run/relay.sock". An address that
# other hosts can reach needs `anonymous = true`, which lets all in.
#listen = "127.0.0.1:8514"

# Where lines and positions outlive the relay. Without it they are in memory only.
[state]
#directory = "/var/lib/relay"

# How much of each channel is kept in memory: the oldest lines leave first. With `archive` all
# lines are kept on disk for `keep_days`, in [state] directory.
[channel]
#lines = 10_000
#bytes = "16MiB"
#archive = false
#keep_days = 7\
"""

TAIL = """\
# Your own, as examples.

# An application's files. "**" is any number of directories; lines of a stack trace become one
# entry by `multiline`.
#[sources.app]
#type = "file"
#path = ["/srv/app/log/*.log"]
#start = 100
#multiline = "python"

# A command that the relay runs, and starts again where it fails.
#[sources.worker]
#type = "process"
#command = ["python3", "-u", "worker.py"]
#restart = "on-failure"

# Lines that clients push: make 2>&1 | curl -T - http://127.0.0.1:8514/build
#[sources.push]
#type = "push"
#channels = ["build", "ci-*"]
"""


DOCKER = f"""\
# The containers of this host's Docker engine, those to come too: a channel for each Compose
# service, or else for each name. Better than its socket is a proxy that only lets read: `host`.
[sources.{CONTAINERS}]
type = "docker"
#containers = ["*"]
#exclude = {{ label = ["relay.ignore=true"] }}\
"""

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Logs:
    """
    The logs of a directory.

    Args:
        directory: where they are.
        is_top: whether it is the root of all, and no directory in it.
        patterns: names or globs below it that take in what can be read.
        readable: how many that is.
        unreadable: how many more there are.
    """

    directory: Path
    is_top: bool
    patterns: tuple[str, ...]
    readable: int
    unreadable: int


def can_read(path: Path) -> bool:
    """Tell whether this process may read a file."""
    return os.access(path, os.R_OK)


def find_logs(root: Path, can_read: Callable[[Path], bool] = can_read) -> list[Logs]:
    """
    Return what there is in ``root`` (``/var/log``) and in its directories.

    Args:
        root: its own logs come first, then its directories by name.
        can_read: tells whether a file can be read.
    """
    directories = [root, *(path for path in _list(root) if path.is_dir())]
    found = [_logs(path, path == root, can_read) for path in directories]
    return [logs for logs in found if logs.readable or logs.unreadable]


def _logs(directory: Path, is_top: bool, can_read: Callable[[Path], bool]) -> Logs:
    wanted = [path for path in _list(directory) if _is_log(path, is_top) and path.is_file()]
    readable = [path for path in wanted if can_read(path)]
    patterns = dict.fromkeys("*.log" if _has_suffix(path) else path.name for path in readable)
    return Logs(directory, is_top, tuple(patterns), len(readable), len(wanted) - len(readable))


def _is_log(path: Path, is_top: bool) -> bool:
    return _has_suffix(path) or (is_top and path.name in SYSTEM)


def _has_suffix(path: Path) -> bool:
    # As in a glob, "*" is no hidden name.
    return path.suffix == ".log" and not path.name.startswith(".")


def _list(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if str(path).isprintable())
    except OSError:
        return []


def find_engine(
    socket: Path, can_use: Callable[[Path], bool] = lambda path: os.access(path, os.W_OK)
) -> bool | None:
    """
    Tell whether a Docker engine can be asked.

    Args:
        socket: its own.
        can_use: tells whether this process may connect to it.

    Returns:
        ``None`` where there is none.
    """
    try:
        is_there = stat.S_ISSOCK(socket.stat().st_mode)
    except OSError:
        return None
    return can_use(socket) if is_there else None


def write_file(logs: Iterable[Logs], has_engine: bool | None = None) -> str:
    """
    Return the text of the file.

    Args:
        logs: what there is.
        has_engine: as :func:`find_engine` says.
    """
    taken = {OWN_LOG, CONTAINERS, *EXAMPLES}
    blocks: list[str] = []
    for place in logs:
        if place.readable:
            name = _free(channel_name("system" if place.is_top else place.directory.name), taken)
            taken.add(name)
            blocks.append("\n".join(_source(name, place)))
        else:
            blocks.append(_unreadable(place))
    if has_engine is not None:
        blocks.append(DOCKER if has_engine else _refusing())
    return "\n\n".join([HEAD, *(blocks or [NOTHING]), TAIL])


def save(name: str, text: str, *, force: bool) -> None:
    """
    Write a file.

    Args:
        name: of the file.
        text: what it is to hold.
        force: whether it may be there already.

    Raises:
        ConfigError: it is there, or cannot be written.
    """
    try:
        with open(name, "w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise _problem(name, "is there already; --force overwrites it") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _problem(name, f"cannot be written: {reason}") from None


def _problem(name: str, sentence: str) -> ConfigError:
    return ConfigError(name, [ConfigProblem("", sentence)])


def _source(name: str, logs: Logs) -> Iterator[str]:
    yield f"# {_count(logs.readable)} in {logs.directory}."
    if logs.unreadable:
        yield _unreadable(logs)
    # A name may have dots, which a bare key may not.
    yield f"[sources.{name if _BARE.fullmatch(name) else json.dumps(name)}]"
    yield 'type = "file"'
    base = escape(str(logs.directory))
    paths = (json.dumps(f"{base}/{pattern}", ensure_ascii=False) for pattern in logs.patterns)
    yield f"path = [{', '.join(paths)}]"
    if not logs.is_top:
        # Many directories have an error.log: the name alone would mix them.
        yield 'channel = "{dir}-{stem}"'
    yield 'start = 100  # of the last lines; or "end", or "beginning"'


def _refusing() -> str:
    return f"# The Docker engine cannot be asked by {_user()}; on Debian the group docker may."


def _unreadable(logs: Logs) -> str:
    return (
        f"# {_count(logs.unreadable)} in {logs.directory} cannot be read by {_user()}; on Debian "
        "the group adm may."
    )


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def _count(number: int) -> str:
    return f"{number} {'log' if number == 1 else 'logs'}"


def _free(name: str, taken: Collection[str]) -> str:
    """Return ``name``, with the first number from 2 that makes it new where it is taken."""
    numbered = (f"{name}-{number}" for number in count(2))
    return next(one for one in chain([name], numbered) if one not in taken)
