"""What the rows feed: else they would measure something else than they say."""

import os
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


def test_a_producer_says_one_line_when_the_one_before_was_taken() -> None:
    """By turns on stdout and stderr, and never two."""
    command = [sys.executable, "-m", "bench.producer", "4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as producer:
        assert producer.stdout is not None
        assert producer.stderr is not None
        pipes = (producer.stdout.fileno(), producer.stderr.fileno())
        taken = [os.read(pipes[number % 2], 65536) for number in range(4)]
    assert taken == [line(number) for number in range(4)]
