"""
Sources without a configuration file: the arguments of ``relay serve``, and what a host has.

Both give tables, as a configuration file would; their values are checked like a file's. An
argument is ``[NAME=]SOURCE``, where SOURCE is ``-`` (stdin), ``cmd:COMMAND`` (a line for the
shell), ``docker:NAME`` (containers; a glob, or an id) or a path, which may be a glob.
"""

import os
import re
import shlex
import stat
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from relay.errors import ConfigError, ConfigProblem
from relay.names import channel_name, is_channel_name, near

__all__ = ["ARGUMENTS", "host_sources", "is_piped", "sources"]

ARGUMENTS = "arguments"
"""What stands in errors where a file's name would."""

ALLOWED = "a path, '-', cmd:COMMAND or docker:NAME"

Table = dict[str, Any]

HOST: dict[str, Table] = {
    "files": {
        "type": "file",
        # As globs: a host has one or the other, and is not to be told that one is missing.
        "path": ["/var/log/*.log", "/var/log/[s]yslog", "/var/log/[m]essages"],
        "start": 100,
    },
    # Many directories have an error.log: their files are told apart by the directory.
    "directories": {
        "type": "file",
        "path": ["/var/log/*/*.log"],
        "channel": "{dir}-{stem}",
        "start": 100,
    },
}
"""Where hosts have their logs, and how many of the last lines are shown."""

MERGED = {"file": "path", "docker": "containers"}
"""Of which types all sources without a name are one, and which key of theirs is a list."""

TAILS = {"end": 0, "beginning": "all"}
"""What a container's log calls the places where a file may be begun."""

_GLOB = re.compile(r"[*?\[]")
_VARIABLE = re.compile(r"\w+=")
_KIND = re.compile(r"[a-z][a-z0-9+-]*:")


def sources(
    arguments: Sequence[str],
    start: str | int,
    taken: Collection[str] = (),
    commands: Collection[str] = (),
) -> dict[str, Table]:
    """
    Read arguments.

    Paths without a name become one source, ``files``, with a channel for each file's stem, and
    containers one, ``containers``, with a channel for each one's service.

    Args:
        arguments: as the shell gave them.
        start: where files and logs of containers are begun: ``end``, ``beginning``, or how many of
            the last lines.
        taken: names of sources that are there already.
        commands: names that a mistyped word may have meant.

    Returns:
        The sources' tables by name.

    Raises:
        ConfigError: with every argument that cannot be used.
    """
    tables: dict[str, Table] = {}
    problems: list[ConfigProblem] = []
    # A shell's own glob gives directories too: they are passed over beside files.
    is_beside_files = any(Path(argument).is_file() for argument in arguments)
    for argument in arguments:
        if is_beside_files and Path(argument).is_dir():
            continue
        try:
            _add(argument, start, tables, taken, commands)
        except ValueError as error:
            problems.append(ConfigProblem(argument, str(error)))
    if problems:
        raise ConfigError(ARGUMENTS, problems)
    return tables


def _add(
    argument: str,
    start: str | int,
    tables: dict[str, Table],
    taken: Collection[str],
    commands: Collection[str],
) -> None:
    name, what = _split(argument)
    default, table = _table(what, start, commands)
    if table["type"] == "stdin" and any(other["type"] == "stdin" for other in tables.values()):
        raise ValueError("stdin can be read only once")
    if name is not None:
        if name in tables or name in taken:
            raise ValueError(f"there is another source with the name {name!r}")
        tables[name] = {**table, "channel": name}
        return
    key = MERGED.get(table["type"], "")
    nameless = [other for other in tables.values() if key in other and "channel" not in other]
    if nameless:
        nameless[0][key] += table[key]
    else:
        tables[_free(default, [*tables, *taken])] = table


def _split(argument: str) -> tuple[str | None, str]:
    """Return the name before ``=``, if it is one, and the rest."""
    name, equals, what = argument.partition("=")
    if not equals or not is_channel_name(name) or Path(argument).exists():
        return None, argument
    # A word before the first "=" of a command is part of the command: cmd:A=1 make.
    if _KIND.match(name):
        return None, argument
    return name, what


def _table(what: str, start: str | int, commands: Collection[str]) -> tuple[str, Table]:
    """Return what a source without a name is called, and its table."""
    if what == "-":
        return "stdin", {"type": "stdin"}
    if what.startswith("cmd:"):
        command = what.removeprefix("cmd:").strip()
        if not command:
            raise ValueError("expected a command after cmd:")
        # Who starts a command by hand wants it once, whatever comes of it.
        return _program(command), {"type": "process", "command": command, "restart": "never"}
    if what.startswith("docker:"):
        name = what.removeprefix("docker:")
        if not name:
            raise ValueError("expected a container's name after docker:")
        tail = TAILS.get(str(start), start)
        return "containers", {"type": "docker", "containers": [name], "tail": tail}
    path = os.path.expanduser(what)
    _check_path(path, commands)
    return "files", {"type": "file", "path": [path], "start": start}


def _check_path(path: str, commands: Collection[str]) -> None:
    if not path:
        raise ValueError(f"expected {ALLOWED}, got nothing")
    if Path(path).is_dir():
        raise ValueError(f"is a directory; its files are {str(Path(path, '*'))!r}")
    if Path(path).exists() or _GLOB.search(path):
        return
    if _KIND.match(path):
        raise ValueError(f"expected {ALLOWED}")
    if "/" not in path and "." not in path:
        # More likely a mistyped command than a file that is still to come.
        raise ValueError(f"no such file or command{_hint(path, commands)}")


def _hint(word: str, commands: Collection[str]) -> str:
    matches = near(word, commands, most=1)
    if matches:
        return f"; did you mean {matches[0]!r}?"
    return f"; a file that is still to come is written './{word}'"


def _program(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    # The shell's own A=1 before a command is not what it is called.
    program = next((word for word in words if not _VARIABLE.match(word)), words[0])
    return channel_name(Path(program).name)


def _free(name: str, taken: Collection[str]) -> str:
    """Return ``name``, with the first number from 2 that makes it new where it is taken."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def host_sources(stdin: int = 0) -> dict[str, Table]:
    """
    Return sources for what this host has: its log files, and stdin if something is piped in.

    Args:
        stdin: its descriptor.
    """
    return {**HOST, "stdin": {"type": "stdin"}} if is_piped(stdin) else dict(HOST)


def is_piped(descriptor: int) -> bool:
    """Tell whether a descriptor is a pipe, a socket or a file, and no terminal or /dev/null."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)
