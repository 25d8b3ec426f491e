"""The floors send what the relay sends: else a share of them would say nothing."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from io import BufferedReader
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clients import apart, connect, fan_out
from bench.floors import SOURCE, chunk, event_head, handshake, render, render_frames
from bench.servers import floor, live
from bench.workspace import Workspace, appear, knock, pour
from relay.block import Block
from relay.encode import Encoder
from relay.encode.sse import SseEncoder
from relay.encode.websocket import WebSocketEncoder
from relay.entry import Level, Origin
from relay.lines import Lines
from relay.selection import ALL
from relay.span import Span

PATH = "/var/log/100%.log"
NOON_NS = 1_795_262_400_123_456_789
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))


def of_the_relay(
    encoder: Encoder,
    entries: list[bytes],
    first_id: int,
    first_seq: int,
    origin: Origin | None = None,
) -> bytes:
    """Render entries with an encoder of the relay."""
    block = Block(
        SOURCE,
        first_id,
        first_seq,
        Lines.of(entries),
        bytes([Level.INFO]) * len(entries),
        (origin or Origin(SOURCE, PATH),),
        arrival_ns=NOON_NS,
    )
    return encoder.entries(Span(block, 0, len(entries)), ALL)


@given(st.lists(TEXT, min_size=1), st.integers(1, 2**53), st.integers(1, 2**53))
def test_events_are_the_relays_bytes(texts: list[str], first_id: int, first_seq: int) -> None:
    """For any lines, ids and seqs, a floor renders the same bytes as the relay's encoder."""
    entries = [text.encode() for text in texts]
    text = b"".join(entry + b"\n" for entry in entries)
    rendered = render(text, first_id, first_seq, event_head(PATH, NOON_NS))
    assert rendered == of_the_relay(SseEncoder(), entries, first_id, first_seq)


@given(st.lists(TEXT, min_size=1), st.integers(1, 2**53), st.integers(0, 4))
def test_frames_are_the_relays_bytes(texts: list[str], first_id: int, batch: int) -> None:
    """For any lines, one entry a message or several, a floor builds the relay's frames."""
    entries = [text.encode() for text in texts]
    text = b"".join(entry + b"\n" for entry in entries)
    frames = render_frames(text, first_id, 7, event_head(PATH, NOON_NS), batch)
    assert frames == of_the_relay(WebSocketEncoder(batch or None), entries, first_id, 7)


@pytest.mark.parametrize("length", [10, 200, 70_000])
def test_frames_of_every_length(length: int) -> None:
    """The three ways in which a frame says its length."""
    frames = render_frames(b"x" * length + b"\n", 1, 1, event_head(PATH, NOON_NS), 0)
    assert frames == of_the_relay(WebSocketEncoder(), [b"x" * length], 1, 1)


def test_lines_of_a_process_have_a_run_and_no_instance() -> None:
    """As the relay renders them."""
    rendered = render(b"one\n", 1, 1, event_head("", NOON_NS, "bench-1"))
    origin = Origin(SOURCE, run="bench-1")
    assert rendered == of_the_relay(SseEncoder(), [b"one"], 1, 1, origin)


def test_a_websocket_is_accepted_as_the_standard_has_it() -> None:
    """The example of RFC 6455, section 1.3."""
    answer = handshake(b"dGhlIHNhbXBsZSBub25jZQ==")
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer


def test_an_event_is_what_the_design_says() -> None:
    """One event, written out."""
    assert render(b'say "hi"\n', 7, 1, event_head(PATH, NOON_NS)) == (
        b"id: 7\n"
        b"event: log\n"
        b'data: {"type":"log","id":7,"seq":1,"channel":"bench",'
        b'"timestamp":"2026-11-21T12:00:00.123456789Z","level":"info","stream":"stdout",'
        b'"source":"bench","instance":"/var/log/100%.log","message":"say \\"hi\\""}\n\n'
    )


def test_a_chunk_tells_its_length() -> None:
    """An empty chunk ends a body."""
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert chunk(b"") == b"0\r\n\r\n"


