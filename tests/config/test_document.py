"""TOML becomes tables; what is no TOML becomes one sentence with its place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.document import interpolate, parse, show, spell
from relay.errors import ConfigError


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x = 1\ny =", "f.toml: end of document: invalid value"),
        (
            b"x = 1\nx y\n",
            "f.toml: line 2, column 3: expected '=' after a key in a key/value pair",
        ),
        (b"[a.b]\nx=1\n[a.b]\n", "f.toml: line 3, column 5: [a.b] is there twice"),
        (b"[a]\nx=1\nx=2\n", "f.toml: line 3, column 4: this key is there twice"),
        (b"x = '\xff'", "f.toml: byte 5: expected UTF-8 text, got byte 0xff"),
        (b"x=" + b"[" * 100_000, "f.toml: values are nested too deeply"),
    ],
)
def test_a_syntax_error_names_its_place(data: bytes, message: str) -> None:
    """Line and column, and what is wrong there; a name that comes twice is one of these."""
    with pytest.raises(ConfigError) as caught:
        parse(data, "f.toml")
    assert str(caught.value) == message


def test_a_number_without_end_is_an_error_not_a_traceback() -> None:
    """Python refuses to read very long numbers, by another kind of exception."""
    with pytest.raises(ConfigError, match=r"^f.toml: exceeds the limit"):
        parse(b"x = " + b"9" * 5000, "f.toml")


def test_the_environment_fills_strings_at_any_depth() -> None:
    """Variables, defaults for unset and empty ones, and the escape; other dollars stay."""
    document = {
        "a": "${A} and ${A}",
        "b": {"c": ["${NOPE:-x y}", "${EMPTY:-full}", "${EMPTY}", "${NOPE:-}"]},
        "d": ["$${A}", "$A ^a$", 5, True],
    }
    filled, wrong = interpolate(document, {"A": "${A}!", "EMPTY": ""})
    assert filled == {
        "a": "${A}! and ${A}!",
        "b": {"c": ["x y", "full", "", ""]},
        "d": ["${A}", "$A ^a$", 5, True],
    }
    assert wrong == {}


def test_every_variable_without_a_value_is_named() -> None:
    """Each place has a sentence, and keeps the text that it had."""
    document = {"a": "${NOPE}", "b": [1, "${X%/*}"], "c": "${A"}
    filled, wrong = interpolate(document, {})
    assert filled == document
    assert wrong == {
        ("a",): "environment variable NOPE is not set, and there is no default",
        ("b", 1): "expected ${NAME} or ${NAME:-default}, or $${ for a plain ${, got '${X%/*}'",
        ("c",): "expected ${NAME} or ${NAME:-default}, or $${ for a plain ${, got '${A'",
    }


@given(st.text())
def test_escaped_text_comes_through_unchanged(text: str) -> None:
    """Whatever the text, writing ``$${`` for ``${`` is enough."""
    escaped = text.replace("${", "$${")
    assert interpolate({"x": escaped}, {}) == ({"x": text}, {})


def test_places_are_written_as_in_toml() -> None:
    """Keys that need quotes get them."""
    assert spell(("sources", "my app", "path", 0)) == 'sources."my app".path[0]'
    assert spell(()) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5, "5"),
        (True, "true"),
        ("x", "'x'"),
        ({"secret": "x"}, "a table"),
        (["secret"], "a list"),
        ([], "an empty list"),
        ("x" * 100, "'" + "x" * 59 + "…"),
    ],
)
def test_values_are_shown_briefly(value: Any, shown: str) -> None:
    """Long values, tables and lists could hold secrets."""
    assert show(value) == shown
