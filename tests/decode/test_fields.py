"""Fields by pattern, and pairs."""

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.decode.fields import field_finder
from relay.lines import Lines


def fields(option: str, *entries: str) -> list[dict[str, str] | None]:
    """Return each entry's fields; ``None`` for one that has none."""
    found = field_finder(option).find(Lines.of([entry.encode() for entry in entries]))
    if found is None:
        return [None] * len(entries)
    return [orjson.loads(text) if text else None for text in found.split()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("level=info status=200", {"level": "info", "status": "200"}),
        ('msg="a b" user.id=7', {"msg": "a b", "user.id": "7"}),
        (r'msg="say \"hi\"\n" x=1', {"msg": 'say "hi"\n', "x": "1"}),
        (r'msg="C:\q"', {"msg": r"C:\q"}),
        ('a= b="" c="open', {"a": "", "b": "", "c": '"open'}),
        ("k=1 k=2", {"k": "2"}),
        ("GET http://x/?a=b", None),
        ("naïve=1 name=Zoë", {"name": "Zoë"}),
        ("@time=1\tx=2", {"@time": "1", "x": "2"}),
        ("nothing here", None),
        ("", None),
        ('{"a": "b=1 c=2"}', None),
    ],
)
def test_pairs_are_found(line: str, expected: dict[str, str] | None) -> None:
    """A line without any has no fields, nor has one that is JSON."""
    assert fields("logfmt", line, "y=1") == [expected, {"y": "1"}]
    assert fields("logfmt", line + "\nz=3") == [
        None if line.startswith("{") else {**(expected or {}), "z": "3"}
    ]


def test_no_pairs_at_all_cost_no_column() -> None:
    """Nothing is kept where nothing was found."""
    assert field_finder("logfmt").find(Lines.of([b"a", b"b"])) is None


def test_groups_are_fields() -> None:
    """Those that took part in the first match; other lines have none."""
    option = r"(?P<ip>\d+\.\d+) (?P<who>\w+)?"
    assert fields(option, "", "from 1.2 me 3.4 you", "x", "1.2 ") == [
        None,
        {"ip": "1.2", "who": "me"},
        None,
        {"ip": "1.2"},
    ]
    assert fields(r"a\s(?P<b>b)", "a", "b", "a\nb") == [None, None, {"b": "b"}]


@pytest.mark.parametrize("option", ["json", r"(\d+)"])
def test_a_pattern_without_named_groups_is_refused(option: str) -> None:
    """With what would have been right."""
    allowed = (
        '"logfmt" or a pattern with named groups, such as '
        r"'^(?P<ip>\S+) (?P<method>[A-Z]+) (?P<path>\S+)'"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(allowed)}$"):
        field_finder(option)


PIECES = st.sampled_from(["a=", "b=1", '"', "\\", " ", "{", "é", "\n", "x", '"c d"'])


@given(st.lists(st.lists(PIECES, max_size=8).map("".join), max_size=5))
@pytest.mark.parametrize("option", ["logfmt", r"(?P<k>\w+)=(?P<v>\S*)"])
def test_lines_together_give_what_each_gives_alone(option: str, entries: list[str]) -> None:
    """Whatever stands in them, newlines too."""
    assert fields(option, *entries) == [fields(option, entry)[0] for entry in entries]


def test_a_long_line_costs_by_its_length() -> None:
    """A word without "=", and quotes that are never closed."""
    for piece in ("x" * 1000, 'a="', "a=\\", 'a="\\'):
        text = piece * (200_000 // len(piece))
        assert len(fields("logfmt", text)) == 1
