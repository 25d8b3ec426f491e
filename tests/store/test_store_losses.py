"""Losses that were declared while the store failed, and left the ring before it was well."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.entry import Batch, Gap, Loss, Reason
from relay.marks import Marks
from tests.kept import Kept


@pytest.fixture
async def failing(tmp_path: Path) -> AsyncIterator[Kept]:
    """One whose store fails, and may work again."""
    kept = Kept.begin(tmp_path / "state")
    await kept.publish("a")
    kept.store.fail("pulled out")
    yield kept
    await kept.close()


async def lose(kept: Kept, *losses: Loss) -> None:
    for loss in losses:
        await kept.hub.publish([Batch("app", "web", loss=loss)])


async def gaps(kept: Kept) -> list[tuple[Reason, int | None, int]]:
    """Return reason, count and at least of what is missing."""
    told = [one for one in await kept.told() if isinstance(one, Gap)]
    return [(gap.reason, gap.count, gap.at_least) for gap in told]


async def test_losses_are_caught_up_for_what_they_were(failing: Kept) -> None:
    """A rate limit's is not a source's; what they stood between has left, too."""
    await lose(failing, Loss(Reason.RATE, 7, 7))
    await failing.publish("b")
    await lose(failing, Loss(Reason.SOURCE))
    await failing.publish("c d e")
    await failing.store.check()
    expected = [
        (Reason.RATE, 7, 7),
        (Reason.STORAGE, 1, 1),
        (Reason.SOURCE, None, 0),
        (Reason.STORAGE, 1, 1),
    ]
    assert await gaps(failing) == expected
    await failing.close()
    again = Kept.begin(failing.directory)
    assert await gaps(again) == expected
    await again.close()


@pytest.mark.parametrize(
    ("first", "reason"), [(Reason.RATE, Reason.RATE), (Reason.SOURCE, Reason.STORAGE)]
)
async def test_losses_of_which_the_places_are_forgotten_become_one(
    failing: Kept, first: Reason, reason: Reason
) -> None:
    """With their reason, where all that are known have the same."""
    failing.hub.channels["web"].ring.left = Marks(4)
    await failing.publish("b")
    await lose(failing, *[Loss(Reason.RATE, 1, 1)] * 5, Loss(first, 1, 1))
    await failing.publish("c d e")
    await failing.store.check()
    assert await gaps(failing) == [(reason, None, 4), (Reason.STORAGE, 2, 2)]
