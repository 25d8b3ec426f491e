"""What a terminal shows of what a relay sends: lines by a template, gaps, colours."""

import io
from typing import Any

import pytest

from relay.tail_output import Output, Template

ENTRY = {
    "type": "log",
    "id": 8,
    "seq": 3,
    "channel": "web",
    "timestamp": "2026-11-21T09:47:30.123456789Z",
    "level": "error",
    "stream": "stderr",
    "source": "app",
    "message": "no space",
    "fields": {"user": "eve", "http.status": 500},
}


def shown(item: dict[str, Any], **options: Any) -> tuple[str, str]:
    """Return what goes to stdout and to stderr."""
    out, err = io.StringIO(), io.StringIO()
    Output(out, err, **options).write([(item, b"")])
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{timestamp} {level} {message}", "2026-11-21T09:47:30.123456789Z error no space"),
        ("{channel}#{seq}", "web#3"),
        ("{fields.user} {fields.http.status}", "eve 500"),
        ("<{instance}|{run}|{fields.none}>", "<||>"),
        ("{{{message}}} {{}}", "{no space} {}"),
        ("", ""),
        ("a\n%s $b", "a\n%s $b"),
    ],
)
def test_a_template_makes_a_line_of_an_entry(text: str, line: str) -> None:
    """What an entry has not is empty."""
    assert Template(text).line(ENTRY) == line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{mesage}", "no field 'mesage'; did you mean 'message'?"),
        (
            "{fields.}",
            (
                "no field 'fields.'; there are timestamp, level, channel, message, stream, "
                "source, instance, run, id, seq, part, fields.NAME"
            ),
        ),
        ("{message", "a single '{'; a brace itself is written '{{'"),
        ("message}", "a single '}'; a brace itself is written '}}'"),
    ],
)
def test_a_wrong_template_is_told_before_anything_is_read(text: str, message: str) -> None:
    """With the nearest field, or all of them."""
    with pytest.raises(ValueError, match=r".+") as caught:
        Template(text)
    assert str(caught.value) == message


def test_a_template_is_the_whole_line() -> None:
    """It names the channel itself where it wants it; a level has its colour all the same."""
    template = Template("{seq}: {message}")
    assert shown(ENTRY, template=template, channel=True) == ("3: no space\n", "")
    assert shown(ENTRY, template=template, colour=True) == (
        "\x1b[31m3: no space\x1b[0m\n",
        "",
    )


def test_a_gap_of_one_entry_is_told_in_the_singular() -> None:
    """On stderr, so that a pipe carries messages alone."""
    gap = {"type": "gap", "channel": "web", "count": 1, "at_least": 1, "reason": "evicted"}
    assert shown(gap) == ("", "--- gap: 1 entry of web missing (evicted) ---\n")
