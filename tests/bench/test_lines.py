"""What the rows feed: else they would measure something else than they say."""

import subprocess
import sys
from urllib.parse import parse_qsl

import pytest

from bench.rows.filters import FILTERS, LINES, ONE_FILTER, selectable
from bench.rows.refining import PATTERNS, secretive
from bench.workspace import LINE_BYTES, line
from relay.block import Block
from relay.decode.redact import Redactor
from relay.entry import Level, Origin
from relay.levels import detect
from relay.lines import Lines
from relay.matcher import Matcher, count
from relay.request import parse


@pytest.fixture(scope="module")
def block() -> Block:
    """Return all lines that are selected from."""
    lines = Lines.of([selectable(number).rstrip(b"\n") for number in range(LINES)])
    levels = detect(lines, bytes([Level.INFO]))
    return Block("bench", 1, 1, lines, levels, (Origin("bench"),), arrival_ns=1)


def test_every_filter_passes_another_tenth(block: Block) -> None:
    """So that 50 of them and one of them deliver the same number of lines."""
    masks = []
    for text in FILTERS:
        selection = Matcher(parse(parse_qsl(text), now_ns=0).query).select(block)
        assert count(selection, 0, LINES) == LINES // 10, text
        masks.append(selection)
    assert len(set(masks)) == len(FILTERS) == 50
    assert ONE_FILTER in FILTERS


def test_one_line_in_a_hundred_has_a_secret() -> None:
    """And only what is secret is taken out of it."""
    redactor = Redactor(PATTERNS)
    lines = Lines.of([secretive(number).rstrip(b"\n") for number in range(1000)])
    cleaned = redactor.redact(lines).split()
    assert len(PATTERNS) == 20
    assert [i for i, entry in enumerate(lines.split()) if entry != cleaned[i]] == [
        *range(0, 1000, 100)
    ]
    assert b"handled password=*** ok" in cleaned[100]


@pytest.mark.parametrize("make", [line, selectable, secretive])
def test_lines_are_distinct_and_of_one_length(make: object) -> None:
    """Whatever row they are for."""
    assert callable(make)
    lines = {make(number) for number in range(3000)}
    assert {len(one) for one in lines} == {LINE_BYTES + 1}
    assert len(lines) == 3000


def test_a_producer_says_every_line_by_itself() -> None:
    """By turns on stdout and stderr."""
    command = [sys.executable, "-m", "bench.producer", "10000", "5"]
    said = subprocess.run(command, capture_output=True, check=True)
    assert said.stdout == line(0) + line(2) + line(4)
    assert said.stderr == line(1) + line(3)
