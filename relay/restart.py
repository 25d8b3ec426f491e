"""
Cursors from another life.

Without a store ids start anew with the relay. A cursor that this hub cannot have given out, or
that is older than its start, belongs to a hub that is gone: what lay behind it cannot be
counted, and everything since this start is given.
"""

from relay.entry import Gap, Reason
from relay.hub import Hub
from relay.query import Query, is_glob

__all__ = ["BEGINNING", "restart_gaps"]

BEGINNING = 0
"""No hub gives it out: who brings it asks for all that there is, and was never told anything."""


def restart_gaps(hub: Hub, query: Query, cursor: int) -> list[Gap]:
    """
    Return what a reader that brings ``cursor`` is told before anything else.

    Args:
        hub: that is asked.
        query: whose channels; one that is named is told of even before it has a line.
        cursor: that was brought.

    Returns:
        One gap for each channel, with the reader's cursor as id, or nothing where the cursor
        is of this life.
    """
    if cursor == BEGINNING or hub.knows(cursor):
        return []
    named = [name for name in query.channels if not is_glob(name)]
    known = [channel.name for channel in hub.selected(query)]
    names = sorted({*named, *known}) or [",".join(query.channels) or "*"]
    return [
        Gap(
            id=cursor,
            channel=name,
            after=cursor,
            until=hub.start_id,
            count=None,
            at_least=0,
            reason=Reason.RESTART,
        )
        for name in names
    ]
