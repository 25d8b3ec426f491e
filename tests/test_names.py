"""Names of channels and runs."""

import pytest

from relay.names import channel_name, is_channel_name, is_run_id, near


@pytest.mark.parametrize("name", ["web", "_x", "9", "a.b:c-d_e", "a" * 128])
def test_allowed_names(name: str) -> None:
    """Letters, digits and four marks."""
    assert is_channel_name(name)


@pytest.mark.parametrize("name", ["", ".a", "-a", "a b", "é", "a/b", "a" * 129, "api", "raw"])
def test_names_that_cannot_be(name: str) -> None:
    """Anything else, and the server's own words."""
    assert not is_channel_name(name)


def test_a_run_may_be_called_as_a_route() -> None:
    """Runs stand behind /runs/ and cannot be mistaken."""
    assert is_run_id("raw")
    assert not is_run_id("a b")


@pytest.mark.parametrize(
    ("text", "name"),
    [("my app", "my-app"), ("", "_"), ("api", "_api"), (".env", "_.env"), ("é", "_-")],
)
def test_templates_make_a_name_of_anything(text: str, name: str) -> None:
    """What is not allowed becomes a dash."""
    assert channel_name(text) == name
    assert is_channel_name(name)


def test_near_names_ignore_case() -> None:
    """Who mistypes is told what there is."""
    assert near("WEP", ["web", "worker", "db"]) == ["web"]
    assert near("nothing", ["web"]) == []


def test_names_that_begin_alike_are_near() -> None:
    """A run is found by its job's name."""
    assert near("job", ["web", "job.20261121T101112.131415"]) == ["job.20261121T101112.131415"]
    assert near("", ["web"]) == []
