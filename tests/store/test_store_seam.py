"""Where what is read from the store goes on in memory."""

from pathlib import Path

from relay.query import Query
from relay.span import Span
from tests.building import batch
from tests.kept import Kept

CHANNELS = 60


async def test_many_channels_go_on_in_memory_in_one_read(tmp_path: Path) -> None:
    """Each where its ring begins: a read for each would cost the square of their number."""
    kept = Kept.begin(tmp_path)
    for number in range(4):
        await kept.hub.publish([batch(f"c{k}", f"{number}a {number}b") for k in range(CHANNELS)])
    reads = 0
    told: dict[str, list[str]] = {}
    ids: list[int] = []
    with kept.hub.subscribe(Query(), 0) as subscription:
        while subscription.has_news:
            reads += 1
            for one in await subscription.read():
                assert isinstance(one, Span)
                lines = one.block.lines.split()[one.start : one.stop]
                told.setdefault(one.block.channel, []).extend(line.decode() for line in lines)
                ids += one.block.id_range(one.start, one.stop)
        assert subscription.cursor == kept.hub.last_id
    assert set(map(tuple, told.values())) == {("0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b")}
    assert len(told) == CHANNELS
    assert ids == sorted(ids)
    assert reads <= 2
    await kept.close()
