"""Following a relay from a terminal: nothing lost, nothing twice, ends as it should."""

import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.remote import DEFAULT_URL, ServerError
from relay.tail import Request, Tail, exit_code
from relay.tail_output import Output
from tests.fakes.ndjson import Answer, serve

HELLO = b'{"type":"hello","version":"0.1.0","cursor":7,"channels":["web"]}\n'
HEARTBEAT = b'{"type":"cursor","id":50}\n'


def entry(number: int, message: str = "", level: str = "info", channel: str = "web") -> bytes:
    """Return an entry as a relay writes it."""
    return (
        orjson.dumps(
            {
                "type": "log",
                "id": number,
                "seq": number,
                "channel": channel,
                "timestamp": "2026-11-21T09:47:30.123456789Z",
                "level": level,
                "stream": "stdout",
                "source": "web",
                "message": message or f"line {number}",
            }
        )
        + b"\n"
    )


def gap(number: int, count: int | None, at_least: int = 0) -> bytes:
    """Return a gap as a relay writes it."""
    return (
        orjson.dumps(
            {
                "type": "gap",
                "id": number,
                "channel": "web",
                "after": 1,
                "until": number,
                "count": count,
                "at_least": at_least,
                "reason": "evicted",
            }
        )
        + b"\n"
    )


def complete(run: str, status: str, exit_code: int | None, signal: str | None = None) -> bytes:
    """Return a run's end as a relay writes it."""
    return (
        orjson.dumps(
            {
                "type": "complete",
                "id": 99,
                "channel": "web",
                "run": run,
                "timestamp": "2026-11-21T09:47:30.123456789Z",
                "status": status,
                "exit_code": exit_code,
                "signal": signal,
            }
        )
        + b"\n"
    )


class Terminal:
    """Keeps what was written."""

    def __init__(self, *, as_json: bool = False, colour: bool = False, channel: bool = False):
        self._out, self._err = io.StringIO(), io.StringIO()
        self.output = Output(self._out, self._err, as_json=as_json, colour=colour, channel=channel)

    @property
    def out(self) -> list[str]:
        return self._out.getvalue().splitlines()

    @property
    def err(self) -> list[str]:
        return self._err.getvalue().splitlines()


async def follow(terminal: Terminal, request: Request) -> int:
    """Follow to the end."""
    return await Tail(request, terminal.output).run()


async def refusal(request: Request) -> str:
    """Follow, and return why that is not possible."""
    with pytest.raises(ServerError) as caught:
        await follow(Terminal(), request)
    return str(caught.value)


async def test_messages_are_written_until_history_ends() -> None:
    """Heartbeats and the hello are not for people."""
    terminal = Terminal()
    answer = Answer((HELLO, entry(8), entry(9, "two\nlines") + HEARTBEAT, entry(51, "ä")))
    async with serve(answer) as relay:
        request = Request(relay.url, ("web",), follow=False)
        assert await follow(terminal, request) == 0
    assert terminal.out == ["line 8", "two", "lines", "ä"]
    assert terminal.err == []
    assert relay.asked == ["/web/json?follow=0"]


async def test_what_was_asked_for_is_in_the_url() -> None:
    """Channels and globs in the path, all else as parameters; a base path stays."""
    async with serve(Answer((HELLO,))) as relay:
        request = Request(
            relay.url + "/logs/",
            ("web", "job-*"),
            run="job-1.*",
            tail=5,
            follow=False,
            filters={"q": "a b&c", "min_level": "warn"},
        )
        await follow(Terminal(), request)
        await follow(Terminal(), Request(relay.url, follow=False))
    assert relay.asked == [
        "/logs/web,job-*/json?q=a+b%26c&min_level=warn&run=job-1.*&tail=5&follow=0",
        "/json?follow=0",
    ]


async def test_a_connection_cut_inside_a_line_is_resumed_without_loss() -> None:
    """What was not whole comes again, after the last id that was seen; what was is not."""
    terminal = Terminal()
    line = entry(12, "größer")
    inside = line.index("ö".encode()) + 1
    async with serve(
        Answer((HELLO, entry(8) + entry(11) + line[:inside]), cut=True),
        Answer((line + entry(13), entry(14)[:20]), cut=True),
        Answer((HEARTBEAT,), cut=True),
        Answer((gap(60, 3) + entry(61),), cut=True),
        Answer((entry(62),)),
    ) as relay:
        request = Request(relay.url, ("web",), tail=9, follow=False, filters={"level": "info"})
        assert await follow(terminal, request) == 0
    assert terminal.out == ["line 8", "line 11", "größer", "line 13", "line 61", "line 62"]
    assert relay.asked == [
        "/web/json?level=info&tail=9&follow=0",
        "/web/json?level=info&after=11&follow=0",
        "/web/json?level=info&after=13&follow=0",
        "/web/json?level=info&after=50&follow=0",
        "/web/json?level=info&after=61&follow=0",
    ]
    lost = "relay tail: connection lost (it broke); trying again"
    assert terminal.err == [
        *[lost] * 3,
        "--- gap: 3 entries of web missing (evicted) ---",
        lost,
    ]


