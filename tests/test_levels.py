"""What :mod:`relay.levels` reads out of lines as programs really write them."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.entry import Level
from relay.level_patterns import JSON_SIGNS, PLAIN_SIGNS, WORDS
from relay.levels import detect, warm
from relay.lines import Lines

CORPUS = Path(__file__).parent / "data" / "levels.txt"
INFO, ERROR, UNKNOWN = b"\x03", b"\x05", b"\x00"


def corpus() -> list[tuple[bytes, Level]]:
    """Read the corpus: each line and the level that it names."""
    rows = []
    for row in CORPUS.read_text().splitlines():
        if row and not row.startswith("# "):
            word, line = row.split(" ", 1)
            line = line.replace("\\e", "\x1b").replace("\\t", "\t")
            level = Level.UNKNOWN if word == "-" else Level[word.upper()]
            rows.append((line.encode(), level))
    return rows


def shown(lines: list[bytes], levels: bytes) -> list[str]:
    """Write lines beside their levels, so that a failure can be read."""
    pairs = zip(lines, levels, strict=True)
    return [f"{Level(level).word} {line.decode()}" for line, level in pairs]


@pytest.mark.parametrize("default", [Level.UNKNOWN, Level.INFO, Level.ERROR])
def test_the_corpus_has_its_levels(default: Level) -> None:
    """Every line alone has the level it names, or else its default."""
    lines = [line for line, _ in corpus()]
    found = b"".join(detect(Lines.of([line]), bytes([default])) for line in lines)
    expected = bytes(level or default for _, level in corpus())
    assert shown(lines, found) == shown(lines, expected)


@pytest.mark.parametrize("default", [Level.UNKNOWN, Level.INFO, Level.ERROR])
def test_a_block_has_the_levels_of_its_lines(default: Level) -> None:
    """The corpus as one block has the levels of its lines."""
    lines = [line for line, _ in corpus()]
    expected = bytes(level or default for _, level in corpus())
    assert shown(lines, detect(Lines.of(lines), bytes([default]))) == shown(lines, expected)


FRAGMENTS = (
    *(
        " ",
        "  ",
        "\t",
        "\n",
        "\n\n",
        ": ",
        ":",
        "=",
        "[",
        "]",
        "{",
        '{"',
        '"',
        "|",
        "<",
        ">",
        "no ",
    ),
    *("ERROR", "error", "Error:", "INFO", " INFO ", "info", "[info]", "WARN", "warning", "DEBUG"),
    *(
        "FATAL",
        "panic: ",
        "Traceback (most recent call last):",
        "java.lang.FooError: x",
        "E",
        "I ",
    ),
    *(
        '"level":"error"',
        '"level":"info"',
        '"level":30,',
        "level=info ",
        " level=info ",
        "lvl=eror",
    ),
    *(
        "2026-11-21T09:47:12.123Z",
        "09:47:12",
        "1234",
        "<11>",
        "<14>",
        "Nov 21",
        "\x1b[31m",
        "\x1b[0m",
    ),
    *(
        "main",
        "é",
        "错",
        "x" * 60,
        "npm ",
        "E0521 09:47:12.123",
        "1:M 21 Nov 2026 09:47:12.123 # ",
    ),
)
entries = st.lists(st.sampled_from(FRAGMENTS), max_size=6).map(
    lambda parts: "".join(parts).encode()
)
blocks = st.lists(st.one_of(entries, st.just(b"plain"), st.just(b"09:47 INFO x")), max_size=40)
defaults = st.sampled_from([bytes([level]) for level in Level])


@given(blocks, defaults)
@settings(deadline=None)
def test_lines_do_not_touch_each_other(block: list[bytes], default: bytes) -> None:
    """A block has the levels that its lines have alone, newlines in them or not."""
    alone = b"".join(detect(Lines.of([entry]), default) for entry in block)
    assert shown(block, detect(Lines.of(block), default)) == shown(block, alone)


@given(blocks, st.data())
@settings(deadline=None)
def test_a_default_stands_only_where_no_level_is_named(
    block: list[bytes], data: st.DataObject
) -> None:
    """Whatever lines have by default, in whatever mixture, the levels that they name are found."""
    size = len(block)
    mixed = bytes(data.draw(st.lists(st.sampled_from(Level), min_size=size, max_size=size)))
    named = detect(Lines.of(block), UNKNOWN)
    expected = bytes(level or default for level, default in zip(named, mixed, strict=True))
    assert shown(block, detect(Lines.of(block), mixed)) == shown(block, expected)


@given(blocks)
@settings(deadline=None)
def test_a_block_that_is_info_by_default_has_the_levels_that_it_names(block: list[bytes]) -> None:
    """The shortcut for lines that are info by default finds what all patterns find."""
    expected = bytes(level or Level.INFO for level in detect(Lines.of(block), UNKNOWN))
    assert shown(block, detect(Lines.of(block), INFO)) == shown(block, expected)


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (b'{"msg":"x INFO y","level":"error"}', Level.ERROR),
        (b'{"msg":"ERROR x","level":"warn"}', Level.WARN),
        (b'{"level":"info","error":"error: x","severity":"ERROR"}', Level.INFO),
        (b"12:30 [info] ERROR x", Level.INFO),
        (b"12:30 ERROR x [info]", Level.ERROR),
    ],
)
def test_the_first_shape_that_counts_decides(line: bytes, level: Level) -> None:
    """Also where lines are info by default; in JSON only its keys count."""
    assert detect(Lines.of([b"x", line, b"", line]), INFO) == bytes([3, level, 3, level])


BEFORE = [
    "2026-11-21",
    " ",
    "T",
    "Z",
    "12:30:01",
    ".12",
    "[",
    "(",
    "]",
    ":",
    "-",
    "|",
    "\t",
    "no ",
]
BEFORE += ["E", "W", "<11>", "{", "NO ", "1:M ", "FATAL", "é", "D/x"]
CAPITALS = "|".join(words.capitals for words in WORDS.values()).replace("[1-5]?", "").split("|")
heads = st.builds(
    lambda before, word, after: (before + word + after).encode(),
    st.lists(st.sampled_from(BEFORE), max_size=5).map("".join),
    st.sampled_from([*CAPITALS, "DEBUG5", "DEBUG9", "ENFO", "NO", "E", "T", "error", "Error", ""]),
    st.sampled_from(
        ["", " ", ": x", "] y", "1 ", "=", " error: z", "| ", " ERROR x", ", [", "S x"]
    ),
)


@pytest.mark.parametrize("head", [b"[12:30:01] DEBUG: y", b"12:30:01 DEBUG y"])
@given(st.lists(heads, max_size=20), defaults)
@settings(deadline=None)
def test_lines_among_many_that_begin_with_levels_are_as_alone(
    head: bytes, some: list[bytes], default: bytes
) -> None:
    """What stands before the first word in capitals, and behind it, decides as ever."""
    first = [b"2026-11-21T12:30:01.123Z ERROR x", *[head.ljust(64)] * 32]
    block = [*first, *some, head]
    alone = b"".join(detect(Lines.of([entry]), default) for entry in block)
    assert shown(block, detect(Lines.of(block), default)) == shown(block, alone)


def test_a_letter_before_a_word_decides_among_times_that_are_one_word() -> None:
    """A "T" is a level where it stands alone, and none within a time."""
    block = [*[b"2026-11-21T12:30:01Z WARN x".ljust(64)] * 17, b"T ERROR x", b"12:30:01 ERROR x"]
    assert detect(Lines.of(block), INFO) == bytes([*[Level.WARN] * 17, Level.TRACE, Level.ERROR])


@pytest.mark.parametrize("sign", PLAIN_SIGNS + JSON_SIGNS)
@pytest.mark.parametrize("before", ["", "x", "12:30", "[a]", '"', "é", "no", "\x1b[0m", "=", "<5"])
def test_a_sign_of_info_is_a_shape_of_info(sign: bytes, before: str) -> None:
    """The shortcut for a block that is mostly info agrees with the patterns."""
    assert detect(Lines.of([before.encode() + sign + b"x"]), UNKNOWN) == INFO


@pytest.mark.parametrize("sign", JSON_SIGNS)
def test_a_json_sign_counts_in_json(sign: bytes) -> None:
    """The signs for lines that begin with a brace are levels there."""
    assert detect(Lines.of([b"{" + sign + b' "x":1}']), UNKNOWN) == INFO


def test_the_first_level_of_an_entry_of_several_lines_counts() -> None:
    """The head of an entry beats its later lines, which count where the head names none."""
    entries = [b"INFO started\nERROR later", b"it broke\njava.lang.FooError: x\n\tat y", b"a\nb"]
    assert detect(Lines.of(entries), UNKNOWN) == bytes([Level.INFO, Level.ERROR, Level.UNKNOWN])


def test_no_lines_have_no_levels() -> None:
    """An empty block is answered with nothing."""
    assert detect(Lines.of([]), INFO) == b""


def test_empty_lines_have_their_default() -> None:
    """A line without text is a line."""
    assert detect(Lines.of([b"", b"", b"ERROR", b""]), INFO) == b"\x03\x03\x05\x03"


def test_threads_may_detect_at_once() -> None:
    """Each thread scans in a space of its own."""
    warm()
    block = Lines.of([line for line, _ in corpus()])
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda _: detect(block, INFO), range(40)))
    assert found == {detect(block, INFO)}


def seconds(line: bytes, default: bytes) -> float:
    """Return the least processor time of three that a line takes."""
    lines, times = Lines.of([line]), []
    for _ in range(3):
        start = time.thread_time()
        detect(lines, default)
        times.append(time.thread_time() - start)
    return min(times)


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        " ",
        "E",
        "[",
        "x",
        "ERROR ",
        "no ERROR ",
        "error ",
        "[error] ",
        ': "',
        '"level":"',
        "Nov ",
        "{ERROR ",
    ],
)
@pytest.mark.parametrize("default", [INFO, ERROR])
def test_the_time_is_linear(piece: str, default: bytes) -> None:
    """Sixteen times the text takes at most sixteen times as long, with room for noise."""
    short = (piece * (1 << 16))[: 1 << 16].encode()
    assert seconds(short * 16, default) < 16 * 4 * seconds(short, default) + 0.01
