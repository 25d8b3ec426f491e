"""What stands beside the relay is asked as its own clients ask."""

import socket
from pathlib import Path

import pytest

from bench.clients import Counter
from bench.floors import frame_head
from bench.peers import MARK, count, masked_frame, peer
from bench.workspace import Workspace, line


def test_every_line_has_one_mark() -> None:
    """By which the clients of all count alike."""
    assert {line(number).count(MARK) for number in range(1000)} == {1}


@pytest.mark.parametrize("length", [5, 125, 126, 70_000])
def test_a_clients_frame_says_that_it_is_masked(length: int) -> None:
    """By a mask of zeros: the payload stands as it is (RFC 6455, section 5.3)."""
    frame = masked_frame(b"x" * length)
    head = frame_head(length)
    assert frame[1] == head[1] + 0x80
    assert frame[:1] + frame[2 : len(head)] == head[:1] + head[2:]
    assert frame[len(head) :] == bytes(4) + b"x" * length


def test_a_peer_that_is_not_there_fails(tmp_path: Path) -> None:
    """Rather than leave a hole in the table."""
    with (
        pytest.raises(RuntimeError) as caught,
        peer(Workspace(tmp_path), [tmp_path / "nobody"], 1),
    ):
        pass
    assert str(caught.value) == (
        f"not installed: {tmp_path}/nobody; `make bench-peers` installs it"
    )


def test_a_peer_that_loses_lines_fails_in_time() -> None:
    """A client that never gets its lines does not hold up the others' figures for ever."""
    server, client = socket.socketpair()
    with server, client:
        server.sendall(MARK * 2)
        with pytest.raises(RuntimeError) as caught:
            count([Counter(client, MARK)], 3, 0.2)
    assert str(caught.value) == "expected 3 lines in 0.2 s, got [2]"


def test_a_peer_that_repeats_lines_fails() -> None:
    """More than was asked for is no better than less."""
    server, client = socket.socketpair()
    with server, client:
        server.sendall(MARK * 3)
        with pytest.raises(RuntimeError) as caught:
            count([Counter(client, MARK)], 2)
    assert str(caught.value) == "expected 2 lines in 60 s, got [3]"
