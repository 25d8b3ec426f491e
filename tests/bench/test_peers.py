"""What stands beside the relay is asked as its own clients ask."""

from pathlib import Path

import pytest

from bench.floors import frame_head
from bench.peers import MARK, masked_frame, peer
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
