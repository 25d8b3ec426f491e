"""
The JSON Schema of the configuration file: for editors, and for the reference.

Defaults stand in it as a file would write them: ``"15s"``, not 15.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from relay.config.loader import file_model
from relay.config.values import DURATION_PATTERN, SIZE_PATTERN
from relay.quantities import format_duration, format_size

__all__ = ["schema", "schema_text"]

Schema = dict[str, Any]

_FORMATS: dict[str, Callable[[Any], str]] = {
    DURATION_PATTERN: format_duration,
    SIZE_PATTERN: format_size,
}


def schema(models: Mapping[str, type[BaseModel]]) -> Schema:
    """
    Return the schema of a whole file.

    Args:
        models: each type of source and its model; at least two.
    """
    made = file_model(models).model_json_schema()
    definitions: dict[str, Schema] = made["$defs"]
    by_type = [_definition(definitions, model, kind) for kind, model in models.items()]
    made["properties"]["sources"]["additionalProperties"] = {"oneOf": by_type}
    _tidy(made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "Configuration of the log relay",
        "description": "The file relay.toml.",
    }


def schema_text(models: Mapping[str, type[BaseModel]]) -> str:
    """Return the schema as it is committed and printed."""
    return json.dumps(schema(models), indent=2, ensure_ascii=False) + "\n"


def _definition(definitions: dict[str, Schema], model: type[BaseModel], kind: str) -> Schema:
    """Make the type the mark by which an editor tells the sources' tables apart."""
    name = model.__name__
    described = definitions[name]["properties"]["type"].get("description")
    definitions[name]["properties"]["type"] = {
        "const": kind,
        "description": described or f"Makes it a source of this kind: {kind!r}.",
    }
    return {"$ref": f"#/$defs/{name}"}


def _tidy(node: Any) -> None:
    """Write defaults as a file would, and leave out what pydantic says of Python alone."""
    if isinstance(node, list):
        for item in node:
            _tidy(item)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("title"), str):
        del node["title"]
    _drop_null(node)
    pattern, default = node.get("pattern"), node.get("default")
    if isinstance(pattern, str) and pattern in _FORMATS and isinstance(default, int | float):
        node["default"] = _FORMATS[pattern](default)
    for item in node.values():
        _tidy(item)


def _drop_null(node: Schema) -> None:
    """TOML knows no null: a key that may be none is one that may be left out."""
    if node.get("default", 0) is None:
        del node["default"]
    kinds = [kind for kind in node.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del node["anyOf"]
        node.update({**kinds[0], **node})
    elif kinds:
        node["anyOf"] = kinds
