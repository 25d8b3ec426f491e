"""
Clashes: what two sources cannot both have, found before anything starts.

Each source's model says what it claims; nothing here knows what there is to be claimed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from relay.config.document import spell
from relay.errors import ConfigProblem

__all__ = ["Claim", "Claimant", "find_clashes"]


@dataclass(frozen=True, slots=True)
class Claim:
    """
    What a source has for itself; equal claims of two sources clash.

    Args:
        key: in the source's table that says so; empty: the table itself does.
        what: what it does with what, in the passive: ``'/var/log/app.log' is read``.
        terms: under which others may do the same.
    """

    key: str
    what: str
    terms: tuple[str, ...] = ()


@runtime_checkable
class Claimant(Protocol):
    """The model of a source that claims something."""

    @property
    def claims(self) -> Iterable[Claim]:
        """What it claims."""


def find_clashes(sources: Mapping[str, object]) -> Iterator[ConfigProblem]:
    """
    Give a problem for each claim that an earlier source has already.

    Args:
        sources: their models by name.
    """
    owners: dict[Claim, str] = {}
    for name, options in sources.items():
        for claim in options.claims if isinstance(options, Claimant) else ():
            owner = owners.setdefault(claim, name)
            if owner != name:
                place = ("sources", name, claim.key) if claim.key else ("sources", name)
                other = spell(("sources", owner))
                yield ConfigProblem(spell(place), f"{claim.what} by {other} already")