async def test_a_stream_that_ends_is_followed_on() -> None:
    """A relay that restarts ends its streams; before the first line the hello's cursor holds."""
    terminal = Terminal()
    async with serve(
        Answer((HELLO, b'{"type":"error","code":"stopping","message":"the relay stops"}\n')),
        Answer((), status=502),
        Answer((entry(8), complete("job-1", "succeeded", 0))),
    ) as relay:
        assert await follow(terminal, Request(relay.url, run="job-1")) == 0
    assert relay.asked == [
        "/json?run=job-1",
        "/json?run=job-1&after=7",
        "/json?run=job-1&after=7",
    ]
    assert terminal.out == ["line 8"]
    assert terminal.err == [
        "relay tail: the relay stops",
        "relay tail: connection lost (the relay closed it); trying again",
    ]


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (complete("job-1", "succeeded", 0), 0),
        (complete("job-1", "failed", 3), 3),
        (complete("job-1", "killed", None, "SIGKILL"), 137),
        (complete("job-1", "failed", None), 1),
        (complete("job-1", "ended", None), 0),
    ],
)
async def test_a_run_is_followed_to_its_end_and_exit_code(ending: bytes, code: int) -> None:
    """The end of another run is not the end."""
    terminal = Terminal()
    answer = Answer((HELLO, complete("job-2", "failed", 9) + entry(8), ending), hold=True)
    async with serve(answer) as relay:
        assert await follow(terminal, Request(relay.url, run="job-1")) == code
    assert terminal.out == ["line 8"]


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ('{"status":"failed","exit_code":3,"signal":null}', 3),
        ('{"status":"killed","exit_code":null,"signal":"SIGTERM"}', 143),
    ],
)
async def test_a_run_that_has_ended_before_is_not_waited_for(known: str, code: int) -> None:
    """A relay answers 204 where nothing can follow any more; how it ended it says elsewhere."""
    async with serve(Answer(status=204)) as relay:
        relay.runs["job-1"] = Answer((known.encode(),), content_type="application/json")
        assert await follow(Terminal(), Request(relay.url, run="job-1")) == code


NO_RUN = Answer(
    (
        (
            b'{"error":{"code":"unknown_run","near":["job-1"],'
            b"\"message\":\"no run 'jbo-1'; did you mean 'job-1'?\"}}"
        ),
    ),
    status=404,
    content_type="application/json",
)


async def test_who_waits_for_a_run_that_is_not_known_is_told() -> None:
    """Once, not at each connection: its stream is only silent."""
    terminal = Terminal()
    ending = complete("jbo-1", "succeeded", 0)
    async with serve(Answer((HELLO,), cut=True), Answer((entry(8), ending))) as relay:
        relay.runs["jbo-1"] = NO_RUN
        assert await follow(terminal, Request(relay.url, run="jbo-1")) == 0
    assert terminal.err == [
        "relay tail: no run 'jbo-1' yet; waiting for it (did you mean 'job-1'?)",
        "relay tail: connection lost (it broke); trying again",
    ]


async def test_a_run_that_is_not_known_has_no_history() -> None:
    """Where nothing is waited for that is an error; of a glob nothing can be said."""
    async with serve(Answer((HELLO,))) as relay:
        relay.runs["jbo-1"] = NO_RUN
        request = Request(relay.url, run="jbo-1", follow=False)
        assert await refusal(request) == "no run 'jbo-1'; did you mean 'job-1'?"
        assert await follow(Terminal(), Request(relay.url, run="jbo-*", follow=False)) == 0


async def test_history_that_a_relay_cuts_short_is_asked_for_again() -> None:
    """One that stops says so, and ends the stream as if that were all."""
    terminal = Terminal()
    stopping = b'{"type":"error","code":"stopping","message":"the relay stops"}\n'
    async with serve(Answer((HELLO, entry(8), stopping)), Answer((entry(9),))) as relay:
        assert await follow(terminal, Request(relay.url, follow=False)) == 0
    assert terminal.out == ["line 8", "line 9"]


async def test_all_that_counts_is_written_as_json() -> None:
    """Entries, gaps and run endings, byte for byte; nothing that only keeps the stream alive."""
    terminal = Terminal(as_json=True)
    wanted = [entry(8, "ä"), gap(20, None), complete("job-1", "failed", 1)]
    async with serve(Answer((HELLO, HEARTBEAT, *wanted))) as relay:
        assert await follow(terminal, Request(relay.url, follow=False)) == 0
    assert terminal.out == [line.decode().rstrip() for line in wanted]
    assert terminal.err == []


