"""What of a channel is yet to be stored: what it holds, and holes for what has left it."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from relay.block import DeclaredLoss
from relay.channel import Channel
from relay.entry import Gap, Loss, Reason
from relay.marks import Marks
from relay.run import Ending
from relay.span import Span
from relay.store.segment import Record
from relay.store.unstored import unstored
from tests.building import block

BEFORE = 999
"""All ids are greater."""


@dataclass
class Told:
    """A channel with a ring of some lines, and what was told to it; ids follow each other."""

    channel: Channel
    next_id: int = BEFORE + 1
    next_seq: int = 1

    @classmethod
    def begin(cls, lines: int = 1000) -> "Told":
        channel = Channel("web", lines, 1 << 30, BEFORE)
        channel.back()
        return cls(channel)

    def say(self, count: int) -> None:
        texts = [str(self.next_seq + k) for k in range(count)]
        self.channel.append(block(texts, self.next_id, self.next_seq))
        self.next_id += count
        self.next_seq += count

    def lose(self, reason: Reason = Reason.RATE, count: int | None = 7) -> None:
        self.channel.append(DeclaredLoss(self.next_id, "web", Loss(reason, count, count or 0)))
        self.next_id += 1

    def end(self) -> None:
        name = f"run-{self.next_id}"
        self.channel.end(Ending(self.next_id, "web", name, 9, "succeeded", 0))
        self.next_id += 1

    def store(self) -> None:
        """Take all that there is for stored."""
        self.channel.stored_id = self.channel.last_id
        self.channel.stored_seq = self.channel.last_seq


def last_id(record: Record) -> int:
    if isinstance(record, Gap):
        return record.until
    assert isinstance(record, Span | DeclaredLoss | Ending)
    return record.last_id


def put(records: list[Record]) -> list[str]:
    """Return records, in the order of ids in which they are written, as short texts."""
    texts = []
    for record in sorted(records, key=last_id):
        if isinstance(record, Span):
            first = record.block.first_seq
            texts.append(f"lines {first + record.start} to {first + record.stop - 1}")
        elif isinstance(record, Gap):
            count, reason = record.count, record.reason.value
            texts.append(f"{count} missing in {record.after + 1} to {record.until}: {reason}")
        elif isinstance(record, DeclaredLoss):
            texts.append(f"{record.loss.count} lost at {record.id}: {record.loss.reason.value}")
        elif isinstance(record, Ending):
            texts.append(f"end at {record.id}")
    return texts


def test_nothing_where_all_is_stored() -> None:
    """Nor where nothing was ever said."""
    told = Told.begin()
    assert unstored(told.channel) == []
    told.say(3)
    told.lose()
    told.end()
    told.store()
    assert unstored(told.channel) == []


def test_what_the_ring_holds_is_given_as_it_is() -> None:
    """From the first entry on that is not stored, though a block began before it."""
    told = Told.begin()
    told.say(4)
    told.lose(Reason.SOURCE, None)
    told.say(1)
    told.end()
    told.channel.stored_id, told.channel.stored_seq = 1001, 2
    assert put(unstored(told.channel)) == [
        "lines 3 to 4",
        "None lost at 1004: source",
        "lines 5 to 5",
        "end at 1006",
    ]


def test_what_has_left_the_ring_is_a_hole() -> None:
    """Of what was not stored, and up to the last that left."""
    told = Told.begin(lines=2)
    told.say(2)
    told.store()
    for _ in range(4):
        told.say(1)
    assert put(unstored(told.channel)) == [
        "2 missing in 1002 to 1003: storage",
        "lines 5 to 5",
        "lines 6 to 6",
    ]


def test_losses_and_ends_stand_between_holes() -> None:
    """At their place, though nothing around them is held any more."""
    told = Told.begin(lines=1)
    told.say(2)
    told.lose(Reason.RATE, 5)
    told.say(3)
    told.end()
    told.say(1)
    told.say(1)
    assert put(unstored(told.channel)) == [
        "2 missing in 1000 to 1001: storage",
        "5 lost at 1002: rate",
        "3 missing in 1003 to 1005: storage",
        "end at 1006",
        "1 missing in 1007 to 1007: storage",
        "lines 7 to 7",
    ]


def test_where_it_is_forgotten_what_left_losses_are_one() -> None:
    """What is certain of them is added up, before all lines that have left."""
    told = Told.begin(lines=1)
    told.channel.ring.left = Marks(4)
    told.say(1)
    for reason in (Reason.RATE, Reason.RATE, Reason.RATE, Reason.RATE, Reason.RATE, Reason.SOURCE):
        told.lose(reason, 3)
    told.say(1)
    told.say(1)
    assert put(unstored(told.channel)) == [
        "None lost at 1000: storage",
        "2 missing in 1001 to 1007: storage",
        "lines 3 to 3",
    ]


def test_a_packed_block_is_cut_where_a_run_ended() -> None:
    """An ending takes an id between those of lines."""
    told = Told.begin()
    for number in range(200):
        told.say(1)
        if number == 10:
            told.end()
    first, *others = put(unstored(told.channel))
    assert first == "lines 1 to 11"
    assert others[0] == "end at 1011"
    assert others[1].startswith("lines 12 to ")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["lose", "end", "store"]), st.just(0)),
    ),
    max_size=150,
)


@given(STEPS, st.integers(1, 30))
def test_all_that_is_not_stored_is_there_once(steps: list[tuple[str, int]], lines: int) -> None:
    """Each seq, loss and end after what is stored; each record after those before it."""
    told = Told.begin(lines)
    stored_seq = 0
    losses: list[int] = []
    ends: list[int] = []
    for what, count in steps:
        if what == "say":
            told.say(count)
        elif what == "store":
            told.store()
            stored_seq, losses, ends = told.next_seq - 1, [], []
        else:
            (losses if what == "lose" else ends).append(told.next_id)
            told.lose() if what == "lose" else told.end()
    seq, reached = stored_seq, told.channel.stored_id
    for record in sorted(unstored(told.channel), key=last_id):
        if isinstance(record, Span):
            first_id = record.first_id
            assert record.block.first_seq + record.start == seq + 1
            seq += record.stop - record.start
        elif isinstance(record, Gap):
            first_id = record.after + 1
            seq += record.at_least
        else:
            assert isinstance(record, DeclaredLoss | Ending)
            first_id = record.id
            assert (losses if isinstance(record, DeclaredLoss) else ends).pop(0) == record.id
        assert first_id > reached
        reached = last_id(record)
    assert (seq, losses, ends) == (told.next_seq - 1, [], [])
