"""How lines are shown on the page: a million of them, colours, times, JSON, gaps, runs."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browsing import (
    FILES,
    ROWS,
    Tab,
    browser,
    logs,
    numbered,
    place_of,
    tab,
    until,
    wait_for_lines,
    write,
)
from tests.e2e.conftest import StartRelay

__all__ = ["browser", "logs"]

MILLION = '[channel]\nlines = 1_100_000\nbytes = "256MiB"\n'


def test_older_lines_come_from_history_as_one_scrolls_up_without_a_jump(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """What is seen stays where it is while thousands of lines come before it, to the first."""
    write(logs / "web.log", *numbered(0, 20_000))
    relay = start_relay(f"[channel]\nlines = 50_000\n{FILES}")
    wait_for_lines(relay, "web", 20_000)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("line 19999 of")
        scroller = opened.page.locator(".scroller")
        scroller.focus()
        opened.page.keyboard.press("Home")
        opened.shows("line 19500 of")
        counts = opened.page.locator(".counts")
        expect(counts).to_have_attribute("title", re.compile(r"^[1-9],\d\d\d rows"))
        place = place_of(opened, "line 19500 of")
        assert place < 200
        until(lambda: press_home_until(opened, "line 0 of"))
        assert opened.messages[0] == "line 0 of many"
        expect(counts).to_have_attribute("title", "20,000 rows are held by this page")
        tops = opened.page.locator(ROWS).evaluate_all(
            "(all) => all.map((one) => one.getBoundingClientRect().top)"
        )
        assert tops == sorted(tops)


def press_home_until(opened: Tab, text: str) -> bool:
    """Go to the oldest line that is held; tell whether it is the one."""
    opened.page.keyboard.press("Home")
    opened.page.wait_for_timeout(50)
    return bool(opened.row(text).count())


def test_older_lines_of_a_range_of_time_come_without_a_hole(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """From what is held upwards, not from where the range begins."""
    write(logs / "web.log", *numbered(0, 9000))
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 9000)
    with tab(browser, f"{relay.url}?channel=web&since=1h&tail=100") as opened:
        opened.shows("line 8999 of")
        opened.page.locator(".scroller").focus()
        for _ in range(100):
            opened.page.keyboard.press("Home")
            if opened.row("line 0 of").count():
                break
            opened.page.wait_for_timeout(100)
        expect(opened.page.locator(".counts")).to_have_attribute(
            "title", "9,000 rows are held by this page"
        )
        opened.page.keyboard.press("Control+a")
        with opened.page.expect_download() as download:
            opened.page.keyboard.press("o")
            opened.page.get_by_role("button", name="What is shown here").click()
        assert Path(download.value.path()).read_text().splitlines() == numbered(0, 9000)


def test_a_million_lines_are_held_scrolled_and_filtered(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """From the first to the last, with one filter over them all, in a page that stays alive."""
    with (logs / "web.log").open("w") as file:
        file.writelines(f"INFO line {number} of a million\n" for number in range(1_000_000))
    relay = start_relay(MILLION + FILES)
    wait_for_lines(relay, "web", 1_000_000)
    with tab(browser, f"{relay.url}?channel=web&tail=all") as opened:
        counts = opened.page.locator(".counts")
        expect(counts).to_contain_text("1,000,000 lines received · 0 missed")
        opened.shows("line 999999 of")
        opened.page.locator(".scroller").focus()
        opened.page.keyboard.press("Home")
        opened.shows("line 0 of")
        assert opened.page.locator(ROWS).count() < 150
        middle = "(e) => { e.scrollTop = e.scrollHeight / 2; }"
        opened.page.locator(".scroller").evaluate(middle)
        until(lambda: opened.row("line 50").count() + opened.row("line 49").count() > 5)
        opened.page.keyboard.press("/")
        opened.page.keyboard.type("line 99999")
        expect(counts).to_contain_text("11 shown")
        assert opened.messages[:2] == [
            "INFO line 99999 of a million",
            "INFO line 999990 of a million",
        ]


def test_terminal_colours_and_styles(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Of 16, of 256, and any; their sequences are not shown."""
    line = (
        "\x1b[31mred\x1b[0m \x1b[38;5;208morange\x1b[0m \x1b[38;2;10;90;200mtrue\x1b[0m "
        "\x1b[1;4mbold\x1b[0m \x1b[44;97mon blue\x1b[0m"
    )
    write(logs / "web.log", line)
    relay = start_relay(FILES)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("red orange true bold on blue")
        parts = opened.page.locator(f"{ROWS} .message span")
        assert parts.all_text_contents() == ["red", "orange", "true", "bold", "on blue"]
        for place, colour in enumerate(("205, 0, 0", "163, 86, 0", "10, 90, 200")):
            expect(parts.nth(place)).to_have_css("color", f"rgb({colour})")
        expect(parts.nth(3)).to_have_css("font-weight", "700")
        expect(parts.nth(3)).to_have_css("text-decoration-line", "underline")
        expect(parts.nth(4)).to_have_css("background-color", "rgb(48, 80, 238)")


