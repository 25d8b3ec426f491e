"""What is kept until a relay has confirmed it."""

from relay.backlog import Backlog


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
