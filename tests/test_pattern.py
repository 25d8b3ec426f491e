"""Patterns that clients send, over whole blocks of lines."""

import re
import time
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relay.errors import QueryError
from relay.lines import Lines
from relay.pattern import compile_pattern, literal
from relay.selection import ALL, NONE, Selection, of

TEXT = "abA é1 .-\r\t"
"""What the entries and patterns of the properties are made of."""


def found(pattern: str, *entries: str) -> list[str]:
    """Return the entries that a pattern selects."""
    selection = compile_pattern(pattern).select(Lines.of([entry.encode() for entry in entries]))
    flags = as_mask(selection, len(entries))
    return [entry for entry, flag in zip(entries, flags, strict=True) if flag]


def as_mask(selection: Selection, count: int) -> bytes:
    """Write a selection out as one byte for each entry."""
    if isinstance(selection, bytes):
        assert len(set(selection)) == 2
        return selection
    return bytes([selection is ALL]) * count


WHOLE_TEXT = "anchors of the whole text, '^' and '$' are those of a line,"


def refusal(pattern: str) -> str:
    """Return why a pattern is not taken."""
    with pytest.raises(QueryError) as caught:
        compile_pattern(pattern)
    return str(caught.value)


def test_a_pattern_selects_the_entries_that_it_occurs_in() -> None:
    """A match anywhere in an entry is enough."""
    assert found("err(or)?s?", "no", "two errs", "an error", "") == ["two errs", "an error"]


def test_nothing_and_all_are_said_without_a_mask() -> None:
    """Where all entries are of one kind there is no mask."""
    lines = Lines.of([b"one", b"two"])
    assert compile_pattern("three").select(lines) is NONE
    assert compile_pattern("one|two").select(lines) is ALL


@pytest.mark.parametrize("pattern", ["", "x*", "(?i)", "a|", "^", "$", r"\Q"])
def test_a_pattern_that_matches_the_empty_string_matches_everything(pattern: str) -> None:
    """Also empty entries, at the beginning, in the middle and at the end."""
    assert found(pattern, "", "a", "", "") == ["", "a", "", ""]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"a\sb", ["a b"]),
        (r"a\s+b", ["a b"]),
        (r"a[^x]b", ["a b"]),
        (r"a\Wb", ["a b"]),
        (r"a[\s-]b", ["a b"]),
        (r"a(?s:.)b", ["a b"]),
        (r"a\x0ab", []),
        (r"a\nb", []),
        ("a\nb", []),
        (r"a\Q" + "\n" + r"\Eb", []),
        (r"\Ba$", []),
    ],
)
def test_a_match_across_entries_does_not_count(pattern: str, expected: list[str]) -> None:
    """The newline between entries is no part of them."""
    assert found(pattern, "a", "b", "a", "b", "a b") == expected


@pytest.mark.parametrize(
    "pattern", [r"a\sb", "a[^x]b", "(?s)a.b", r"a\nb", r"a\x0ab", r"a\Q\E\sb"]
)
def test_a_match_across_lines_of_one_entry_counts(pattern: str) -> None:
    """A newline inside an entry is like any character."""
    assert found(pattern, "a", "b", "a\nb", "b") == ["a\nb"]


def test_a_line_end_inside_an_entry_is_a_line_end() -> None:
    """``^`` and ``$`` stand at the lines of an entry too."""
    assert found("^b$", "ab", "a\nb", "b", "a\nb\nc", "a\nbc") == ["a\nb", "b", "a\nb\nc"]


def test_letters_are_compared_in_any_case_where_the_pattern_asks() -> None:
    """Flags stand in the pattern."""
    assert found("(?i)ÉRROR", "Error", "éRRor", "ÉRROR") == ["éRRor", "ÉRROR"]
    assert found("a(?i:b)", "ab", "aB", "AB") == ["ab", "aB"]


