"""
A TOML file into a :class:`~relay.config.model.Config`, or everything that is wrong with it.

The sources' models are handed in, by type, so that the configuration knows no source.
"""

import os
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, create_model

from relay.config.clashes import find_clashes
from relay.config.document import Document, Place, interpolate, parse, spell
from relay.config.model import Config
from relay.config.problems import explain
from relay.config.values import ChannelName
from relay.errors import ConfigError, ConfigProblem

__all__ = ["build", "load", "read"]

Models = Mapping[str, type[BaseModel]]


def load(
    path: str | os.PathLike[str], models: Models, environ: Mapping[str, str] = os.environ
) -> Config:
    """
    Read a configuration file.

    Args:
        path: of the file.
        models: each type of source and its model; at least two.
        environ: where ``${NAME}`` is looked up.

    Raises:
        ConfigError: it cannot be read or used; holds every problem.
    """
    return build(read(path), os.fspath(path), models, environ)


def read(path: str | os.PathLike[str]) -> Document:
    """
    Read a file's tables, without looking at what they mean.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    file = os.fspath(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        sentence = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise ConfigError(file, [ConfigProblem("", sentence)]) from None
    return parse(data, file)


def build(
    document: Document, file: str, models: Models, environ: Mapping[str, str] | None = None
) -> Config:
    """
    Make values of tables.

    Args:
        document: as :func:`read` returns it.
        file: name of the file for errors.
        models: each type of source and its model; at least two.
        environ: where ``${NAME}`` is looked up; ``None`` leaves it as it stands.

    Raises:
        ConfigError: holds every problem.
    """
    filled, unset = (document, {}) if environ is None else interpolate(document, environ)
    found = [(place, ConfigProblem(spell(place), sentence)) for place, sentence in unset.items()]
    config = None if unset else _valid(filled, models)
    if config is None:
        root = file_model(models)
        try:
            config = root.model_validate(filled)
        except ValidationError as error:
            found += [
                (place, problem)
                for place, problem in explain(error, document, root, models)
                if place not in unset
            ]
    if found or config is None:
        raise ConfigError(file, [problem for _, problem in found])
    if problems := [*_without_place(config), *find_clashes(config.sources)]:
        raise ConfigError(file, problems)
    return config


def _valid(document: Document, models: Models) -> Config | None:
    """
    Return the values of tables that are right; else ``None``, and :func:`file_model` knows why.

    That model takes as long to build as all others together, and needs those of all sources.
    """
    tables = document.get("sources", {})
    kinds = [_type_of(table) for table in tables.values()] if isinstance(tables, dict) else [None]
    if not models.keys() >= set(kinds):
        return None
    try:
        options = {
            name: models[table["type"]].model_validate(table) for name, table in tables.items()
        }
        return Config.model_validate({**document, "sources": options})
    except ValidationError:
        return None


def _without_place(config: Config) -> Iterator[ConfigProblem]:
    """Give a problem for each table that is to keep lines on disk where there is no directory."""
    if config.state.directory is not None:
        return
    tables: list[tuple[Place, bool | None]] = [(("channel",), config.channel.archive)]
    tables += [(("channels", name), own.archive) for name, own in config.channels.items()]
    for place, archive in tables:
        if archive:
            sentence = "expected false, or state.directory to say where lines are kept, got true"
            yield ConfigProblem(spell((*place, "archive")), sentence)


def file_model(models: Models) -> type[Config]:
    """Return the model of a whole file: :class:`Config` with the models of its sources."""
    # Types made at run time: to a type checker they are plain values.
    tagged: list[Any] = [Annotated[model, Tag(kind)] for kind, model in models.items()]
    union: Any = reduce(or_, tagged)
    source: Any = Annotated[union, Discriminator(_type_of)]
    table: Any = Mapping
    description = Config.model_fields["sources"].description
    field: Any = (table[ChannelName, source], Field(default={}, description=description))
    return create_model("Relay", __base__=Config, sources=field)


def _type_of(table: Any) -> str | None:
    kind = table.get("type") if isinstance(table, dict) else None
    return kind if isinstance(kind, str) else None
