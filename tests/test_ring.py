"""A channel's newest entries."""

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.block import Block, DeclaredLoss
from relay.entry import Loss, Reason
from relay.ring import Ring
from tests.building import APP, APP_STDERR, block


def blocks_of(ring: Ring) -> list[Block]:
    return [item for item in ring.after(0) if isinstance(item, Block)]


def entries_of(ring: Ring) -> list[tuple[int, int, str]]:
    """Return (id, seq, message) of all that is held."""
    return [
        (block.id_at(index), block.first_seq + index, block.entry(index).message)
        for block in blocks_of(ring)
        for index in range(block.count)
    ]


def test_whole_blocks_leave_while_enough_lines_remain() -> None:
    """The ring keeps at least its lines, and at most a block more."""
    ring = Ring(4, 1 << 20)
    for number in range(4):
        ring.append(block("a b c", 100 + 10 * number, 1 + 3 * number))
    assert [item.first_id for item in blocks_of(ring)] == [120, 130]
    assert ring.lines == 6


def test_blocks_leave_while_over_bytes() -> None:
    """Bytes bound the ring whatever its lines."""
    size = block("x").size_bytes
    ring = Ring(1000, 3 * size)
    for number in range(5):
        ring.append(block("x", 100 + number, 1 + number))
    assert len(ring) == 3
    assert ring.bytes == 3 * size


def test_the_newest_block_always_stays() -> None:
    """Even one that is larger than the ring."""
    ring = Ring(1, 1)
    ring.append(block("a b c", 100, 1))
    ring.append(block("d e f", 200, 4))
    assert [item.first_id for item in blocks_of(ring)] == [200]


def test_a_loss_stands_at_its_place_and_leaves_with_the_next_block() -> None:
    """Declared losses are ordered among blocks by their ids."""
    ring = Ring(1, 1 << 20)
    ring.append(DeclaredLoss(50, "web", Loss(Reason.SOURCE, 3, 3)))
    ring.append(block("a", 100, 1))
    ring.append(DeclaredLoss(150, "web", Loss(Reason.SOURCE, None, 0)))
    assert [item.first_id for item in ring.after(0)] == [50, 100, 150]
    ring.append(block("b", 200, 2))
    assert [item.first_id for item in ring.after(0)] == [150, 200]
    assert ring.marks.losses_between(0, 200) == (3, 3)


def test_finding_by_cursor() -> None:
    """After a cursor comes the item that has it inside, before an id the one below."""
    ring = Ring(100, 1 << 20)
    for number in range(5):
        ring.append(block("a b", 100 + 10 * number, 1 + 2 * number))
    assert [item.first_id for item in ring.after(110)] == [110, 120, 130, 140]
    assert [item.first_id for item in ring.after(111)] == [120, 130, 140]
    assert [item.first_id for item in ring.after(141)] == []
    assert [item.first_id for item in ring.before(120)] == [110, 100]
    assert ring.seq_at(99) == 0
    assert ring.seq_at(110) == 3
    assert ring.seq_at(115) == 4
    assert ring.seq_at(900) == 10


def test_one_line_at_a_time_is_packed() -> None:
    """A thousand one-line blocks become a few, with every entry as it was."""
    ring = Ring(10_000, 1 << 24)
    expected = []
    for number in range(1, 2001):
        origin = APP if number % 2 else APP_STDERR
        ring.append(block([f"line {number}"], 1000 * number, number, origin=origin))
        expected.append((1000 * number, number, f"line {number}"))
    assert entries_of(ring) == expected
    assert len(ring) < 100
    packed = blocks_of(ring)[0]
    assert packed.count == 1024
    assert packed.origin_at(0) == APP
    assert packed.origin_at(1) == APP_STDERR
    assert packed.timestamp_at(1) == 2000 * 1000
    assert ring.bytes == sum(item.size_bytes for item in ring.after(0))


sizes = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 5)), min_size=1, max_size=300)


@settings(max_examples=50, deadline=None)
@given(sizes, st.integers(1, 400), st.integers(2_000, 100_000))
def test_what_is_held_and_what_is_marked_is_everything(
    steps: list[tuple[int, int]], max_lines: int, max_bytes: int
) -> None:
    """Packing and leaving lose no entry, and seqs are known for every id."""
    ring = Ring(max_lines, max_bytes)
    next_id, seq = 100, 1
    ids: list[int] = []
    for count, jump in steps:
        ring.append(block(["x"] * count, next_id, seq))
        ids.extend(range(next_id, next_id + count))
        next_id, seq = next_id + count - 1 + jump, seq + count
    held = entries_of(ring)
    gone_ids = [id_ for one in ring.marks.after(0) for id_ in range(one.first_id, one.last_id + 1)]
    assert gone_ids + [id_ for id_, _, _ in held] == ids
    assert ring.lines == len(held)
    assert ring.bytes <= max_bytes or len(ring) == 1
    for place, id_ in enumerate(ids):
        assert ring.seq_at(id_) == place + 1
