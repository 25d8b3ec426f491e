"""
Which log groups a source reads: by name, by glob, or by ARN, which tells region and account too.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from relay.sources.cloudwatch_client import Client, Clients

__all__ = ["Group", "Listing", "Wanted", "find_groups", "parse_group"]

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


@dataclass(frozen=True, slots=True)
class Listing:
    """
    The log groups that a name or a glob stands for.

    Args:
        client: whom to ask for them.
        groups: those that are there; one that is named is taken as it is, there or not.
        glob: what it is kept under when they were listed; ``None``: it is a name.
    """

    client: Client
    groups: tuple[Group, ...]
    glob: str | None = None


async def find_groups(wanted: Wanted, clients: Clients) -> Listing:
    """
    Return the log groups that are there now, and who is to be asked for them.

    Raises:
        SourceError: the libraries, the profile or the region cannot be used.
        AwsError: AWS did not answer.
    """
    client = await clients.of(wanted.region)
    account = None if wanted.account == client.account else wanted.account
    named = Group(wanted.name, client.region, account)
    if not wanted.is_glob:
        return Listing(client, (named,))
    names = [name async for name in client.log_groups(wanted.prefix, account)]
    groups = [
        Group(name, client.region, account) for name in names if fnmatchcase(name, wanted.name)
    ]
    # No log group is called like a glob, so that what is kept under it is no other reader's.
    return Listing(client, tuple(groups), named.reader)


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
