"""The schema tells an editor what the loader would say."""

import json

from relay.config.schema import schema, schema_text
from tests.config.models import MODELS


def test_defaults_are_written_as_in_a_file() -> None:
    """Durations and sizes have their units, and what may be left out is never null."""
    tables = schema(MODELS)["$defs"]
    server, channel = (
        tables["ServerOptions"]["properties"],
        tables["ChannelOverride"]["properties"],
    )
    assert server["heartbeat"] == {
        "type": "string",
        "pattern": r"^(\d+(\.\d+)?\s*(us|ms|s|m|h|d|w))+$",
        "default": "15s",
        "description": "How often a stream without news is told its cursor.",
    }
    assert server["listen"]["default"] == "127.0.0.1:8514"
    assert channel["lines"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1_000_000_000,
        "description": "As in `[channel]`, for this channel.",
    }
    assert tables["FileOptions"]["properties"]["max_line_bytes"]["default"] == "256KiB"
    assert tables["ProcessOptions"]["properties"]["stop_timeout"]["default"] == "10s"


def test_a_source_is_told_by_its_type() -> None:
    """Whether or not the source's model names it."""
    made = schema(MODELS)
    assert made["properties"]["sources"]["additionalProperties"] == {
        "oneOf": [{"$ref": "#/$defs/FileOptions"}, {"$ref": "#/$defs/ProcessOptions"}]
    }
    kinds = [
        made["$defs"][name]["properties"]["type"]["const"]
        for name in ("FileOptions", "ProcessOptions")
    ]
    assert kinds == ["file", "process"]


def test_unknown_keys_are_errors_in_an_editor_too() -> None:
    """Every table of ours is closed."""
    made = schema(MODELS)
    assert made["additionalProperties"] is False
    assert all(table["additionalProperties"] is False for table in made["$defs"].values())


def test_the_text_is_json_and_ends_with_a_newline() -> None:
    """It is committed as it is printed."""
    assert json.loads(schema_text(MODELS)) == schema(MODELS)
    assert schema_text(MODELS).endswith("}\n")
