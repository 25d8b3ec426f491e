"""Clients that only count must count right, or the table is wrong."""

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.clients import Counter, Drain, count_held
from bench.floors import event_head, render

EVENTS = render(b'one\ntwo\n{"type":"log",\nfour\n', 1, 1, event_head("/a.log", 0))
"""Four events; the third's message is the mark by which events are counted."""


def feed(body: bytes, sizes: list[int]) -> Counter:
    """Send ``body`` in pieces of these sizes, the rest in one, and count."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        counter = Counter(theirs)
        while body:
            size = sizes.pop() if sizes else len(body)
            ours.sendall(body[:size])
            assert counter.receive()
            body = body[size:]
        return counter


@given(st.lists(st.integers(1, 400), max_size=20))
def test_events_are_counted_however_the_stream_is_cut(sizes: list[int]) -> None:
    """A mark that two pieces share counts once; the same words inside a message do not."""
    counter = feed(EVENTS, sizes)
    assert (counter.events, counter.bytes) == (4, len(EVENTS))


def test_every_byte_by_itself() -> None:
    """The smallest pieces there are."""
    assert feed(EVENTS, [1] * len(EVENTS)).events == 4


def test_a_closed_stream_has_ended() -> None:
    """Both kinds of reader tell the end."""
    for reader_of in (Counter, Drain):
        ours, theirs = socket.socketpair()
        with theirs:
            ours.close()
            assert not reader_of(theirs).receive()


def test_a_drain_counts_the_bytes_it_throws_away() -> None:
    """What the kernel drops is counted all the same."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with ours, theirs:
        theirs.sendall(b"x" * 1000)
        drain = Drain(ours)
        while drain.bytes < 1000:
            assert drain.receive()
        assert drain.bytes == 1000


@pytest.fixture
def short_stream(unused_tcp_port: int) -> Iterator[int]:
    """Serve four events once, and close."""
    import threading

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + EVENTS)

    with socket.create_server(("127.0.0.1", unused_tcp_port)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield unused_tcp_port
        thread.join()


def test_a_lost_line_is_a_failure(short_stream: int) -> None:
    """A run in which a line is missing gives no figure."""
    with pytest.raises(RuntimeError) as caught:
        count_held(short_stream, "/bench/sse", 5)
    assert str(caught.value) == "expected 5 lines, got 4"
