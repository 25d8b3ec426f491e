"""Blocks of channels, newest first, from the rings and from the store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.backward import newest_first
from relay.query import Query
from tests.kept import Kept


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    kept = Kept.begin(tmp_path / "state")
    yield kept
    await kept.close()


async def blocks_of(kept: Kept, query: Query, end: int) -> list[tuple[str, int, list[bytes]]]:
    """Return what is given: channel, last id and lines of each block."""
    channels = kept.hub.selected(query)
    return [
        (block.channel, block.last_id, block.lines.split())
        async for block in newest_first(kept.hub, channels, end, query)
    ]


async def test_channels_are_mixed_by_their_ids(kept: Kept) -> None:
    """Lines that no ring holds any more too: a ring holds two."""
    for number in range(6):
        await kept.publish(f"a{number}", "web")
        await kept.publish(f"b{number} c{number}", "api")
    given = await blocks_of(kept, Query(), kept.hub.last_id)
    ids = [last_id for _, last_id, _ in given]
    assert ids == sorted(ids, reverse=True)
    for channel, expected in (
        ("web", [b"a0", b"a1", b"a2", b"a3", b"a4", b"a5"]),
        ("api", [f"{name}{n}".encode() for n in range(6) for name in "bc"]),
    ):
        pieces = [lines for name, _, lines in reversed(given) if name == channel]
        assert [line for lines in pieces for line in lines] == expected


async def test_only_the_channels_that_are_asked_for(kept: Kept) -> None:
    """Others are not read."""
    await kept.publish("a b c d", "web")
    await kept.publish("x y z", "api")
    query = Query(channels=("api",))
    assert {name for name, _, _ in await blocks_of(kept, query, kept.hub.last_id)} == {"api"}


async def test_it_begins_with_what_lies_at_or_below_an_id(kept: Kept) -> None:
    """Wherever that is: in a ring, in the store, before all, and after all."""
    await kept.publish("a b c d e f")
    ids = {
        line: block.id_at(place)
        async for block in newest_first(kept.hub, [kept.hub.channel("web")], 1 << 60, Query())
        for place, line in enumerate(block.lines.split())
    }
    assert sorted(ids) == [b"a", b"b", b"c", b"d", b"e", b"f"]
    for end in [kept.hub.start_id, *ids.values(), kept.hub.last_id + 5]:
        found = await blocks_of(kept, Query(), end)
        lines = sorted(line for _, _, lines in found for line in lines)
        assert lines == sorted(line for line in ids if ids[line] <= end)


async def test_the_store_is_asked_only_by_who_comes_so_far(kept: Kept) -> None:
    """What the ring holds is given though the store has lost its directory."""
    await kept.publish("a b c d e")
    for path in kept.directory.glob("channels/web/*/*"):
        path.unlink()
    blocks = newest_first(kept.hub, kept.hub.selected(Query()), kept.hub.last_id, Query())
    assert (await anext(blocks)).lines.split()[-1] == b"e"
    assert [block async for block in blocks][1:] == []


async def test_what_the_ring_lets_go_of_meanwhile_is_given(kept: Kept) -> None:
    """It was taken when the reading began."""
    await kept.publish("a b c d e")
    blocks = newest_first(kept.hub, kept.hub.selected(Query()), kept.hub.last_id, Query())
    given = (await anext(blocks)).lines.split()
    await kept.publish("f g h i")
    async for block in blocks:
        given = block.lines.split() + given
    assert given == [b"a", b"b", b"c", b"d", b"e"]
