"""
What a batch becomes when it arrives: a block with ids, seqs and levels.
"""

from relay import levels
from relay.block import Block, Column
from relay.entry import UNSAID, Batch, RunEnded
from relay.run import Ending

__all__ = ["block_of", "ending_of"]


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
