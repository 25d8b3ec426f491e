"""Addresses are read into a host and port, or a path."""

import pytest

from relay.config.address import Address, TcpAddress, UnixAddress, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8514", TcpAddress("127.0.0.1", 8514)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("logs_1.example-x.com:65535", TcpAddress("logs_1.example-x.com", 65535)),
        ("[::1]:8514", TcpAddress("::1", 8514)),
        ("unix:/run/relay.sock", UnixAddress("/run/relay.sock")),
    ],
)
def test_an_address_is_read_and_written_the_same(text: str, address: Address) -> None:
    """Each form gives its value, and the value writes its form."""
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "8514", ":8514", "host", "host:", "host:65536", "::1:80", "[x]:80", "unix:", "a/b:1"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """The error is the noun phrase of what is allowed."""
    with pytest.raises(ValueError, match="address") as caught:
        parse_address(text)
    assert str(caught.value) == (
        'an address such as "127.0.0.1:8514", "[::1]:8514" or "unix:/run/relay.sock"'
    )


@pytest.mark.parametrize(
    ("text", "is_local"),
    [
        ("127.0.0.1:1", True),
        ("127.8.0.1:1", True),
        ("[::1]:1", True),
        ("LocalHost:1", True),
        ("unix:/x", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("example.com:1", False),
    ],
)
def test_only_loopback_and_unix_sockets_are_local(text: str, is_local: bool) -> None:
    """What other hosts can reach needs permission."""
    assert parse_address(text).is_local is is_local
