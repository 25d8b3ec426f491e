"""Pages of what is held; how they look over HTTP stands in tests/web/test_logs.py."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.entry import Gap, Reason
from relay.history import Bounds, Page, add_context, count_matches, newest_cursor, read_page
from relay.matcher import MatchCache
from relay.query import Query
from tests.kept import Kept

LOUD = Query(text=("a",))


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    kept = Kept.begin(tmp_path / "state")
    await kept.publish("a1 a2 a3 b4 a5 a6")
    yield kept
    await kept.close()


async def newest(kept: Kept, limit: int) -> tuple[Page, bool]:
    """Return the page of the newest entries, and whether there may be older ones."""
    matches, end = MatchCache(), kept.hub.last_id
    cursor, has_older = await newest_cursor(kept.hub, matches, LOUD, limit)
    return await read_page(kept.hub, matches, LOUD, Bounds(cursor, end, limit)), has_older


def seqs(page: Page) -> list[int]:
    """Return the seqs of its entries."""
    spans = [one.span for one in page.picked]
    return [
        seq
        for span in spans
        for seq in range(span.block.first_seq + span.start, span.block.first_seq + span.stop)
    ]


def lose_index(kept: Kept) -> None:
    """Let nobody read the store any more."""
    kept.store._archive.close()
    (kept.directory / "index.db").rename(kept.directory / "away")


async def test_a_page_that_the_store_should_fill_and_cannot_says_so(kept: Kept) -> None:
    """By a gap: its entries are those of the ring."""
    page, has_older = await newest(kept, 4)
    assert (page.count, page.gaps, has_older) == (4, [], True)
    ring = kept.hub.channels["web"].ring.first_block
    assert ring is not None
    lose_index(kept)
    page, has_older = await newest(kept, 4)
    assert (page.count, has_older) == (2, True)
    (gap,) = page.gaps
    assert (gap.channel, gap.count, gap.reason) == ("web", 4, Reason.STORAGE)
    assert gap.until < ring.first_id


async def test_a_page_that_the_ring_fills_asks_no_store(kept: Kept) -> None:
    """It is whole."""
    lose_index(kept)
    page, has_older = await newest(kept, 1)
    assert (page.count, page.gaps, has_older) == (1, [], True)


async def test_what_cannot_be_read_is_not_counted(kept: Kept) -> None:
    """No number is better than a wrong one."""
    assert await count_matches(kept.hub, MatchCache(), LOUD) == 5
    lose_index(kept)
    assert await count_matches(kept.hub, MatchCache(), LOUD) is None


async def test_lines_in_all_are_not_counted_where_the_store_cannot_be_read(kept: Kept) -> None:
    """Also where they need not be looked at: the ring's alone would be too few."""
    assert await count_matches(kept.hub, MatchCache(), Query()) == 6
    lose_index(kept)
    assert await count_matches(kept.hub, MatchCache(), Query()) is None


async def test_neighbours_that_cannot_be_read_are_a_gap(kept: Kept) -> None:
    """It lies before what the ring holds of them."""
    page, _ = await newest(kept, 1)
    await add_context(kept.hub, page, 3)
    assert (seqs(page), page.gaps) == ([3, 4, 5, 6], [])
    lose_index(kept)
    page, _ = await newest(kept, 1)
    await add_context(kept.hub, page, 3)
    channel = kept.hub.channels["web"]
    ring = channel.ring.first_block
    assert ring is not None
    assert seqs(page) == [5, 6]
    after, until = channel.first_id - 1, ring.first_id - 1
    assert page.gaps == [Gap(until, "web", after, until, None, 1, Reason.STORAGE)]
