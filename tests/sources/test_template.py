"""Templates of channels' names."""

import re

import pytest

from relay.sources.template import check, fill

PATTERN = r"tenant=(?P<tenant>\w+) job=(?P<run>\S+)"


@pytest.mark.parametrize(
    ("template", "pattern", "channel"),
    [
        ("{source}", None, "app"),
        ("x-{stem}", None, "x-a-b.1"),
        ("{source}-{stem}-{tenant}", PATTERN, "app-a b.1-{tenant}"),
        ("{stem}", PATTERN, "a-b.1"),
        ("api", None, "_api"),
        ("jobs", PATTERN, "jobs"),
    ],
)
def test_a_source_fills_in_what_it_knows(template: str, pattern: str | None, channel: str) -> None:
    """Groups are left for later; what has none is a channel's name."""
    assert fill(template, {"source": "app", "stem": "a b.1"}, pattern) == channel


def test_a_value_is_not_taken_for_a_group() -> None:
    """A file may be called anything."""
    assert fill("{stem}", {"stem": "{tenant}"}, PATTERN) == "_-tenant-"


@pytest.mark.parametrize(
    ("template", "pattern", "allowed"),
    [
        ("", None, "text in which {source} may stand"),
        ("{tenant}", None, "text in which {source} may stand"),
        ("{tenan}", PATTERN, "text in which {source}, {run} and {tenant} may stand"),
        ("{source", None, "text in which {source} may stand"),
        ("}", PATTERN, "text in which {source}, {run} and {tenant} may stand"),
    ],
)
def test_a_word_that_nobody_knows_is_refused(
    template: str, pattern: str | None, allowed: str
) -> None:
    """With those that are known."""
    check("{source}-{tenant}-{run}", ("source",), PATTERN)
    with pytest.raises(ValueError, match=f"^{re.escape(allowed)}$"):
        check(template, ("source",), pattern)
