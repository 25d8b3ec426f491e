"""
A configuration's text as plain tables: TOML, places in it, and values from the environment.

A place is the tuple of keys and indexes that leads to a value.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from relay.errors import ConfigError, ConfigProblem

__all__ = ["Document", "Place", "interpolate", "parse", "show", "spell"]

Document = dict[str, Any]
Place = tuple[str | int, ...]

SHOWN_CHARACTERS = 60
"""More of a value than this is not repeated: it says nothing new, and may be a secret."""

_SYNTAX = re.compile(r"(?P<what>.*) \(at (?P<where>.*)\)", re.DOTALL)
_TWICE = re.compile(r"Cannot declare \((?P<names>.*?),?\) twice")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_REFERENCE = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<wrong>\$\{)",
    re.ASCII,
)


def parse(data: bytes, file: str) -> Document:
    """
    Read TOML.

    Args:
        data: the file's bytes.
        file: its name, for the error.

    Raises:
        ConfigError: it is no TOML, or says something twice; with line and column.
    """
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        sentence = f"expected UTF-8 text, got byte 0x{data[error.start]:02x}"
        raise ConfigError(file, [ConfigProblem(f"byte {error.start}", sentence)]) from None
    except RecursionError:
        raise ConfigError(file, [ConfigProblem("", "values are nested too deeply")]) from None
    except ValueError as error:
        raise ConfigError(file, [_syntax_problem(str(error))]) from None


def _syntax_problem(message: str) -> ConfigProblem:
    match = _SYNTAX.fullmatch(message)
    what, where = (match["what"], match["where"]) if match else (message, "")
    if twice := _TWICE.fullmatch(what):
        what = f"[{twice['names'].replace(', ', '.')}] is there twice".replace("'", "")
    elif what == "Cannot overwrite a value":
        what = "this key is there twice"
    return ConfigProblem(where, what[0].lower() + what[1:])


def interpolate(
    document: Document, environ: Mapping[str, str]
) -> tuple[Document, dict[Place, str]]:
    """
    Put the environment's values where ``${NAME}`` or ``${NAME:-default}`` stands.

    ``$${`` gives a plain ``${``. An empty variable counts as set only without a default, as in
    a shell.

    Args:
        document: stays as it is.
        environ: the environment.

    Returns:
        The document with values, and a sentence for each place where there was none.
    """
    wrong: dict[Place, str] = {}
    return _interpolate(document, (), environ, wrong), wrong


def _interpolate(
    value: Any, place: Place, environ: Mapping[str, str], wrong: dict[Place, str]
) -> Any:
    if isinstance(value, dict):
        return {
            key: _interpolate(item, (*place, key), environ, wrong) for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _interpolate(item, (*place, index), environ, wrong) for index, item in enumerate(value)
        ]
    if isinstance(value, str):
        try:
            return _REFERENCE.sub(lambda match: _resolve(match, environ), value)
        except LookupError as error:
            wrong[place] = error.args[0]
    return value


def _resolve(match: re.Match[str], environ: Mapping[str, str]) -> str:
    if match["wrong"]:
        rest = show(match.string[match.start() : match.start() + 20])
        raise LookupError(
            f"expected ${{NAME}} or ${{NAME:-default}}, or $${{ for a plain ${{, got {rest}"
        )
    name, default = match["name"], match["default"]
    if name is None:
        return "${"
    value = environ.get(name)
    if default is not None:
        return value or default
    if value is None:
        raise LookupError(f"environment variable {name} is not set, and there is no default")
    return value


def spell(place: Place) -> str:
    """Write a place as TOML would: ``sources."my app".path[0]``."""
    return "".join(_spell(place)).removeprefix(".")


def _spell(place: Place) -> Iterator[str]:
    for step in place:
        if isinstance(step, int):
            yield f"[{step}]"
        elif _BARE_KEY.fullmatch(step):
            yield f".{step}"
        else:
            yield f".{json.dumps(step, ensure_ascii=False)}"


def show(value: object) -> str:
    """Write a value for an error message; tables and lists only by their kind."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = repr(value) if isinstance(value, str | int | float) else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
