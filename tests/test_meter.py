"""A counter that knows its rate."""

import time

import pytest

from relay.meter import Meter


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