def test_times_in_this_zone_in_utc_and_as_an_age_and_seqs(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """A key turns them; the URL keeps which."""
    write(logs / "web.log", "one", "two")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 2)
    context = browser.new_context(timezone_id="Asia/Kolkata")
    page = context.new_page()
    page.goto(f"{relay.url}?channel=web")
    time = page.locator(f"{ROWS} .time").first
    expect(time).to_have_attribute("title", re.compile(r"\.\d{9} \+05:30$"))
    # The keys come after the lines.
    page.locator("channel-list .channels").wait_for(state="attached")
    local = time.text_content()
    page.keyboard.press("t")
    expect(time).to_have_attribute("title", re.compile(r" UTC$"))
    assert page.url.endswith("?channel=web&time=utc")
    assert (local or "")[:2] != (time.text_content() or "")[:2]
    page.keyboard.press("t")
    expect(time).to_have_text(re.compile(r"^(now|\d+ s)$"))
    seq = page.locator(f"{ROWS} .seq")
    expect(seq.first).to_be_hidden()
    page.keyboard.press("q")
    expect(seq.nth(1)).to_be_visible()
    assert seq.all_text_contents() == ["1", "2"]
    context.close()


def test_long_lines_are_wrapped_or_not(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Unwrapped, each is one row of text, and the list scrolls sideways."""
    write(logs / "web.log", "long " * 100, "end")
    relay = start_relay(FILES)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("end")
        first = opened.page.locator(f"{ROWS} .line").first
        until(lambda: (first.bounding_box() or {"height": 0})["height"] > 30)
        opened.page.keyboard.press("w")
        until(lambda: (first.bounding_box() or {"height": 99})["height"] == 20)
        wider = "(e) => e.scrollWidth > e.clientWidth"
        until(lambda: opened.page.locator(".scroller").evaluate(wider))
        assert opened.page.url.endswith("?channel=web&wrap=0")


def test_json_unfolds_and_a_click_on_a_value_filters(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Nested values are found by their path, and the filter can be taken away again."""
    write(
        logs / "web.log",
        '{"level":"info","user":{"id":7},"msg":"hello"}',
        '{"level":"info","user":{"id":8},"msg":"other"}',
    )
    relay = start_relay(FILES)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("hello")
        opened.row("hello").get_by_role("button", name="Fields").click()
        leaves = opened.page.locator(".leaf")
        assert leaves.all_text_contents() == ["level: info", "user: {1}", "id: 7", "msg: hello"]
        leaves.get_by_role("button", name="7").click()
        expect(opened.row("other")).to_have_count(0)
        assert opened.page.url.endswith("?channel=web&field=user.id%3A7")
        expect(opened.page.locator("button.panel")).to_have_text("More (1)")
        opened.page.keyboard.press("o")
        opened.page.get_by_label("Do not ask for user.id:7").click()
        opened.shows("other")


def test_entries_of_many_lines_fold(browser: Browser, start_relay: StartRelay, logs: Path) -> None:
    """At first their first line is seen, and how many follow."""
    config = FILES + 'multiline = "indent"\n'
    write(logs / "web.log", "ERROR it broke", "  at one", "  at two", "INFO next")
    relay = start_relay(config)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("INFO next")
        broken = opened.row("ERROR it broke").locator(".message")
        expect(broken).to_have_text("ERROR it broke+2 lines")
        broken.get_by_role("button", name="+2 lines").click()
        expect(broken).to_have_text("ERROR it broke\n  at one\n  at twofold")
        broken.get_by_role("button", name="fold").click()
        expect(broken).to_have_text("ERROR it broke+2 lines")


def test_a_gap_loads_what_history_still_has(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """It comes into the place of the gap, and nothing is missed any more."""
    write(logs / "web.log", *numbered(0, 100))
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 100)
    held = relay.get("api/v1/logs?channel=web")["logs"]
    missing = {
        "type": "gap",
        "id": held[89]["id"],
        "channel": "web",
        "after": held[9]["id"],
        "until": held[89]["id"],
        "count": 80,
        "at_least": 80,
        "reason": "storage",
    }
    shown = [*held[:10], *held[90:]]
    told = {"logs": shown, "gaps": [missing], "endings": [], "count": 20, "total": 20}
    body = json.dumps(told | {"truncated": False, "cursor": held[-1]["id"]})
    page = browser.new_page()
    # A relay tells such a gap when its disk was full, and has the lines when it no longer is.
    page.route("**/api/v1/logs?*tail=*", lambda route: route.fulfill(body=body), times=1)
    page.goto(f"{relay.url}?channel=web")
    expect(page.locator(".row.gap")).to_contain_text("80 lines missing")
    expect(page.locator(".counts")).to_contain_text("80 missed")
    page.get_by_role("button", name="Load what history has").click()
    expect(page.locator(".counts")).to_contain_text("0 missed")
    expect(page.locator(".row.gap")).to_have_count(0)
    page.locator(".scroller").focus()
    page.keyboard.press("Home")
    expect(page.locator(ROWS).filter(has_text="line 0 of")).to_be_visible()
    messages = page.locator(f"{ROWS} .message").all_text_contents()
    assert messages == numbered(0, 100)[: len(messages)]
    assert len(messages) > 20
    page.close()


def test_runs_have_their_start_and_end_as_rows(browser: Browser, start_relay: StartRelay) -> None:
    """And stand under their channel, with status and exit code; a click shows one alone."""
    relay = start_relay(
        '[sources.job]\ntype = "process"\nrestart = "never"\n'
        'command = "echo working; echo oops >&2; sleep 0.2; exit 3"\n'
    )
    with tab(browser, f"{relay.url}?channel=job") as opened:
        start = opened.page.locator(f"{ROWS} .start").first
        expect(start).to_have_text(re.compile(r"Run job\.\S+ started \d{4}-\d\d-\d\d \d\d:\d\d"))
        ending = opened.page.locator(".row.ending")
        expect(ending).to_contain_text(re.compile(r"has ended: failed, exit code 3"))
        run = opened.page.locator("channel-list button.run")
        expect(run).to_have_text(re.compile(r"✕ failed \(3\)"))
        expect(opened.page.locator('channel-list [data-name="job"]')).to_have_attribute(
            "data-state", "ended"
        )
        run.click()
        until(lambda: "run=job." in opened.page.url)
        opened.shows("working")


@pytest.mark.parametrize("width", [1200, 320])
def test_copied_lines_are_as_in_the_log(
    browser: Browser, start_relay: StartRelay, logs: Path, width: int
) -> None:
    """Over any number of rows, most of which are not in the document; colours and all."""
    lines = [f"\x1b[3{number % 8}mline {number}\x1b[0m <b>" for number in range(3000)]
    write(logs / "web.log", *lines)
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 3000)
    context = browser.new_context(viewport={"width": width, "height": 600})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{relay.url}?channel=web&tail=all")
    expect(page.locator(ROWS).filter(has_text="line 2999")).to_be_visible()
    page.locator(".scroller").focus()
    page.keyboard.press("Home")
    page.locator(f"{ROWS} .time").nth(1).click()
    page.keyboard.press("End")
    page.locator(f"{ROWS} .time").last.click(modifiers=["Shift"])
    page.keyboard.press("Control+c")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "".join(f"{line}\n" for line in lines[1:])
    context.close()
