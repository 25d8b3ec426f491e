"""Secrets, and what only looks like one."""

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.decode.redact import NAMES, Redactor
from relay.lines import Lines

ALL = Redactor(tuple(NAMES))
LUHN_OK = "4111111111111111"
KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN"


def redact(redactor: Redactor, *entries: str) -> list[str]:
    """Return entries as they are after redaction."""
    return redactor.redact(Lines.of([entry.encode() for entry in entries])).strings()


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        ("bearer", "Authorization: Bearer abc.def-ghi==; x", "Authorization: Bearer ***; x"),
        ("bearer", '{"authorization":"bearer abcdef"}', '{"authorization":"bearer ***"}'),
        ("bearer", "invalid bearer token", "invalid bearer token"),
        ("bearer", "GET /x?access_token=abc&y=1", "GET /x?access_token=***&y=1"),
        ("bearer", f"got {JWT}, ok", "got ***, ok"),
        ("aws", "key AKIAIOSFODNN7EXAMPLE used", "key *** used"),
        ("aws", f"aws_secret_access_key = {KEY}", "aws_secret_access_key = ***"),
        ("aws", f'"SecretAccessKey": "{KEY}",', '"SecretAccessKey": "***",'),
        ("aws", "?X-Amz-Signature=ab12&X-Amz-Expires=9", "?X-Amz-Signature=***&X-Amz-Expires=9"),
        ("aws", "AKIA is a prefix", "AKIA is a prefix"),
        ("url-password", "postgres://u:p@ss@db/x", "postgres://u:***@db/x"),
        ("url-password", "redis://:hunter2@cache:6379", "redis://:***@cache:6379"),
        ("url-password", "http://localhost:4873/@scope/pkg", "http://localhost:4873/@scope/pkg"),
        ("email", "from <a.b+c@mail.example.org>: x", "from <***>: x"),
        ("email", "zoë@exämple.de", "***"),
        ("email", "user@host, a@b", "user@host, a@b"),
        ("card", f"card {LUHN_OK}.", "card ***."),
        ("card", "4111 1111 1111 1111 5 items", "*** 5 items"),
        ("card", "in 2024 4111-1111-1111-1111", "in 2024 ***"),
        ("card", "3782 822463 10005", "***"),
        ("card", "id 4111111111111112", "id 4111111111111112"),
        ("card", f"1{LUHN_OK}", f"1{LUHN_OK}"),
    ],
)
def test_a_named_secret_is_replaced(name: str, line: str, expected: str) -> None:
    """What says which secret it was stays."""
    assert redact(Redactor([name]), line) == [expected]


def test_a_pattern_is_replaced_whole_or_by_its_group() -> None:
    """The group ``secret`` keeps what stands around it."""
    redactor = Redactor([r"tok_\w+", r"(?i)password=(?P<secret>\S+)"])
    assert redact(redactor, "a tok_1 b tok_2", "Password=x y", "") == [
        "a *** b ***",
        "Password=*** y",
        "",
    ]


def test_what_overlaps_becomes_one() -> None:
    """All patterns see the line as it came, in whatever order they are given."""
    for wanted in (["ab+", "b(c)"], ["b(c)", "ab+"]):
        assert redact(Redactor(wanted), "xabbcx abcabc") == ["x***x ***"]


def test_no_match_goes_over_from_entry_to_entry() -> None:
    """But inside an entry it may go over lines."""
    redactor = Redactor([r"BEGIN[\s\S]*END", r"x\s+y"])
    assert redact(redactor, "BEGIN", "END", "x", "y") == ["BEGIN", "END", "x", "y"]
    assert redact(redactor, "BEGIN\nkey\nEND of it", "BEGIN", "END") == [
        "*** of it",
        "BEGIN",
        "END",
    ]


def test_lines_without_secrets_are_the_same_object() -> None:
    """Nothing is copied for nothing."""
    lines = Lines.of([b"a", b"b"])
    assert ALL.redact(lines) is lines


def test_fields_stay_json() -> None:
    """Texts, keys and whole numbers are looked at, not the JSON around them."""
    fields = {"a": r"x password=\"y", "b": [1, 4111111111111111], "me@x.org": {"c": None}}
    redactor = Redactor([r"password=.*", "card", "email"])
    redacted = redactor.redact_fields(Lines.of([orjson.dumps(fields), b""])).split()
    assert orjson.loads(redacted[0]) == {"a": "x ***", "b": [1, "***"], "***": {"c": None}}
    assert redacted[1] == b""
    plain = Lines.of([b'{"a":1.5,"b":true}'])
    assert redactor.redact_fields(plain) is plain


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        ("emial", f"one of {', '.join(sorted(NAMES))}, or a pattern (of a mere word: '(emial)')"),
        ("a*", "a pattern that does not match nothing at all"),
        ("(", "a pattern (missing ): ()"),
        (r"(a)\1", r"a pattern without back-references \1"),
    ],
)
def test_what_cannot_be_used_is_refused(wanted: str, allowed: str) -> None:
    """With what would have been right."""
    with pytest.raises(ValueError, match=f"^{re.escape(allowed)}$"):
        Redactor([wanted])


PIECES = st.sampled_from(
    ["Bearer abcdef", "a@b.org", LUHN_OK, "4111 ", "x", " ", "\n", "\r", "é", "http://u:p@h/", KEY]
)


@given(st.lists(st.lists(PIECES, max_size=5).map("".join), max_size=6))
def test_lines_together_give_what_each_gives_alone(entries: list[str]) -> None:
    """Whatever stands in them, newlines too."""
    redactor = Redactor([*NAMES, r"x\s*é", r"\b", r"(?m)é$"])
    alone = [text for entry in entries for text in redact(redactor, entry)]
    assert redact(redactor, *entries) == alone


def test_many_lines_with_secrets_give_what_each_gives_alone() -> None:
    """However many of the lines before had one."""
    secrets = ["a@b.org", "Bearer abcdef x@y.org", LUHN_OK, "4111 1111", "x\ry", ""]
    full = [f"{number} {secrets[number % 6]}" for number in range(6_000)]
    empty = [f"{number} {'nothing ' * 4}" for number in range(6_000)]
    rare = [f"{number} {secrets[number % 6] if number % 50 == 0 else 'x'}" for number in range(99)]
    entries = [*empty, *full, *empty, *rare, *full]
    alone = Redactor(tuple(NAMES))
    assert redact(Redactor(tuple(NAMES)), *entries) == [redact(alone, one)[0] for one in entries]