@pytest.mark.parametrize(
    ("pattern", "entry"),
    [
        (r"\Qé.\E", "é."),
        ("[à-é]", "â"),
        (r"\p{L}{3}", "été"),
        ("a\0b", "a\0b"),
        ("[\0]", "\0"),
        ("a.b", "a😀b"),
        (r"\x{1F600}", "😀"),
        (r"[]~]{2}", "]~"),
        (r"[^]-]", "ab"),
        (r"[^-a\]]", "b"),
        (r"[[:digit:]]]", "1]"),
    ],
)
def test_characters_beyond_ascii_and_odd_classes_mean_what_they_say(
    pattern: str, entry: str
) -> None:
    """What is written is found, and an entry of other characters is not."""
    assert found(pattern, "-]-]", entry, "-") == [entry]


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("a(?=b)", "a pattern without look-around (?="),
        ("(?<!a)b", "a pattern without look-around (?<!"),
        (r"(a)\1", r"a pattern without back-references \1"),
        ("(?P<n>a)(?P=n)", "a pattern without back-references (?P="),
        ("(?>a)", "a pattern without atomic groups (?>"),
        ("(?(1)a)", "a pattern without conditions (?("),
        ("(?R)", "a pattern without recursion (?R)"),
        (r"\Aab", rf"a pattern without {WHOLE_TEXT} \A"),
        (r"ab\z", rf"a pattern without {WHOLE_TEXT} \z"),
        (r"ab\Z", rf"a pattern without {WHOLE_TEXT} \Z"),
        ("(?-m)^a", "a pattern without lines turned off (?-m)"),
        (r"\C", r"a pattern without single bytes \C"),
        ("a++", "a pattern (bad repetition operator: ++)"),
        ("a)(b", "a pattern (unexpected ))"),
        ("[a", "a pattern (missing ]: [a)"),
        ("a\\", "a pattern (trailing \\)"),
        ("a{1001}", "a pattern (invalid repetition size: {1001})"),
        (r"\p{L}{500}", "a pattern (pattern too large - compile failed)"),
    ],
)
def test_what_cannot_be_had_in_linear_time_is_refused_by_name(pattern: str, allowed: str) -> None:
    """The error says which construct it is."""
    assert refusal(pattern) == f"regex: expected {allowed}, got {pattern!r}"


def test_a_pattern_has_at_most_a_thousand_characters() -> None:
    """A longer one is refused before it is looked at, and shortened in the error."""
    assert refusal("a" * 1001) == (f"regex: expected at most 1000 characters, got '{'a' * 100}…'")
    with pytest.raises(QueryError, match=r"^q: expected at most 1000 characters, got 'b+…'$"):
        literal("b" * 1001)


def test_a_thousand_characters_can_be_searched_for() -> None:
    """The longest text that is taken compiles."""
    assert literal("é." * 500).matches(("É." * 500).encode())
    assert not literal("é." * 500).matches(("É." * 499).encode())


def test_text_is_found_in_any_case_and_has_no_special_characters() -> None:
    """Plain text is not read as a pattern."""
    pattern = literal("[Grüße]\n.*")
    assert pattern.matches("see [GRÜSSE]\n.*".replace("SS", "ß").encode())
    assert not pattern.matches("see [GRÜßE]\n..".encode())


@pytest.mark.parametrize("pattern", ["error.*", "(?s)error.*", r"\w", "a$|.", r"[^\s]"])
def test_a_pattern_that_ends_everywhere_is_decided_all_the_same(pattern: str) -> None:
    """Tens of thousands of reports in a block do not change the answer."""
    line = b"error " + b"a" * 200
    selection = compile_pattern(pattern).select(Lines.of([line, b""] * 100))
    assert selection == bytes([1, 0]) * 100


def test_the_same_pattern_is_compiled_once() -> None:
    """A second reader gets the pattern of the first."""
    assert compile_pattern("the same") is compile_pattern("the same")


