"""Small neighbouring blocks become one."""

from relay.block import Block, DeclaredLoss
from relay.entry import Loss, Origin, Reason
from relay.lines import Lines
from relay.packing import Item, absorb, pack, pack_neighbours
from tests.building import APP, APP_STDERR, block


def test_everything_of_an_entry_is_kept() -> None:
    """Ids, seqs, origins, times, levels, parts and fields."""
    first = block("a b", 100, 1, levels=b"\3\5", parts=frozenset([1]))
    second = block(["c\nc"], 200, 3, origin=APP_STDERR, timestamps=[9])
    third = Block("web", 300, 4, Lines(b"d\n"), b"\3", (APP,), fields=Lines(b'{"k":1}\n'))
    packed = pack([first, second, third])
    before = [one.entry(index) for one in (first, second, third) for index in range(one.count)]
    assert [packed.entry(index) for index in range(packed.count)] == before
    assert packed.origins == (APP, APP_STDERR)


def test_neighbours_of_consecutive_ids_need_none_each() -> None:
    """As if they had been published together."""
    assert pack([block("a b", 100, 1), block("c", 102, 3)]).ids is None


def test_losses_and_large_blocks_stand_alone() -> None:
    """What does not fit stays as it is, in its place."""
    loss = DeclaredLoss(150, "web", Loss(Reason.SOURCE))
    large = block(["x"] * 9, 300, 5)
    items: list[Item] = [block("a", 100, 1), block("b", 110, 2), loss, block("c", 200, 3), large]
    packed = pack_neighbours(items, max_lines=8)
    assert [one.first_id for one in packed] == [100, 150, 200, 300]
    assert packed[1] is loss
    assert packed[3] is large


def test_more_origins_than_fit_in_a_byte_are_not_packed() -> None:
    """An entry's origin is one byte."""
    items = [block("a", 100 + n, 1 + n, origin=Origin("s", str(n))) for n in range(300)]
    packed = pack_neighbours(items, max_lines=1000)
    assert [one.count for one in packed if isinstance(one, Block)] == [256, 44]


def test_a_block_grows_by_older_ones_that_are_not_larger() -> None:
    """As in a binary counter."""
    small, large = block("a", 100, 1), block("b c", 200, 2)
    grown = absorb(small, large, max_lines=8)
    assert grown is not None
    assert grown.count == 3
    assert absorb(block("a b c", 90, 1), large, max_lines=8) is None
    assert absorb(small, large, max_lines=2) is None
