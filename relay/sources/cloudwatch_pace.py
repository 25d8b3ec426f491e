"""
How fast AWS may be asked: one pace for each account and region, whoever asks.

AWS counts the requests of an account in a region together and turns away what is too much, so
that a source that asks too fast would starve the others, and other programs of the same account.
Requests are spread evenly: in no second are there more than the rate, and nobody waits for long
behind a burst.

Source: Amazon CloudWatch Logs User Guide, "CloudWatch Logs service quotas".
"""

import asyncio
import base64
import binascii
from weakref import WeakKeyDictionary

from relay.hub import Hub

__all__ = ["Pace", "account_of", "pace_of", "quota_of"]

USUAL_QUOTA = 10.0
"""``FilterLogEvents`` a second, where a region has no other."""

QUOTAS = {
    "us-east-1": 25.0,
    "ap-northeast-3": 5.0,
    "ap-southeast-3": 5.0,
    "ca-west-1": 5.0,
    "eu-central-1": 5.0,
    "il-central-1": 5.0,
}

SHARE = 0.8
"""Of a quota: other programs of the account, and people in the console, need some."""


def quota_of(region: str) -> float:
    """Return how many requests a second a region takes of us, where nobody says it."""
    return QUOTAS.get(region, USUAL_QUOTA) * SHARE


class Pace:
    """
    Spreads requests.

    Args:
        per_second: most of them.
    """

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._next = 0.0

    def slow(self, per_second: float) -> None:
        """Take another user's rate too: the lowest holds."""
        self.per_second = min(self.per_second, per_second)

    def reserve(self, now: float) -> float:
        """Return when the next request may be sent, ``now`` or later, and count it."""
        slot = max(now, self._next)
        self._next = slot + 1 / self.per_second
        return slot

    def hold(self, until: float) -> None:
        """Send nothing before ``until``: AWS said that it was too much."""
        self._next = max(self._next, until)

    async def wait(self) -> None:
        """Return when a request may be sent."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(self.reserve(now) - now)


_paces: "WeakKeyDictionary[Hub, dict[tuple[str, str, str], Pace]]" = WeakKeyDictionary()


def pace_of(hub: Hub | None, account: str, region: str, endpoint: str, per_second: float) -> Pace:
    """
    Return the pace that all sources of a relay have together for an account and a region.

    Args:
        hub: the relay's; ``None``: the pace is nobody else's.
        account: or what stands for it.
        region: its name.
        endpoint: where it is asked, if not at AWS.
        per_second: the most that this user wants.
    """
    if hub is None:
        return Pace(per_second)
    known = _paces.setdefault(hub, {})
    pace = known.setdefault((account, region, endpoint), Pace(per_second))
    pace.slow(per_second)
    return pace


def account_of(access_key: str) -> str:
    """
    Return the account that an access key is of, or the key where that cannot be told.

    The number stands in the key itself, in 40 bits behind its first four letters; so two
    profiles of one account are known as such without asking AWS.
    """
    body = access_key[4:].upper()
    try:
        bits = int.from_bytes(base64.b32decode(body[:16].ljust(16, "A"))[:6])
    except (binascii.Error, ValueError):
        return access_key
    number = (bits & 0x7FFFFFFFFF80) >> 7
    if len(access_key) != 20 or number >= 10**12:
        return access_key
    return f"{number:012d}"