def test_floors_import_nothing_of_the_relay() -> None:
    """A floor that used the relay's code would fall and rise with it."""
    code = "import sys, bench.floors; print([m for m in sys.modules if m.startswith('relay')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert found.stdout == b"[]\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return an empty workspace."""
    return Workspace(tmp_path)


def bodies(client: socket.socket) -> Iterator[bytes]:
    """Wait for a response's headers, and return its chunks as they come."""
    stream = client.makefile("rb")
    while stream.readline() != b"\r\n":
        pass
    return chunks(stream)


def chunks(stream: BufferedReader) -> Iterator[bytes]:
    """Yield the chunks of a body to its end."""
    with stream:
        while size := int(stream.readline(), 16):
            yield stream.read(size)
            assert stream.readline() == b"\r\n"


def seqs(body: bytes) -> list[int]:
    """Return the seq of every event."""
    return [int(part.partition(b",")[0]) for part in body.split(b'"seq":')[1:]]


def test_floor_a_sends_every_line_of_a_file_that_appears(workspace: Workspace) -> None:
    """Lines cut by the reads of 128 KiB are whole again, and numbered without a hole."""
    log = workspace.next_log()
    with (
        floor(workspace, "file", str(log)) as server,
        closing(connect(server.port, "/bench/sse")) as client,
    ):
        appear(workspace.staged(5000), log)
        body = b"".join(bodies(client))
    assert seqs(body) == list(range(1, 5001))
    assert body.count(b" ok") == body.count(b"request 0") == 5000


def test_floor_a_sends_every_line_of_a_pipe(workspace: Workspace) -> None:
    """What is poured into it, and what its command says once somebody knocked."""
    fifo, door, staged = workspace.fifo("stdin"), workspace.fifo("door"), workspace.staged(5000)
    with (
        floor(workspace, "stdin", stdin=fifo) as server,
        closing(connect(server.port, "/bench/sse")) as client,
    ):
        pouring = pour(staged, fifo)
        assert seqs(read_until(client, b'"seq":5000,')) == list(range(1, 5001))
        assert pouring.wait() == 0
    with (
        floor(workspace, "process", f"read _ <{door}; cat {staged}") as server,
        closing(connect(server.port, "/bench/sse")) as client,
    ):
        knock(door)
        assert seqs(b"".join(bodies(client))) == list(range(1, 5001))


def read_until(client: socket.socket, end: bytes) -> bytes:
    """Read the chunks of a body until one has ``end``."""
    body = b""
    for piece in bodies(client):
        body += piece
        if end in piece:
            break
    return body


def test_floor_b_sends_every_frame_to_every_client(workspace: Workspace) -> None:
    """All clients get the same, one entry a message or several."""
    staged = workspace.staged(3000)
    for batch in (0, 50):
        with floor(workspace, "frames", f"{staged}:20:{batch}") as server:
            assert apart(fan_out, server.port, live(transport="ws"), 20, 3000) > 0


def test_floor_b_sends_every_line_to_every_client(workspace: Workspace) -> None:
    """All clients get the same, and the connection's end is the stream's."""
    staged = workspace.staged(3000)
    with floor(workspace, "fanout", f"{staged}:20") as server:
        assert apart(fan_out, server.port, "/bench/sse", 20, 3000) > 0


def test_floor_c_sends_lines_as_they_are_written(workspace: Workspace) -> None:
    """Both clients get what was appended after they came."""
    log = workspace.next_log()
    log.write_bytes(b"")
    with floor(workspace, "stream", str(log)) as server, ExitStack() as stack:
        clients = [stack.enter_context(connect(server.port, "/bench/sse")) for _ in range(2)]
        streams = [bodies(client) for client in clients]
        with log.open("ab", buffering=0) as file:
            file.write(b"one\n")
            assert [seqs(next(stream)) for stream in streams] == [[1], [1]]
            file.write(b"two\nthree\n")
            assert [seqs(next(stream)) for stream in streams] == [[2, 3], [2, 3]]
