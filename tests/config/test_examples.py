"""What is shipped as an example can be used as it is, and says all there is to say."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.config.loader import build, load
from relay.config.model import Config
from relay.config.schema import schema
from relay.errors import ConfigError
from relay.sources import SOURCES

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "relay.toml.example"
SECRETS = {"RELAY_KEY": "key"}
MODELS = {kind: source.Options for kind, source in SOURCES.items()}


def whole_example() -> dict[str, Any]:
    """Return the example with all that is commented out; prose has a space behind its mark."""
    text = re.sub(r"^#(?=[^ :\n])", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    return tomllib.loads(text)


def keys() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each table of the schema, each of its keys and what the schema says of it."""
    made = schema(MODELS)
    named = {model.__name__: kind for kind, model in MODELS.items()}
    for name, table in made["$defs"].items():
        for key, value in table.get("properties", {}).items():
            yield named.get(name, name), key, value


def test_the_example_is_all_defaults() -> None:
    """Copying it changes nothing."""
    assert load(EXAMPLE, MODELS, {}).model_dump() == Config().model_dump()


def test_the_example_can_be_used_with_all_that_is_commented_out() -> None:
    """Every line of it is right by itself."""
    build(whole_example(), "relay.toml.example", MODELS, SECRETS)


def test_the_example_has_every_key_and_its_default() -> None:
    """Nothing is there that it does not tell of; what all sources take stands once."""
    example = whole_example()
    tables: dict[str, dict[str, Any]] = {
        "ServerOptions": example["server"],
        "StateOptions": example["state"],
        "ChannelOptions": example["channel"],
        "ChannelOverride": example["channels"]["web"],
        **{table["type"]: table for table in example["sources"].values()},
    }
    common = tables["file"]
    # Of its three ways to tell what belongs together the example shows one.
    tables["Multiline"] = {"rule": "", "start": "", "continue": "", **common["multiline"]}
    tables["Exclude"] = tables["docker"]["exclude"]
    for name, key, value in keys():
        assert name in tables, f"{name} is missing"
        shown = tables[name].get(key, common.get(key) if name in MODELS else None)
        assert shown is not None, f"{name}.{key} is missing"
        if "default" in value and name in {
            *MODELS,
            "ServerOptions",
            "StateOptions",
            "ChannelOptions",
        }:
            assert shown == value["default"], f"{name}.{key} is shown with another default"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config").glob("*.toml")), ids=lambda path: path.name
)
def test_each_file_for_a_usual_case_can_be_used(path: Path) -> None:
    """Without anything in the environment, but for a key that must not be known to others."""
    environment = SECRETS if path.name == "cloudwatch.toml" else {}
    assert load(path, MODELS, environment).sources


def test_no_key_is_known_to_those_who_have_the_files() -> None:
    """Where none is told, nothing starts with one that everybody can read."""
    with pytest.raises(ConfigError) as caught:
        load(ROOT / "config" / "cloudwatch.toml", MODELS, {})
    assert "RELAY_KEY" in str(caught.value)
