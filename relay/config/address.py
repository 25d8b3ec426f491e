"""Where the server listens: a host and port, or the path of a unix socket."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

__all__ = ["Address", "AddressText", "TcpAddress", "UnixAddress", "is_ipv6", "parse_address"]

ALLOWED_ADDRESS = 'an address such as "127.0.0.1:8514", "[::1]:8514" or "unix:/run/relay.sock"'

_TCP = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+)):(?P<port>\d{1,5})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """
    A host and a port.

    Args:
        host: name or address, IPv6 without brackets.
        port: 0 lets the system choose.
    """

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this host can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """
    A unix socket.

    Args:
        path: of its file.
    """

    path: str

    @property
    def is_local(self) -> bool:
        """A unix socket is reached from this host alone."""
        return True

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress


def parse_address(text: str) -> Address:
    """
    Read ``HOST:PORT``, ``[IPv6]:PORT`` or ``unix:PATH``.

    Raises:
        ValueError: it is none of these; holds the noun phrase of what is allowed.
    """
    if text.startswith("unix:") and len(text) > len("unix:"):
        return UnixAddress(text.removeprefix("unix:"))
    match = _TCP.fullmatch(text)
    if match is None or int(match["port"]) > 65535 or not is_ipv6(match["six"] or "::"):
        raise ValueError(ALLOWED_ADDRESS)
    return TcpAddress(match["six"] or match["name"], int(match["port"]))


def is_ipv6(text: str) -> bool:
    """Tell whether ``text`` is an IPv6 address, without brackets."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _address(value: Any) -> Address:
    if isinstance(value, TcpAddress | UnixAddress):
        return value
    if isinstance(value, str):
        return parse_address(value)
    raise ValueError(ALLOWED_ADDRESS)


AddressText = Annotated[
    TcpAddress | UnixAddress,
    PlainValidator(_address),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8514", "unix:/run/relay.sock"]}),
]
"""An address as a configuration writes it."""
