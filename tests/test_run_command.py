"""What ``relay run`` keeps and sends; the command itself is in tests/e2e/test_run.py."""

import orjson

from relay.decode.lines import LineDecoder
from relay.run_command import Backlog, RunRequest, ndjson


def test_lines_as_they_are_pushed() -> None:
    """Text, stream, time and parts."""
    decoder = LineDecoder(8)
    decoded = decoder.feed('a"b\n\n0123456789é\n'.encode())
    sent = [orjson.loads(line) for line in ndjson(decoded, "stderr", 7).splitlines()]
    assert sent == [
        {"message": 'a"b', "stream": "stderr", "timestamp": 7},
        {"message": "", "stream": "stderr", "timestamp": 7},
        {"message": "01234567", "stream": "stderr", "timestamp": 7, "part": True},
        {"message": "89é", "stream": "stderr", "timestamp": 7, "part": True},
    ]
    assert ndjson(decoder.feed(b"open"), "stdout", 7) == b""


def test_a_backlog_is_confirmed_from_its_beginning() -> None:
    """What is not confirmed is sent again."""
    backlog = Backlog()
    backlog.add(b"1\n2\n", 2)
    backlog.add(b"3\n", 1)
    assert backlog.head(5) == (b"1\n2\n", 2)
    assert backlog.head(6) == (b"1\n2\n3\n", 3)
    assert backlog.head(3) == (b"1\n", 1)
    assert backlog.head(1) == (b"1\n", 1)
    assert backlog.confirm(1)
    assert backlog.head() == (b"2\n3\n", 2)
    assert backlog.confirm(2)
    assert not backlog.confirm(1)
    assert (backlog.first, backlog.end, backlog.bytes) == (2, 3, 2)
    backlog.confirm(3)
    assert backlog.head() == (b"", 0)


def test_a_full_backlog_drops_its_oldest_lines() -> None:
    """The offset of what is left tells the relay how many are missing."""
    backlog = Backlog(most_bytes=4)
    backlog.add(b"1\n2\n", 2)
    backlog.add(b"3\n", 1)
    assert backlog.head() == (b"3\n", 1)
    assert (backlog.first, backlog.end, backlog.dropped) == (2, 3, 2)


def test_addresses() -> None:
    """HTTP, or a unix socket."""
    assert RunRequest("http://h:1/logs", "c", "r", ["x"]).is_valid
    assert RunRequest("unix:/run/relay.sock", "c", "r", ["x"]).socket == "/run/relay.sock"
    assert not RunRequest("nonsense", "c", "r", ["x"]).is_valid
    assert not RunRequest("http://[", "c", "r", ["x"]).is_valid
