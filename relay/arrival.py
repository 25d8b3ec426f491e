"""
What a batch becomes when it arrives: a block with ids, seqs and levels.

What comes from outside is judged where it comes in, by sources and decoders. Here stands what
holds for whatever one of them lets through: a value that neither JSON nor a database can have
would fail each commit and each reader that meets it, those of all other sources too.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from relay import levels
from relay.block import Block, Column
from relay.entry import (
    UNSAID,
    Batch,
    Loss,
    Origin,
    Position,
    Reason,
    RunCounted,
    RunEnded,
    RunStarted,
)
from relay.names import channel_name, is_run_id
from relay.run import Ending

__all__ = ["block_of", "ending_of", "fit"]

MAX_NUMBER = (1 << 63) - 1
"""Of a database, and of its opposite number."""

MAX_COUNT = (1 << 53) - 1
"""Of lost lines: what every reader of JSON can have."""

_T = TypeVar("_T")
_Change = TypeVar("_Change", bound=RunStarted | RunCounted | RunEnded)


def fit(batch: Batch) -> Batch:
    """
    Return a batch with values that can be shown and kept, as nearly all have: costs 2 µs.

    Text that is no UTF-8 has ``?`` for what is none, numbers are the nearest that 64 bits hold,
    names are made names; a loss is the source's where it says that it is the store's. Lines and
    fields are as their decoder made them.
    """
    fitting = {
        "source": _text(batch.source),
        "channel": _channel(batch.channel) if batch.channel or not batch.is_position else "",
        "reader": _text(batch.reader),
        "origins": _same(batch.origins, tuple([_origin(one) for one in batch.origins])),
        "position": None if batch.position is None else _position(batch.position),
        "runs": _same(batch.runs, tuple([_change(one) for one in batch.runs])),
        "loss": None if batch.loss is None else _loss(batch.loss),
    }
    changed = {name: one for name, one in fitting.items() if one is not getattr(batch, name)}
    return replace(batch, **changed) if changed else batch  # type: ignore[arg-type]


def _same(before: _T, after: _T) -> _T:
    """Return what was there before, where that is equal."""
    return before if before == after else after


def _text(text: str) -> str:
    if text.isascii():
        return text
    return _same(text, text.encode(errors="replace").decode())


def _number(number: int) -> int:
    return number if -MAX_NUMBER <= number <= MAX_NUMBER else _nearest(number, MAX_NUMBER)


def _nearest(number: int, most: int) -> int:
    return max(-most, min(number, most))


@lru_cache(4096)
def _channel(name: str) -> str:
    # Words of routes are for configurations to refuse: such a channel can be kept as any other.
    return name if is_run_id(name) else channel_name(name)


@lru_cache(4096)
def _origin(origin: Origin) -> Origin:
    return Origin(
        source=_text(origin.source),
        instance=None if origin.instance is None else _text(origin.instance),
        run=None if origin.run is None else _run(origin.run),
        stream=origin.stream,
        level=origin.level,
    )


def _run(name: str) -> str:
    return name if is_run_id(name) else channel_name(name)


def _position(position: Position) -> Position:
    value, keys_from = _text(position.value), _number(position.keys_from)
    if value is position.value and keys_from is position.keys_from:
        return position
    return replace(position, value=value, keys_from=keys_from)


def _change(change: _Change) -> _Change:
    fitting: dict[str, Any] = {}
    for name in change.__slots__:
        value = getattr(change, name)
        if name == "run":
            value = _run(value)
        elif isinstance(value, str):
            value = _text(value)
        elif type(value) is int:
            value = _number(value)
        fitting[name] = value
    return _same(change, replace(change, **fitting))


def _loss(loss: Loss) -> Loss:
    reason = loss.reason
    if loss.count is not None and reason in (Reason.STORAGE, Reason.RESTART):
        reason = Reason.SOURCE  # Entries that had ids are missing by these, not what had none.
    count = None if loss.count is None else max(0, _nearest(loss.count, MAX_COUNT))
    at_least = max(0, _nearest(loss.at_least, MAX_COUNT))
    return _same(loss, Loss(reason, count, at_least))


def block_of(batch: Batch, first_id: int, first_seq: int, arrival_ns: int) -> Block:
    """
    Return the block of a batch with lines, and find their levels.

    Args:
        batch: what a source handed over.
        first_id: hub id of its first line.
        first_seq: seq of its first line.
        arrival_ns: the timestamp of all lines where the source gave none.
    """
    return Block(
        channel=batch.channel,
        first_id=first_id,
        first_seq=first_seq,
        lines=batch.lines,
        levels=_levels(batch),
        origins=batch.origins,
        origin_index=batch.origin_index,
        arrival_ns=arrival_ns,
        timestamps=None if batch.timestamps is None else Column(batch.timestamps),
        parts=batch.parts,
        fields=batch.fields,
    )


def _levels(batch: Batch) -> bytes:
    found = _found_levels(batch)
    if batch.levels is None:
        return found
    return bytes(
        [own if said == UNSAID else said for said, own in zip(batch.levels, found, strict=True)]
    )


def _found_levels(batch: Batch) -> bytes:
    origins = batch.origins
    is_said = batch.levels is not None and UNSAID not in batch.levels
    if batch.origin_index is None:
        defaults = bytes([origins[0].level])
    else:
        table = bytes([origin.level for origin in origins])
        defaults = batch.origin_index.translate(table.ljust(256, b"\0"))
    if batch.detect_levels and not is_said:
        return levels.detect(batch.lines, defaults)
    return defaults * batch.lines.count if len(defaults) == 1 else defaults


def ending_of(id_: int, channel: str, change: RunEnded) -> Ending:
    """Return the end of a run at its place in the order of ids."""
    return Ending(
        id=id_,
        channel=channel,
        run=change.run,
        timestamp_ns=change.ended_ns,
        status=change.status,
        exit_code=change.exit_code,
        signal=change.signal,
    )
