"""
Real stack traces, as the interpreters wrote them, each one entry.

``tests/data/traces``: Python 3.11, OpenJDK 17, Go 1.26 and Node 20; Ruby's, Logback's and
``net/http``'s are written by their documentation.
"""

from pathlib import Path

import pytest

from relay.decode.decoder import Decoding, Joining
from relay.decode.entry_rules import READY_MADE, ready_made
from relay.decode.traces import TRACES

DATA = Path(__file__).parents[1] / "data" / "traces"

FILES = sorted(DATA.glob("*/*.log"))

ORDINARY = [
    "2026-03-01 12:00:00,123 INFO shop.web GET /orders/7 200 (3 ms)",
    "ERROR could not serve: bad gateway",
    "",
    "  an indented line",
    "Warning: deprecated",
    "main.go:12: started (pid 7)",
    "last",
]


def joined(language: str, data: bytes, step: int) -> list[str]:
    """Return the entries of bytes that come ``step`` at a time."""
    decoder = Decoding(joining=Joining(ready_made(language))).decoder()
    starts = range(0, len(data), step)
    given = [*(decoder.feed(data[at : at + step], 0.0) for at in starts), decoder.flush()]
    assert all(not decoded.parts for decoded in given)
    return [entry for decoded in given for entry in decoded.lines.strings()]


def test_every_language_has_traces() -> None:
    """None is shown by nothing."""
    assert {path.parent.name for path in FILES} == set(TRACES)
    assert set(READY_MADE) == {*TRACES, "indent"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_trace_is_one_entry_among_ordinary_lines(path: Path, step: int) -> None:
    """Before it, after it, and twice with lines between."""
    trace = path.read_text(encoding="utf-8").removesuffix("\n")
    expected = [ORDINARY[0], trace, *ORDINARY, trace]
    data = "".join(f"{entry}\n" for entry in expected).encode()
    assert joined(path.parent.name, data, step) == expected
    assert joined(path.parent.name, data.replace(b"\n", b"\r\n"), step) == expected


@pytest.mark.parametrize("language", TRACES)
def test_ordinary_lines_stay_apart(language: str) -> None:
    """Each is an entry, in order."""
    data = "".join(f"{entry}\n" for entry in ORDINARY * 3).encode()
    assert joined(language, data, 1 << 20) == ORDINARY * 3


def test_a_blank_line_after_a_trace_is_none_of_it() -> None:
    """Unless an exception follows that it led to."""
    trace = (DATA / "python" / "simple.log").read_text(encoding="utf-8").removesuffix("\n")
    expected = [trace, "", "The next thing", trace, "", trace, "", ""]
    data = "".join(f"{entry}\n" for entry in expected).encode()
    assert joined("python", data, 1 << 20) == expected
    assert joined("python", data, 5) == expected


def test_indented_lines_go_on() -> None:
    """Those of any program, by ``indent``."""
    data = b"one\n  two\n\tthree\nfour\n\nfive\n six\n"
    expected = ["one\n  two\n\tthree", "four", "", "five\n six"]
    assert joined("indent", data, 1 << 20) == joined("indent", data, 1) == expected


@pytest.mark.parametrize("language", TRACES)
def test_a_guess_is_a_few_lines(language: str) -> None:
    """No state that is a guess can be come back to without one that is none."""
    states = TRACES[language].states

    def longest(state: str) -> int:
        after = [to for _, to in states[state] if to.endswith("?")]
        return 1 + max(map(longest, after), default=0)

    assert max((longest(state) for state in states if state.endswith("?")), default=0) <= 4
    assert all(to in states for rows in states.values() for _, to in rows)
