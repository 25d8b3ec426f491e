"""Which entries a reader asks for."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.entry import Level, Stream
from relay.query import Query, is_glob, names_match


@pytest.mark.parametrize(
    ("names", "name", "expected"),
    [
        (("web",), "web", True),
        (("web",), "web-1", False),
        (("web-*",), "web-1", True),
        (("web-*",), "web-", True),
        (("*-1",), "web-1", True),
        (("w?b",), "web", True),
        (("w?b",), "weeb", False),
        (("a", "b*"), "bc", True),
        (("[ab]",), "a", False),
        (("[ab]",), "[ab]", True),
        (("a.b",), "axb", False),
        (("Web",), "web", False),
        (("*",), "line\nbreak", True),
    ],
)
def test_names_and_globs_are_matched(names: tuple[str, ...], name: str, expected: bool) -> None:
    """Only ``*`` and ``?`` are special."""
    assert names_match(names, name) is expected


def test_a_hostile_glob_costs_no_time() -> None:
    """Many stars do not multiply."""
    began = time.thread_time()
    assert not names_match(("*a" * 60 + "*b",), "a" * 4000)
    assert time.thread_time() - began < 1


def test_a_query_without_channels_takes_in_all() -> None:
    """Likewise for runs."""
    assert Query().selects("anything")
    assert Query().selects_run("anything")
    assert Query(channels=("web", "w-*")).selects("w-1")
    assert not Query(channels=("web",)).selects("api")
    assert Query(runs=("job-1.*",)).selects_run("job-1.task")
    assert not Query(runs=("job-1.*",)).selects_run("job-2.task")


@pytest.mark.parametrize(
    ("query", "plain"),
    [
        (Query(), True),
        (Query(channels=("web",)), True),
        (Query(levels=frozenset()), False),
        (Query(runs=("a",)), False),
        (Query(since_ns=0), False),
        (Query(exclude=("a",)), False),
    ],
)
def test_a_plain_query_names_channels_only(query: Query, plain: bool) -> None:
    """Any other condition, even one that nothing satisfies, makes it another."""
    assert query.is_plain is plain


def test_only_patterns_have_to_be_compiled() -> None:
    """Text, patterns and what is excluded."""
    assert not Query(levels=frozenset([Level.WARN]), fields=(("a", "b"),)).has_patterns
    assert Query(text=("a",)).has_patterns
    assert Query(regex=("a",)).has_patterns
    assert Query(exclude=("a",)).has_patterns
    assert Query(exclude_regex=("a",)).has_patterns


def test_a_single_run_is_one_id() -> None:
    """Neither two nor a glob."""
    assert Query(runs=("web.1",)).single_run == "web.1"
    assert Query(runs=("web.*",)).single_run is None
    assert Query(runs=("a", "b")).single_run is None
    assert Query().single_run is None
    assert is_glob("a?")


names = st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple)
queries = st.builds(
    Query,
    channels=names,
    runs=names,
    text=names,
    streams=st.none() | st.frozensets(st.sampled_from(Stream)),
    levels=st.none() | st.frozensets(st.sampled_from(Level)),
    since_ns=st.none() | st.integers(0, 1),
)


@given(queries, queries)
def test_equal_queries_have_equal_hashes(first: Query, second: Query) -> None:
    """So that answers are found again; and what differs is not equal."""
    parts = ("channels", "runs", "text", "streams", "levels", "since_ns")
    same = all(getattr(first, part) == getattr(second, part) for part in parts)
    assert (first == second) is same
    if same:
        assert hash(first) == hash(second)