def test_a_pattern_that_costs_too_much_is_refused_in_the_search() -> None:
    """What it costs shows only over the text that it was made for."""
    hostile = compile_pattern("(?:a?b?[ab]){90}c")
    quiet = Lines.of([b"an ordinary line of a log, and nothing else" * 2] * 1000)
    choose = Random(1).choice
    made_for_it = Lines.of([bytes(choose(b"ab") for _ in range(100)) for _ in range(2000)])
    assert hostile.select(quiet) is NONE
    began = time.thread_time()
    with pytest.raises(QueryError) as caught:
        hostile.select(made_for_it)
    assert str(caught.value) == (
        "regex: expected a pattern that is searched for quickly, got '(?:a?b?[ab]){90}c'"
    )
    # It would take twenty times as long to its end.
    assert time.thread_time() - began < 1.0


def test_a_pattern_may_be_searched_for_in_any_number_of_small_blocks() -> None:
    """What a search costs besides its bytes is no debt that grows for ever."""
    pattern, quiet = compile_pattern("needle"), Lines.of([b"quiet"])
    assert {pattern.select(quiet) for _ in range(100_000)} == {NONE}


entry = st.text(TEXT + "\n", max_size=8)
blocks = st.tuples(
    st.lists(entry, min_size=1, max_size=6), st.sampled_from([1, 1, 5, 40, 600])
).map(lambda drawn: drawn[0] * drawn[1])
"""Also such as are searched by runs of lines, and in several pieces."""

atoms = st.one_of(
    st.sampled_from(TEXT).map(re.escape),
    st.sampled_from(
        r". \s \S \d \D \w \W \n [ab] [^a] [^é] [\s1] [^\s] [\W] [^\W-] [a\-\s] [\t-a] "
        r"[!-z] [^-a] [\d\D]".split(" ")
    ),
)
zero_width = st.sampled_from(["^", "$", r"\b", ""])


def _extended(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("(?:{0[0]}|{0[1]})".format),
        st.tuples(inner, zero_width).map("".join),
        st.tuples(zero_width, inner).map("".join),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "*?"])).map(
            "(?:{0[0]}){0[1]}".format
        ),
    )


patterns = st.tuples(
    st.sampled_from(["", "(?s)", "(?i)"]), st.recursive(atoms, _extended, max_leaves=6)
).map("".join)


@given(patterns, blocks)
def test_a_block_is_searched_as_if_entry_by_entry(pattern: str, entries: list[str]) -> None:
    """Python's ``re`` over each entry alone finds the same."""
    assume(pattern.isascii() or not pattern.startswith("(?i)"))
    try:
        compiled = compile_pattern(pattern)
    except QueryError:
        assume(False)
    expected = re.compile(pattern, re.MULTILINE | re.ASCII)
    selection = compiled.select(Lines.of([entry.encode() for entry in entries]))
    assert as_mask(selection, len(entries)) == bytes(
        expected.search(entry) is not None for entry in entries
    )


@given(patterns, blocks)
def test_a_block_and_its_entries_agree(pattern: str, entries: list[str]) -> None:
    """Whatever an entry ends with, it is selected in a block if it matches alone."""
    try:
        compiled = compile_pattern(pattern)
    except QueryError:
        assume(False)
    texts = [entry.encode() for entry in entries]
    selection = compiled.select(Lines.of(texts))
    assert as_mask(selection, len(texts)) == bytes(compiled.matches(text) for text in texts)


@given(st.text(TEXT + "\n", min_size=1, max_size=4), blocks)
def test_text_is_found_where_python_finds_it(text: str, entries: list[str]) -> None:
    """In any case, inside an entry only."""
    selection = literal(text).select(Lines.of([entry.encode() for entry in entries]))
    assert as_mask(selection, len(entries)) == bytes(
        text.lower() in entry.lower() for entry in entries
    )


@given(
    st.sampled_from(["k", "S", "ask", "a.b", "é", "x y"]),
    st.lists(st.text("kKsSaſK.bxy éÉ", max_size=6), min_size=1),
)
def test_text_is_found_in_lines_as_in_each_alone(wanted: str, entries: list[str]) -> None:
    """In any case, also where a letter's other case is not ASCII."""
    sought = literal(wanted)
    lines = [entry.encode() for entry in entries]
    expected = of(bytes(sought.matches(line) for line in lines))
    assert sought.select(Lines.of(lines)) == expected
