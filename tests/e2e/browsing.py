"""A real browser, and what tests of the page do with it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.conftest import PATIENCE_SECONDS, Relay

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

FILES = '[sources.files]\ntype = "file"\npath = ["logs/*.log"]\nstart = "beginning"\n'
ROWS = "log-view .row"

expect.set_options(timeout=PATIENCE_SECONDS * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium, as headless as it comes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Return the folder that ``FILES`` reads."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@dataclass
class Tab:
    """A page, and all that its console said."""

    page: Page
    said: list[str] = field(default_factory=list)

    @property
    def messages(self) -> list[str]:
        """The messages that are drawn, from top to bottom."""
        return self.page.locator(f"{ROWS} .message").all_text_contents()

    @property
    def is_at_tail(self) -> bool:
        """Whether the list is scrolled to its end."""
        script = "(e) => e.scrollHeight - e.clientHeight - e.scrollTop < 2"
        return bool(self.page.locator(".scroller").evaluate(script))

    def row(self, text: str) -> Any:
        """Return the row whose message holds a text."""
        return self.page.locator(ROWS).filter(has_text=text)

    def shows(self, text: str) -> None:
        """Wait until a row with this text is drawn."""
        expect(self.row(text).first).to_be_visible()

    def state(self, words: str) -> None:
        """Wait for a state of the connection."""
        expect(self.page.locator("connection-state .words")).to_have_text(words)


@contextmanager
def tab(
    browser: Browser, url: str, width: int = 1200, height: int = 700, *, is_page: bool = True
) -> Iterator[Tab]:
    """Open a page, and see to it that nothing was said that speaks of a defect."""
    page = browser.new_page(viewport={"width": width, "height": height})
    opened = Tab(page)
    page.on("console", lambda message: opened.said.append(message.text))
    page.on("pageerror", lambda error: opened.said.append(str(error)))
    page.goto(url)
    # They come after the lines, and the keys with them.
    if is_page:
        page.locator("channel-list .channels").wait_for(state="attached")
    yield opened
    page.close()
    # A browser says by itself what it could not load; everything else is ours.
    own = ("Failed to load resource", "WebSocket connection to")
    assert [words for words in opened.said if not any(one in words for one in own)] == []


def write(path: Path, *lines: str) -> None:
    """Append lines to a file."""
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def numbered(first: int, end: int) -> list[str]:
    """Return lines that can be told apart."""
    return [f"line {number} of many" for number in range(first, end)]


def until(condition: Any) -> None:
    """Wait until something is true in the page."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for_lines(relay: Relay, channel: str, count: int) -> None:
    """Wait until a channel has had so many lines."""
    relay.wait(
        lambda: any(
            one["name"] == channel and one["lines"] >= count
            for one in relay.get("api/v1/channels")["channels"]
        )
    )


SETTLED = """async (scroller) => {
  const before = scroller.scrollTop;
  await new Promise((resolve) => setTimeout(resolve, 100));
  return scroller.scrollTop === before;
}"""


def place_of(opened: Tab, text: str) -> float:
    """Return where a row stands on the screen."""
    box = opened.row(text).bounding_box()
    assert box is not None
    return float(box["y"])
