"""A counter that knows its rate, and one that knows how long things took."""

import time

import pytest

from relay.meter import MAX_TIMINGS, Meter, Timings


def test_a_rate_rises_and_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over about ten seconds; the total stays."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    meter = Meter()
    for _ in range(60):
        now += 1.0
        meter.add(50)
    assert meter.per_second() == pytest.approx(50, rel=0.01)
    now += 10.0
    assert meter.per_second() == pytest.approx(50 * 0.3679, rel=0.02)
    assert meter.total == 3000


def test_nothing_is_no_rate() -> None:
    """From the start."""
    assert Meter().per_second() == 0.0


def test_of_what_took_its_time_the_last_count() -> None:
    """By share; what is long ago is only counted."""
    timings = Timings()
    assert (timings.total, timings.quantile(0.99)) == (0, 0.0)
    timings.add(3.0)
    assert timings.quantile(0.99) == 3.0
    for number in range(MAX_TIMINGS):
        timings.add(number / 1000)
    assert timings.total == MAX_TIMINGS + 1
    assert (timings.quantile(0.5), timings.quantile(0.99)) == (0.499, 0.989)
