"""
Which log groups a source reads: by name, by glob, or by ARN, which tells region and account too.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from relay.sources.cloudwatch_client import Client, Clients

__all__ = ["Group", "Wanted", "find_groups", "parse_group"]

_NAME = re.compile(r"[A-Za-z0-9_/.#*?\[\]!-]{1,512}", re.ASCII)
_ARN = re.compile(r"arn:[a-z-]+:logs:([a-z0-9-]+):(\d{12}):log-group:(.+)", re.ASCII)
_MAGIC = re.compile(r"[*?\[]")

ALLOWED = (
    'the name of a log group such as "/aws/lambda/worker", a glob for names such as '
    '"/aws/lambda/*", or the ARN of a log group'
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What the configuration names.

    Args:
        name: of a group, or a glob.
        region: as an ARN tells it.
        account: as an ARN tells it.
    """

    name: str
    region: str | None = None
    account: str | None = None

    @property
    def is_glob(self) -> bool:
        """Whether there may be several such groups."""
        return _MAGIC.search(self.name) is not None

    @property
    def prefix(self) -> str:
        """What all their names begin with."""
        return _MAGIC.split(self.name, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Group:
    """
    A log group.

    Args:
        name: of the group.
        region: where it is.
        account: whose it is, where it is another's than the one that asks.
    """

    name: str
    region: str
    account: str | None = None

    @property
    def reader(self) -> str:
        """What its position is kept under, and its row in the status."""
        return ":".join(part for part in (self.account, self.region, self.name) if part)

    @property
    def request(self) -> dict[str, str]:
        """How a request names it."""
        if self.account is None:
            return {"logGroupName": self.name}
        arn = f"arn:{_partition(self.region)}:logs:{self.region}:{self.account}"
        return {"logGroupIdentifier": f"{arn}:log-group:{self.name}"}


def parse_group(text: str) -> Wanted:
    """
    Read what the configuration names.

    Raises:
        ValueError: what was expected, as a noun phrase.
    """
    found = _ARN.fullmatch(text)
    name = found[3].removesuffix(":*") if found is not None else text
    if not _NAME.fullmatch(name):
        raise ValueError(ALLOWED)
    return Wanted(name) if found is None else Wanted(name, found[1], found[2])


async def find_groups(wanted: Iterable[Wanted], clients: Clients) -> dict[Group, Client]:
    """
    Return the log groups that are there now, and who is to be asked for each.

    One that is named is taken as it is, whether it is there or not.

    Raises:
        SourceError: the libraries, the profile or the region cannot be used.
        AwsError: AWS did not answer.
    """
    found: dict[Group, Client] = {}
    for one in wanted:
        client = await clients.of(one.region)
        account = None if one.account == client.account else one.account
        if not one.is_glob:
            found[Group(one.name, client.region, account)] = client
            continue
        async for name in client.log_groups(one.prefix, account):
            if fnmatchcase(name, one.name):
                found[Group(name, client.region, account)] = client
    return found


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
