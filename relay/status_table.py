"""
``relay status``: what ``/api/v1/status`` says, as a table; what is wrong comes first.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = ["failing", "sheet"]

Object = dict[str, Any]
Row = tuple[str, ...]

MOST_RUNS = 10
MOST_SENTENCES = 5
"""On what a store mended when it started."""

MOST_READERS = 5
"""Of each source, readers with something to say: in a state that is not one of these."""

USUAL = ("reading", "running", "ended")

STATES = ("failing", "starting", "waiting", "running", "ended", "stopped")
"""Of sources, in the order in which they are shown."""

COLOURS = {"failing": "31", "failed": "31", "killed": "31", "waiting": "33", "starting": "33"}
"""Of states on a terminal, as SGR codes."""

SOURCES: Row = ("SOURCE", "TYPE", "STATE", ">LINES", ">LINES/S", ">LOST", "NOTE")
CHANNELS: Row = ("CHANNEL", ">HELD", ">LINES/S", "NEWEST")
RUNS: Row = ("RUN", "STATUS", ">EXIT", ">LINES", "STARTED", "LASTED")
"""Headings; ``>`` aligns a column to the right."""

BEFORE_NOTE = ("",) * (len(SOURCES) - 1)


def failing(status: Object) -> list[str]:
    """Return the names of what is failing: ``store``, sources."""
    store = ["store"] if status.get("store", {}).get("state") == "failing" else []
    return store + [one["name"] for one in status["sources"] if one["state"] == "failing"]


def sheet(status: Object, url: str, now: datetime, *, colour: bool = False) -> str:
    """
    Return a status as people read it.

    Args:
        status: as the relay gave it.
        url: of the relay.
        now: the present, with its zone.
        colour: whether states have colours.
    """
    parts = [
        "\n".join([_head(status, url), *_store(status.get("store"), now)]),
        _table(SOURCES, _sources(status["sources"], now), colour),
        _table(CHANNELS, (_channel(channel, now) for channel in status["channels"]), colour),
    ]
    if status["runs"]:
        parts.append(_table(RUNS, (_run(run, now) for run in _last(status["runs"])), colour))
    return "\n\n".join(parts) + "\n"


def _head(status: Object, url: str) -> str:
    uptime = _duration(status["uptime_seconds"])
    connections = status["connections"]
    kinds = [f"{count} {kind}" for kind, count in sorted(connections["by_protocol"].items())]
    detail = f" ({', '.join(kinds)})" if kinds else ""
    readers = _count(connections["total"], "connection")
    head = f"relay {status['version']} at {url}, up {uptime}, {readers}"
    wrong = failing(status)
    if wrong:
        return f"failing: {', '.join(wrong)}\n{head}{detail}"
    return f"{head}{detail}"


def _store(store: Object | None, now: datetime) -> Iterable[str]:
    """Give the lines of a store; none for a relay that has none."""
    if store is None or store["state"] == "off":
        return
    room = "" if store["free_bytes"] is None else f", {_size(store['free_bytes'])} free"
    stored = (
        f"{_size(store['stored_bytes'])} in {_count(store['segments'], 'sealed segment')}{room}"
    )
    yield _printable(f"store {store['state']} in {store['directory']}: {stored}")
    if store["state"] != "ok":
        reason = store["reason"] or "it works again"
        lost = f"{_count(store['behind_lines'], 'line')} not kept"
        behind = f"{lost}, {_size(store['behind_bytes'])}"
        yield _printable(f"  {reason} ({_ago(store['since'], now)}); {behind}")
    for sentence in store["recovered"][:MOST_SENTENCES]:
        yield _printable(f"  at the start: {sentence}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else f'{noun}s'}"


def _sources(sources: Sequence[Object], now: datetime) -> Iterable[Row]:
    for source in sorted(sources, key=_urgency):
        note = source["last_error"] or ""
        if note:
            note = f"{note} ({_ago(source['last_error_at'], now)})"
        rate = f"{source['lines_per_second']:.1f}"
        numbers = str(source["lines"]), rate, str(source["lost_lines"] or "")
        yield (source["name"], source["type"], source["state"], *numbers, note)
        yield from _readers(source["readers"])


def _urgency(source: Object) -> tuple[int, bool]:
    return STATES.index(source["state"]), not (source["last_error"] or source["lost_lines"])


def _readers(readers: dict[str, Object]) -> Iterable[Row]:
    found = sorted(readers.items())
    speaking = [(name, reader) for name, reader in found if reader["state"] not in USUAL]
    for name, reader in speaking[:MOST_READERS]:
        note = ", ".join(filter(None, [f"{name}: {reader['state']}", reader["detail"]]))
        yield (*BEFORE_NOTE, note)
    if len(speaking) > MOST_READERS:
        yield (*BEFORE_NOTE, f"and {len(speaking) - MOST_READERS} more")


def _channel(channel: Object, now: datetime) -> Row:
    newest = _ago(channel["newest"], now) if channel["newest"] else "-"
    rate = f"{channel['lines_per_second']:.1f}"
    return channel["name"], str(channel["held_lines"]), rate, newest


def _last(runs: Sequence[Object]) -> list[Object]:
    """Return the runs that are not over, and the last ones that are; newest first."""
    by_start = sorted(runs, key=lambda run: str(run["started"]), reverse=True)
    over = [run["id"] for run in by_start if run["ended"]][MOST_RUNS:]
    left_out = set(over)
    return [run for run in by_start if run["id"] not in left_out]


def _run(run: Object, now: datetime) -> Row:
    end = _time(run["ended"]) if run["ended"] else now
    lasted = _duration((end - _time(run["started"])).total_seconds())
    code = run["signal"] or ("" if run["exit_code"] is None else str(run["exit_code"]))
    started = _ago(run["started"], now)
    return run["id"], run["status"], code, str(run["lines"]), started, lasted


def _table(heading: Row, rows: Iterable[Row], colour: bool) -> str:
    names = tuple(name.lstrip(">") for name in heading)
    lines = [names, *([*map(_printable, row)] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    return "\n".join(_line(heading, line, widths, colour) for line in lines)


def _line(heading: Row, cells: Sequence[str], widths: Sequence[int], colour: bool) -> str:
    shown = []
    for name, cell, width in zip(heading, cells, widths, strict=True):
        text = cell.rjust(width) if name.startswith(">") else cell.ljust(width)
        if colour and name in ("STATE", "STATUS") and cell in COLOURS:
            text = f"\x1b[{COLOURS[cell]}m{text}\x1b[0m"
        shown.append(text)
    return "  ".join(shown).rstrip()


def _printable(text: str) -> str:
    """Return text without what would move a terminal's cursor."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _time(text: str) -> datetime:
    # datetime has microseconds; what is finer does not matter here.
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)


def _ago(text: str, now: datetime) -> str:
    return f"{_duration((now - _time(text)).total_seconds())} ago"


def _duration(seconds: float) -> str:
    """Return the two largest units: ``2h 5m``."""
    left, parts = max(0, int(seconds)), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return " ".join(parts[:2]) or "0s"


def _size(size_bytes: float) -> str:
    """Return three digits and a unit: ``1.25 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.3g} TiB"
