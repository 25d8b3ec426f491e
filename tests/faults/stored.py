"""What stands in the state directory of a relay that is down, beside what its index says."""

from contextlib import closing
from pathlib import Path

from relay.store import index

__all__ = ["uncut"]


def uncut(state: Path) -> list[str]:
    """Return for which segments more is there than the index knows, in words."""
    with closing(index.connect(state / "index.db", readonly=True)) as connection:
        rows = index.channels(connection)
    found = []
    for row in rows:
        path = index.path_of(state, row.sealed()) if row.open is not None else None
        if row.open is None or path is None or not path.exists():
            continue
        size = path.stat().st_size
        if size > row.open.length:
            found.append(f"{path}: {size} bytes, of which {row.open.length} are recorded")
    return found
