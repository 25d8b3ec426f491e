"""The server of ready pages gives what AWS gives: else its clients would measure nothing."""

from pathlib import Path

import pytest

from bench import pages
from bench.row import Scale
from bench.rows.cloudwatch import puller, ready_pages
from bench.servers import floor
from bench.workspace import Workspace
from relay.sources.cloudwatch_events import of_page

SMALL = Scale(lines=30_000)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a folder for one benchmark."""
    return Workspace(tmp_path)


def test_events_are_distinct_and_in_the_order_of_time() -> None:
    """As many as AWS would send in a page, with ids as long as AWS's."""
    events = of_page({"events": pages.page_events(2, 100, 1_795_255_350_000, 0.5)})
    assert len({key for _, _, key, _, _ in events}) == 100
    assert [event[0] for event in events] == sorted(event[0] for event in events)
    assert {len(str(one["eventId"])) for one in pages.page_events(0, 3, 0, 1)} == {56}
    assert {len(message) for *_, message in events} == {pages.MESSAGE_BYTES + 1}


@pytest.mark.parametrize("name", ["pages", "library"])
def test_a_floor_reads_every_event_once(workspace: Workspace, name: str) -> None:
    """Page after page, by their tokens."""
    with ready_pages(workspace, SMALL) as server, floor(workspace, name, str(server.port)) as f:
        events = pages.go(server.port)
        f.wait_for_text(f"read {events}\n")
        assert pages.served(server.port) == 3


def test_the_relay_reads_every_event_once(workspace: Workspace) -> None:
    """The same pages."""
    with ready_pages(workspace, SMALL) as server, puller(workspace, server.port) as relay:
        events = pages.go(server.port)
        relay.wait_for_lines(events)
        assert relay.newest("bench") == events
        assert pages.served(server.port) == 3