async def test_lines_of_several_channels_begin_with_their_names() -> None:
    """Levels have colours on a terminal, unless the line has its own."""
    terminal = Terminal(colour=True, channel=True)
    lines = (
        entry(1, "a", "error"),
        entry(2, "b", "info", "db"),
        entry(3, "\x1b[32mc\x1b[0m", "warn"),
        entry(4, "d", "fatal"),
        entry(5, "e", "unknown"),
    )
    async with serve(Answer(lines)) as relay:
        await follow(terminal, Request(relay.url, follow=False))
    assert terminal.out == [
        "web | \x1b[31ma\x1b[0m",
        "db | b",
        "web | \x1b[32mc\x1b[0m",
        "web | \x1b[1;31md\x1b[0m",
        "web | e",
    ]


async def test_a_gap_that_nobody_can_count_says_what_is_certain() -> None:
    """People are told on stderr, so that a pipe carries messages alone."""
    terminal = Terminal()
    async with serve(Answer((gap(2, None, 5), gap(3, None)))) as relay:
        await follow(terminal, Request(relay.url, follow=False))
    assert terminal.out == []
    assert terminal.err == [
        "--- gap: at least 5 entries of web missing (evicted) ---",
        "--- gap: an unknown number of entries of web missing (evicted) ---",
    ]


async def test_a_unix_socket_is_an_address_too(tmp_path: Path) -> None:
    """As the relay's own configuration writes it."""
    terminal = Terminal()
    async with serve(Answer((entry(1),)), path=str(tmp_path / "relay.sock")) as relay:
        await follow(terminal, Request(relay.url, ("web",), follow=False))
        # As the relay announces it where it has a base path.
        behind = Request(f"{relay.url}/logs", ("web",), follow=False)
        await follow(terminal, behind)
    assert terminal.out == ["line 1"] * 2
    assert relay.asked == ["/web/json?follow=0", "/logs/web/json?follow=0"]


async def test_what_cannot_be_followed_is_told_in_a_sentence(unused_tcp_port: int) -> None:
    """Nobody there, a refusal, a server that is no relay, an address that is none."""
    nobody = f"http://127.0.0.1:{unused_tcp_port}"
    assert await refusal(Request(nobody)) == f"cannot reach {nobody}: connection refused"
    refused = (
        b'{"error":{"code":"not_found","message":"no channel \'wbe\'; did you mean \'web\'?"}}'
    )
    async with serve(Answer((refused,), status=404, content_type="application/json")) as relay:
        assert await refusal(Request(relay.url)) == "no channel 'wbe'; did you mean 'web'?"
    async with serve(Answer((b"oops",), status=500)) as relay:
        assert await refusal(Request(relay.url)) == (
            f"{relay.url}/json answered 500 Internal Server Error"
        )
    async with serve(Answer((b"<html>",), content_type="text/html")) as relay:
        assert await refusal(Request(relay.url)) == (
            f"{relay.url} is no relay: it answered with text/html"
        )
    async with serve(Answer((b"[1]\n",))) as relay:
        assert await refusal(Request(relay.url)) == "expected an object with a type, got b'[1]'"
    for wrong in ("127.0.0.1:8514", "ftp://x", "http://", "http://a:b"):
        assert await refusal(Request(wrong)) == (
            f"expected a URL such as {DEFAULT_URL}, or unix:PATH, got {wrong!r}"
        )


@given(st.data())
def test_any_split_of_the_stream_shows_the_same(data: st.DataObject) -> None:
    """Pieces of the network have nothing to do with lines."""
    stream = HELLO + entry(8, "größe ✓") + gap(9, 2) + entry(10, "x" * 300) + HEARTBEAT
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=20)))
    terminal = Terminal()
    tail = Tail(Request(), terminal.output)
    rest = b""
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        rest = tail.take(rest, stream[start:stop])
    assert rest == b""
    assert terminal.out == ["größe ✓", "x" * 300]
    assert tail.cursor == 50


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ({"exit_code": 0, "signal": None, "status": "succeeded"}, 0),
        ({"exit_code": 7, "signal": None, "status": "failed"}, 7),
        ({"exit_code": 256, "signal": None, "status": "failed"}, 1),
        ({"exit_code": -1, "signal": None, "status": "failed"}, 255),
        ({"exit_code": None, "signal": "SIGKILL", "status": "killed"}, 137),
        ({"exit_code": None, "signal": "signal", "status": "killed"}, 128),
        ({"exit_code": None, "signal": None, "status": "failed"}, 1),
        ({"exit_code": None, "signal": None, "status": "ended"}, 0),
    ],
)
def test_what_a_shell_would_say_of_an_end(ending: dict[str, Any], code: int) -> None:
    """A failure never looks like success, whoever said what ended it."""
    assert exit_code(ending) == code
