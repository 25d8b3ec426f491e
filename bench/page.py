"""
The page in a real browser, against its bars: ``python -m bench.page``.

Beside each run an empty page of the same browser counts frames, so that what the machine does
besides can be told from what the page does.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-precise-memory-info"
).split()

LINES = 1_000_000
PER_SECOND = 20_000

CONFIG = """
[server]
listen = "127.0.0.1:0"
[channel]
lines = 1_100_000
bytes = "512MiB"
[sources.files]
type = "file"
path = ["*.log"]
start = "beginning"
"""

WATCH = """() => {
  window.frames_ = []; window.tasks_ = []; window.blank_ = 0;
  let last = performance.now();
  let blankSince = null;
  const scroller = document.querySelector(".scroller");
  const look = (now) => {
    window.frames_.push(now - last);
    last = now;
    if (scroller) {
      const seen = scroller.getBoundingClientRect();
      const rows = document.querySelector(".rows").getBoundingClientRect();
      const isBlank = rows.top > seen.top + 1 || rows.bottom < seen.bottom - 1;
      if (!isBlank) blankSince = null;
      else {
        blankSince ??= now;
        window.blank_ = Math.max(window.blank_, now - blankSince);
      }
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  new PerformanceObserver((list) => {
    window.tasks_.push(...list.getEntries().map((entry) => Math.round(entry.duration)));
  }).observe({ type: "longtask" });
}"""

FRAMES = """() => {
  const all = window.frames_.slice(2);
  window.frames_ = [];
  const long = all.filter((one) => one > 50);
  const tasks = window.tasks_;
  window.tasks_ = [];
  return {
    frames: all.length,
    good: 100 * (1 - long.length / Math.max(1, all.length)),
    longest: Math.max(0, ...all),
    long_tasks: tasks.length,
    longest_task: Math.max(0, ...tasks),
    blank: window.blank_,
  };
}"""

OPEN = """
  const look = () => {
    const rows = document.querySelectorAll("log-view .row .message");
    const last = rows[rows.length - 1];
    if (last && last.textContent.includes("line 999999 ")) window.opened_ = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""

EMPTY = """
  requestAnimationFrame(() => requestAnimationFrame(() => {
    window.opened_ = performance.now();
  }));
"""

FILTER = """async (text) => {
  const field = document.querySelector("[name=q]");
  const start = performance.now();
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  const frame = () => new Promise(requestAnimationFrame);
  const view = document.querySelector("log-view");
  let first = null;
  for (;;) {
    await frame();
    const rows = [...document.querySelectorAll("log-view .row .message")];
    const isNew = rows.length > 0 && rows.every((row) => row.textContent.includes(text));
    if (first === null && isNew) first = performance.now() - start;
    if (first !== null && view.isComplete) {
      return { first, whole: performance.now() - start, count: view.count };
    }
    if (performance.now() - start > 20000) return { first, whole: null, count: view.count };
  }
}"""

SCROLL = """async (seconds) => {
  const scroller = document.querySelector(".scroller");
  const start = performance.now();
  const from = scroller.scrollTop;
  for (;;) {
    const now = await new Promise(requestAnimationFrame);
    const part = Math.min(1, (now - start) / (seconds * 1000));
    scroller.scrollTop = from * (1 - part);
    if (part === 1) return;
  }
}"""


@contextmanager
def relay(folder: Path, config: str) -> Iterator[str]:
    """Have a relay in a folder; give its address."""
    (folder / "relay.toml").write_text(config)
    command = [sys.executable, "-m", "relay", "serve", "-c", "relay.toml"]
    root = str(Path(__file__).parent.parent)
    with (folder / "relay.err").open("w") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={"PYTHONPATH": root, "PATH": "/usr/bin:/bin"},
        )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def wait_for(url: str, channel: str, count: int) -> None:
    """Wait until a channel has had so many lines."""
    while True:
        with urllib.request.urlopen(f"{url}api/v1/channels", timeout=10) as response:
            channels = json.load(response)["channels"]
        if any(one["name"] == channel and one["lines"] >= count for one in channels):
            return
        time.sleep(0.1)


def until(page: Page, script: str) -> None:
    """Wait until something is true; the page's policy forbids Playwright's own way."""
    while not page.evaluate(f"() => Boolean({script})"):
        time.sleep(0.02)


def opening(browser: Browser, url: str) -> tuple[list[float], list[float]]:
    """
    Return how long it took until the last lines were seen, in milliseconds, five times.

    And how long a page without anything took between them: what the browser and the machine do.
    """
    times, beside = [], []
    for _ in range(6):
        beside.append(opened(browser, f"{url}healthz", EMPTY))
        times.append(opened(browser, f"{url}?channel=million", OPEN))
    # The first starts the browser's processes.
    return times[1:], beside[1:]


def opened(browser: Browser, url: str, script: str) -> float:
    """Return how long it took until a page, of which nothing is known yet, is there."""
    context = browser.new_context(viewport={"width": 1280, "height": 760})
    page = context.new_page()
    page.add_init_script(script)
    page.goto(url)
    until(page, "window.opened_")
    took = page.evaluate("window.opened_")
    context.close()
    return float(took)


def heap(page: Page) -> float:
    """Return what the page's objects take after a collection, in MiB."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return float(used) / 2**20


def following(browser: Browser, url: str, seconds: int) -> dict[str, Any]:
    """Follow a flood, with a million lines held, beside an empty page."""
    page = browser.new_context(viewport={"width": 1280, "height": 760}).new_page()
    empty = browser.new_context().new_page()
    empty.goto(f"{url}healthz")
    page.goto(f"{url}?channel=flood&tail=all")
    held = "document.querySelector('.counts').title.startsWith('1,00')"
    until(page, held)
    time.sleep(5)
    heaps = [heap(page)]
    for one in (page, empty):
        one.evaluate(WATCH)
    before = page.evaluate("performance.now()")
    half = seconds / 2
    time.sleep(half)
    middle = page.evaluate(FRAMES), empty.evaluate(FRAMES)
    heaps.append(heap(page))
    page.evaluate(FRAMES)
    time.sleep(half)
    result = page.evaluate(FRAMES)
    beside = empty.evaluate(FRAMES)
    heaps.append(heap(page))
    counts = page.locator(".counts").text_content()
    span = page.evaluate("performance.now()") - before
    page.context.close()
    empty.context.close()
    return {
        "page": [middle[0], result],
        "beside": [middle[1], beside],
        "heap_mib": heaps,
        "counts": counts,
        "seconds": span / 1000,
    }


def searching(browser: Browser, url: str, scroll_seconds: int) -> dict[str, Any]:
    """Filter a million held entries, then scroll over them all."""
    page = browser.new_context(viewport={"width": 1280, "height": 760}).new_page()
    empty = browser.new_context().new_page()
    empty.goto(f"{url}healthz")
    page.goto(f"{url}?channel=million&tail=all")
    held = "document.querySelector('.counts').title.startsWith('1,000,000')"
    until(page, held)
    time.sleep(3)
    for one in (page, empty):
        one.evaluate(WATCH)
    page.evaluate(FRAMES)
    filters = []
    for text in ("user-4321", "took 89", "ERROR", "line 9"):
        filters.append({"text": text} | page.evaluate(FILTER, text))
        page.locator("[name=q]").fill("")
        time.sleep(1.5)
    while_filtering = page.evaluate(FRAMES), empty.evaluate(FRAMES)
    page.evaluate("window.blank_ = 0")
    page.evaluate(SCROLL, scroll_seconds)
    scrolled = page.evaluate(FRAMES), empty.evaluate(FRAMES)
    top = page.locator("log-view .row .message").first.text_content()
    page.context.close()
    empty.context.close()
    return {"filters": filters, "frames": while_filtering, "scroll": scrolled, "top": top}


def million(folder: Path) -> None:
    """Write a file of a million lines as services write them."""
    levels = ["INFO"] * 20 + ["DEBUG"] * 8 + ["WARN"] * 3 + ["ERROR"]
    with (folder / "million.log").open("w") as file:
        for number in range(LINES):
            file.write(
                f"{levels[number * 7 % 32]} line {number} request GET /api/v1/items/"
                f"{number * 31 % 99999} took {number * 13 % 900} ms for user-{number % 5000}\n"
            )


FLOOD = (
    "import sys, time\n"
    "start, number = time.monotonic(), 0\n"
    "while True:\n"
    "    due = int((time.monotonic() - start) * {rate}) if number >= {burst} else {burst}\n"
    "    if number == {burst}: start = time.monotonic() - number / {rate}\n"
    "    lines = [f'INFO line {{n}} of a flood of ordinary lines, one after the other\\n'\n"
    "             for n in range(number, max(due, number))]\n"
    "    sys.stdout.write(''.join(lines)); sys.stdout.flush()\n"
    "    number += len(lines); time.sleep(0.02)\n"
)


def main() -> None:
    """Measure, and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("rows", nargs="*", default=["open", "follow", "find"])
    arguments.add_argument("--seconds", type=int, default=60, help="how long to follow")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        if {"open", "find"} & set(asked.rows):
            million(folder)
            with relay(folder, CONFIG) as url:
                wait_for(url, "million", LINES)
                if "open" in asked.rows:
                    for what, times in zip(
                        ("open", "an empty page"), opening(browser, url), strict=True
                    ):
                        median = statistics.median(times)
                        print(f"{what}: {median:.0f} ms", [round(time) for time in times])
                if "find" in asked.rows:
                    print("find:", json.dumps(searching(browser, url, 20), indent=1))
            (folder / "million.log").unlink()
        if "follow" in asked.rows:
            (folder / "flood.py").write_text(FLOOD.format(rate=PER_SECOND, burst=LINES))
            source = (
                f'[sources.flood]\ntype = "process"\ncommand = ["{sys.executable}", "flood.py"]\n'
            )
            with relay(folder, CONFIG + source) as url:
                wait_for(url, "flood", LINES)
                print("follow:", json.dumps(following(browser, url, asked.seconds), indent=1))
        browser.close()


if __name__ == "__main__":
    main()
