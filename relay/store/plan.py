"""
What a write does to channels and segments, worked out before anything is done.

Pure: rows and records in, rows and text out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from relay.block import DeclaredLoss
from relay.entry import Gap
from relay.run import Counted, Start
from relay.span import Span
from relay.store.index import NO_NEWEST_NS, NO_OLDEST_NS, ChannelRow, OpenSegment, SegmentRow
from relay.store.segment import NO_TEXTS, Record, Texts, render_pieces

__all__ = ["Append", "Now", "Plan", "is_old", "plan_records"]

SEGMENT_BYTES = 8 * 1024 * 1024
"""A segment that has grown to this is sealed."""

SEGMENT_NS = 86_400_000_000_000
"""By the age clock: a segment that is open for so long is sealed."""


@dataclass(frozen=True, slots=True)
class Now:
    """
    When something is planned.

    Args:
        age_ns: the age clock.
        date: by the wall clock, in UTC.
        last_id: the greatest id that is stored.
    """

    age_ns: int
    date: str
    last_id: int


@dataclass(frozen=True, slots=True)
class Append:
    """
    Text for the end of one segment.

    Args:
        channel: its channel.
        first_id: of the segment.
        file: its path below the state directory.
        offset: where the segment ends so far; 0: it is new.
        pieces: whole lines, some of them in each.
    """

    channel: str
    first_id: int
    file: str
    offset: int
    pieces: Sequence[bytes]


@dataclass(slots=True)
class Plan:
    """
    What is to be done.

    Args:
        rows: channels as they are then.
        appends: what is to be written, at most once for each segment.
        sealed: segments that are appended to no more.
        records: all but those that are stored already; in their order, where none is.
    """

    rows: dict[str, ChannelRow] = field(default_factory=dict)
    appends: list[Append] = field(default_factory=list)
    sealed: list[SegmentRow] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


def plan_records(
    rows: Mapping[str, ChannelRow],
    records: Iterable[Record],
    now: Now,
    is_there: Callable[[str], bool],
    texts: Texts = NO_TEXTS,
) -> Plan:
    """
    Work out what records do.

    Args:
        rows: all channels that are known.
        records: in any order, as long as starts and counts stand where they belong.
        now: when that is.
        is_there: whether a file, by its path below the state directory, is there.
        texts: of blocks that are rendered already, see :func:`~relay.store.segment.prepared`.
    """
    plan = Plan(records=list(records))
    by_channel: dict[str, list[Record]] = {}
    for record in plan.records:
        name = record.block.channel if isinstance(record, Span) else record.channel
        by_channel.setdefault(name, []).append(record)
    for name, own in by_channel.items():
        row = rows.get(name)
        new = _new(own, -1 if row is None else row.last_id)
        if new is not own:
            stored = {id(record) for record in own}
            plan.records = [one for one in plan.records if id(one) not in stored] + new
        placed = [record for record in new if not isinstance(record, Start | Counted)]
        if row is None:
            born_id = min(map(_first_id, placed)) - 1 if placed else now.last_id
            row = plan.rows[name] = ChannelRow(name, born_id, born_id, 0)
        if placed:
            _append(plan, row, placed, now, is_there, texts)
    return plan


def _append(
    plan: Plan,
    row: ChannelRow,
    records: Sequence[Record],
    now: Now,
    is_there: Callable[[str], bool],
    texts: Texts,
) -> None:
    part, file = row.open, ""
    if part is not None:
        file = _file(row.name, part)
        # One that was deleted by hand is let go of: what it held is a gap to its readers.
        if part.date != now.date or is_old(part, now.age_ns) or not is_there(file):
            plan.sealed.append(row.sealed())
            part = None
    if part is None:
        part = _opened(row, min(map(_first_id, records)), now)
        file = _file(row.name, part)
    pieces = render_pieces(records, texts)
    length = sum(map(len, pieces))
    plan.appends.append(Append(row.name, part.first_id, file, part.length, pieces))
    row = _grown(row, part, records, length, now.age_ns)
    if part.length + length >= SEGMENT_BYTES:
        plan.sealed.append(row.sealed())
        row = replace(row, open=None)
    plan.rows[row.name] = row


def _file(channel: str, part: OpenSegment) -> str:
    return f"channels/{channel}/{part.date}/{part.first_id}.ndjson"


def _opened(row: ChannelRow, first_id: int, now: Now) -> OpenSegment:
    return OpenSegment(
        first_id=max(first_id, row.last_id + 1),
        first_seq=row.last_seq + 1,
        length=0,
        entries=0,
        oldest_ns=NO_OLDEST_NS,
        newest_ns=NO_NEWEST_NS,
        date=now.date,
        written_ns=now.age_ns,
        opened_ns=now.age_ns,
    )


def is_old(part: OpenSegment, age_ns: int) -> bool:
    """Tell whether a segment has been open for long enough."""
    return age_ns - part.opened_ns >= SEGMENT_NS


def _grown(
    row: ChannelRow, part: OpenSegment, records: Sequence[Record], length: int, age_ns: int
) -> ChannelRow:
    """Return a channel with records added to its open segment."""
    last_seq, entries, losses = row.last_seq, part.entries, part.losses
    oldest_ns, newest_ns = part.oldest_ns, part.newest_ns
    for record in records:
        if isinstance(record, Span):
            block = record.block
            last_seq = block.first_seq + record.stop - 1
            entries += record.stop - record.start
            oldest_ns = min(oldest_ns, block.oldest_ns)
            newest_ns = max(newest_ns, block.newest_ns)
        elif isinstance(record, Gap):
            last_seq += record.at_least
            losses += 1
        elif isinstance(record, DeclaredLoss):
            losses += 1
    part = OpenSegment(
        first_id=part.first_id,
        first_seq=part.first_seq,
        length=part.length + length,
        entries=entries,
        oldest_ns=oldest_ns,
        newest_ns=newest_ns,
        date=part.date,
        written_ns=age_ns,
        opened_ns=part.opened_ns,
        losses=losses,
    )
    return ChannelRow(
        row.name, row.born_id, _last_id(records[-1]), last_seq, None, part, row.lost_id
    )


def _first_id(record: Record) -> int:
    if isinstance(record, Gap):
        return record.after + 1
    return 0 if isinstance(record, Start | Counted) else record.first_id


def _last_id(record: Record) -> int:
    if isinstance(record, Gap):
        return record.until
    return 0 if isinstance(record, Start | Counted) else record.last_id


def _new(records: list[Record], last_id: int) -> list[Record]:
    """
    Return the records of a channel that are not stored, in the order of ids.

    What was not known to be stored is written again, and an ending may stand twice: it is told
    of by each channel of its run.
    """
    before = last_id
    for record in records:
        if isinstance(record, Start | Counted):
            continue
        if _first_id(record) <= before:
            return _sorted(records, last_id)
        before = _last_id(record)
    return records


def _sorted(records: list[Record], last_id: int) -> list[Record]:
    stored = [k for k, record in enumerate(records) if 0 < _last_id(record) <= last_id]
    # Starts and counts have no id: they are as old as what stands behind them.
    new: list[Record] = [
        record
        for record in records[stored[-1] if stored else 0 :]
        if isinstance(record, Start | Counted)
    ]
    for record in sorted(records, key=_last_id):
        if isinstance(record, Start | Counted) or _last_id(record) <= last_id:
            continue
        if isinstance(record, Span) and record.first_id <= last_id:
            new.append(Span(record.block, record.block.index_after(last_id), record.stop))
        else:
            new.append(record)
        last_id = _last_id(record)
    return new
