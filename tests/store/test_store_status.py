"""What the store says of itself while it fails, and after."""

import time
from pathlib import Path

from relay.config.model import ChannelOptions
from relay.entry import Batch, Origin, RunEnded
from relay.hub import Hub
from relay.status import StoreState, StoreStatus
from relay.store.archive import Archive
from relay.store.recovery import open_store
from relay.store.store import DurableStore
from tests.building import batch
from tests.kept import Kept


async def test_how_far_behind_it_is_until_it_has_caught_up(tmp_path: Path) -> None:
    """Lines, bytes and since when; nothing of it once all is stored."""
    writer, stored = open_store(tmp_path, "never")
    status = StoreStatus()
    store = DurableStore(writer, Archive(tmp_path), 5.0, time.time_ns, status)
    hub = Hub(lambda name: ChannelOptions(), store)
    hub.restore(stored)
    store.connect(hub)
    await hub.publish([batch("web", "a")])
    store.measure()
    assert (status.state, status.behind_lines, status.unsaved_ns) == (StoreState.OK, 0, None)
    assert status.commits.total == 1
    store.fail("no space left on device")
    before_ns = time.time_ns()
    await hub.publish([batch("web", "b c")])
    store.measure()
    assert (status.state, status.reason) == (StoreState.FAILING, "no space left on device")
    assert status.behind_lines == 2
    assert status.behind_bytes > 0
    unsaved_ns = status.unsaved_ns
    assert unsaved_ns is not None
    assert unsaved_ns >= before_ns
    await hub.publish([batch("web", "d")])
    store.measure()
    assert (status.behind_lines, status.unsaved_ns) == (3, unsaved_ns)
    await store.check()
    store.measure()
    assert (status.state, status.reason) == (StoreState.OK, None)
    assert (status.behind_lines, status.behind_bytes, status.unsaved_ns) == (0, 0, None)
    await store.close()


async def test_nothing_is_unsaved_where_a_run_of_two_channels_has_ended(tmp_path: Path) -> None:
    """Its end is news of both, and is stored with one of them."""
    kept = Kept.begin(tmp_path)
    for channel in ("web", "api"):
        await kept.hub.publish([batch(channel, "a", Origin("app", run="job-1"))])
    ended = RunEnded("job-1", 5, "succeeded", 0)
    await kept.hub.publish([Batch("app", "web", runs=(ended,))])
    kept.store.measure()
    assert (kept.status.behind_lines, kept.status.unsaved_ns) == (0, None)
    await kept.close()
