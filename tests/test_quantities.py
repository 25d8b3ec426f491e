"""Durations and sizes are numbers once read, and can be written again."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.quantities import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("10s", 10), ("1h30m", 5400), ("7d", 604800), ("1.5m", 90), ("0s", 0)],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    """Units may be joined and may have fractions."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "s", "10 x", "10s,", "-1s", "10KiB", "1 0s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A number without a unit, an unknown unit and anything between are errors."""
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("100B", 100), ("64KiB", 65536), ("16MiB", 16777216), ("500KB", 500000), ("1.5GiB", 3 << 29)],
)
def test_a_size_is_read_as_bytes(text: str, size_bytes: int) -> None:
    """Units of 1000 and of 1024 are told apart."""
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    ("seconds", "text"), [(60, "1m"), (15, "15s"), (0.25, "250ms"), (604800, "7d"), (90, "90s")]
)
def test_a_duration_is_written_short(seconds: float, text: str) -> None:
    """The unit is the one that needs the fewest characters."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("size_bytes", "text"), [(1 << 18, "256KiB"), (1, "1B"), (1000, "1KB")])
def test_a_size_is_written_short(size_bytes: int, text: str) -> None:
    """The unit is the one that needs the fewest characters."""
    assert format_size(size_bytes) == text


@given(st.integers(0, 1 << 40))
def test_a_written_size_is_read_back(size_bytes: int) -> None:
    """Writing loses nothing, whatever the number."""
    assert parse_size(format_size(size_bytes)) == size_bytes


@given(st.integers(0, 10**9))
def test_a_written_duration_is_read_back(milliseconds: int) -> None:
    """Writing loses less than a microsecond, up to eleven days."""
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=1e-6)


def test_a_quantity_beyond_all_numbers_is_refused() -> None:
    """Infinity is no duration, however it is spelt."""
    with pytest.raises(ValueError, match=r"^9{400}d$"):
        parse_duration("9" * 400 + "d")
