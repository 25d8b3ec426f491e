"""What a configuration can say wrong about refining."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from relay.config.loader import build
from relay.errors import ConfigError
from relay.sources import SOURCES
from relay.sources.options import zone

MODELS = {kind: source.Options for kind, source in SOURCES.items()}


def problem(**keys: object) -> str:
    """Return what is said of a source with these keys."""
    with pytest.raises(ConfigError) as caught:
        build({"sources": {"app": {"type": "file", "path": "/x", **keys}}}, "relay.toml", MODELS)
    return str(caught.value)


ZONE = 'the name of a time zone such as "Europe/Berlin" or "UTC", or "local"'
NAMES = "aws, bearer, card, email, url-password"
WORDS = "{stem}, {name}, {dir}, {source} and {run}"
GROUPS = r"'^(?P<ip>\S+) (?P<method>[A-Z]+) (?P<path>\S+)'"


@pytest.mark.parametrize(
    ("key", "value", "allowed", "shown"),
    [
        ("timezone", "Mars/Base", ZONE, "'Mars/Base'"),
        ("timezone", "../etc", ZONE, "'../etc'"),
        ("run_pattern", "(", "a pattern (missing ): ()", "'('"),
        ("channel", "{tenant}", f"text in which {WORDS} may stand", "'{tenant}'"),
        ("fields", "json", f'"logfmt" or a pattern with named groups, such as {GROUPS}', "'json'"),
        ("level_pattern", "(?=y)", "a pattern without look-around (?=", "'(?=y)'"),
        ("timestamp", "%M", "a format with a day, an hour or %s", "'%M'"),
        ("max_lines_per_second", 0, "at least 1", "0"),
    ],
)
def test_what_cannot_be_used_is_told(key: str, value: object, allowed: str, shown: str) -> None:
    """What was expected, and what was read."""
    keys = {"run_pattern": "(?P<run>.)", key: value}
    assert problem(**keys) == f"relay.toml: sources.app.{key}: expected {allowed}, got {shown}"


def test_of_secrets_the_one_that_cannot_be_used_is_told() -> None:
    """By its place in the list."""
    assert problem(redact=["email", "emial"]) == (
        f"relay.toml: sources.app.redact[1]: expected one of {NAMES}, or a pattern (of a mere "
        "word: '(emial)'), got 'emial'"
    )


def test_a_channel_is_not_judged_by_a_pattern_that_is_wrong_itself() -> None:
    """One mistake is one sentence."""
    assert problem(run_pattern="x", channel="{tenant}") == (
        'relay.toml: sources.app.run_pattern: expected a pattern with a group named "run", such '
        r"as 'job=(?P<run>\S+)', got 'x'"
    )


def test_groups_may_stand_in_any_sources_channel() -> None:
    """Whatever its type."""
    tables = {
        "a": {"type": "file", "path": "/x"},
        "b": {"type": "process", "command": "x"},
        "c": {"type": "stdin"},
        "d": {"type": "relay"},
    }
    keys = {"run_pattern": "(?P<run>x)", "channel": "{source}-{run}"}
    config = build({"sources": {k: {**t, **keys} for k, t in tables.items()}}, "f", MODELS)
    assert len(config.sources) == 4


def test_a_zone_is_one_by_its_name() -> None:
    """The host's own is that of a time that has none."""
    assert zone("local") is None
    assert zone("UTC") is UTC
    assert zone("Europe/Berlin") == ZoneInfo("Europe/Berlin")
