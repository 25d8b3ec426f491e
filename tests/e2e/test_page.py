"""The page in a real browser, against the real relay."""

import itertools
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browsing import (
    FILES,
    ROWS,
    SETTLED,
    browser,
    logs,
    numbered,
    place_of,
    tab,
    until,
    wait_for_lines,
    write,
)
from tests.e2e.cable import Cable
from tests.e2e.conftest import StartRelay

__all__ = ["browser", "logs"]


def test_lines_show_as_they_come_coloured_by_level(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """History first, then live; each level has its letter, its class and its own colour."""
    web = logs / "web.log"
    write(web, "INFO one", "WARN two", "ERROR three", "DEBUG four", "FATAL five", "TRACE six")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 6)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("TRACE six")
        opened.state("Live")
        assert opened.messages == [
            *("INFO one", "WARN two", "ERROR three", "DEBUG four", "FATAL five", "TRACE six")
        ]
        letters = opened.page.locator(f"{ROWS} .level").all_text_contents()
        assert letters == ["I", "W", "E", "D", "F", "T"]
        colours = opened.page.locator(f"{ROWS} .level").evaluate_all(
            "(all) => all.slice(0, 5).map((one) => getComputedStyle(one).color)"
        )
        assert len(set(colours)) == 5
        write(web, "INFO seven")
        opened.shows("INFO seven")
        expect(opened.page.locator(".counts")).to_contain_text("7 lines received · 0 missed")


def test_markup_and_scripts_in_a_line_are_text(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Nothing in a line becomes an element, and control sequences are not shown."""
    attack = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    write(logs / "web.log", attack, "\x1b[31mred\x1b[0m &amp; plain")
    relay = start_relay(FILES)
    with tab(browser, f"{relay.url}?channel=web&q=e") as opened:
        opened.shows("plain")
        assert opened.messages == [attack, "red &amp; plain"]
        assert opened.page.locator(f"{ROWS} :is(img, script)").count() == 0
        assert opened.page.title() == "web · relay"


def test_a_filter_is_in_the_url_and_shows_another_person_the_same(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Typed text and levels leave what matches, marked; a link shows the same; Escape ends it."""
    web = logs / "web.log"
    write(web, "INFO an apple", "WARN an Apple pie", "WARN a pear", "ERROR no apple")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 4)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("INFO an apple")
        opened.page.keyboard.press("/")
        opened.page.keyboard.type("apple")
        expect(opened.row("a pear")).to_have_count(0)
        levels = opened.page.get_by_role("group", name="Levels")
        levels.get_by_role("button", name="warn").click()
        levels.get_by_role("button", name="error").click()
        expect(opened.row("INFO an apple")).to_have_count(0)
        assert opened.messages == ["WARN an Apple pie", "ERROR no apple"]
        marked = opened.page.locator(f"{ROWS} mark").all_text_contents()
        assert marked == ["Apple", "apple"]
        link = opened.page.url
        assert link == f"{relay.url}?channel=web&level=warn,error&q=apple"
        write(web, "INFO late apple", "WARN late apple")
        opened.shows("WARN late apple")
        expect(opened.page.locator(".counts")).to_contain_text("3 shown")
        with tab(browser, link) as other:
            other.shows("WARN late apple")
            assert other.messages == ["WARN an Apple pie", "ERROR no apple", "WARN late apple"]
            expect(other.page.get_by_label("Filter lines by text")).to_have_value("apple")
        opened.page.keyboard.press("Escape")
        opened.shows("INFO late apple")
        assert opened.page.url == f"{relay.url}?channel=web"


def test_a_filter_without_a_match_says_so_and_can_be_cleared(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """An empty list is no riddle."""
    write(logs / "web.log", "INFO one")
    relay = start_relay(FILES)
    with tab(browser, f"{relay.url}?q=nothing-has-this") as opened:
        expect(opened.page.locator(".notice h2")).to_have_text("No line matches this filter")
        opened.page.get_by_role("button", name="Clear the filter").click()
        opened.shows("INFO one")
        expect(opened.page.locator(".notice")).to_be_hidden()


def test_channels_are_chosen_alone_together_or_all(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """New ones appear by themselves, "back" leads back, and several are told apart."""
    write(logs / "web.log", "from web")
    write(logs / "db.log", "from db")
    relay = start_relay(FILES)
    wait_for_lines(relay, "db", 1)
    with tab(browser, relay.url) as opened:
        opened.shows("from web")
        opened.shows("from db")
        names = opened.page.locator("channel-list .label")
        expect(names).to_have_text(["All channels", "db", "relay", "web"])
        opened.page.get_by_label("Find a channel").fill("WE")
        expect(opened.page.locator("channel-list .label:visible")).to_have_text(["web"])
        opened.page.keyboard.press("ArrowDown")
        opened.page.keyboard.press("Enter")
        expect(opened.row("from db")).to_have_count(0)
        opened.page.get_by_label("Find a channel").press("Escape")
        expect(names.first).to_be_visible()
        assert opened.page.url == f"{relay.url}?channel=web"
        assert opened.page.locator(f"{ROWS} .tag").all_text_contents() == [""]
        opened.page.get_by_label("Show db too").check()
        opened.shows("from db")
        assert opened.page.url == f"{relay.url}?channel=db,web"
        tags = opened.page.locator(f"{ROWS} .tag")
        assert sorted(tags.all_text_contents()) == ["db", "web"]
        assert len(set(tags.evaluate_all("(all) => all.map((one) => one.className)"))) == 2
        write(logs / "worker.log", "from worker")
        expect(names).to_have_text(["All channels", "db", "relay", "web", "worker"])
        assert opened.row("from worker").count() == 0
        opened.page.go_back()
        expect(opened.row("from db")).to_have_count(0)
        opened.page.locator("channel-list .name", has_text="All channels").click()
        opened.shows("from worker")


def test_a_channel_says_how_it_is_and_has_one_colour(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Its rate, its last level, whether it lives; the same colour in the list and at its lines."""
    write(logs / "web.log", "INFO one", "WARN two")
    clock = "while :; do echo INFO tick; sleep 0.1; done"
    relay = start_relay(
        f'{FILES}[sources.clock]\ntype = "process"\ncommand = ["sh", "-c", "{clock}"]\n'
    )
    wait_for_lines(relay, "web", 2)
    with tab(browser, f"{relay.url}?channel=clock,web") as opened:
        listed = opened.page.locator("channel-list")
        expect(listed.locator("[data-name=web]")).to_have_attribute("data-level", "warn")
        live = listed.locator("[data-name=clock]")
        expect(live).to_have_attribute("data-state", "live")
        expect(live.locator(".news")).to_have_text(re.compile(r"^[\d.]+/s$"))
        told = re.compile(r"^clock: live; newest line: (now|\d+ s), info$")
        expect(live.locator("button.name")).to_have_attribute("title", told)
        colour = "(one) => getComputedStyle(one).color"
        colours = {
            name: listed.locator(f"[data-name={name}] .label").evaluate(colour)
            for name in ("clock", "web")
        }
        assert colours["clock"] != colours["web"]
        opened.shows("WARN two")
        assert opened.row("WARN two").locator(".tag").evaluate(colour) == colours["web"]


def test_a_channel_that_is_not_there_yet_is_waited_for(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Its lines appear when it does."""
    write(logs / "web.log", "from web")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 1)
    with tab(browser, f"{relay.url}?channel=later") as opened:
        expect(opened.page.locator(".notice h2")).to_have_text("This channel is not there yet")
        expect(opened.page.locator("channel-list .unknown")).to_have_text("laternot there")
        write(logs / "later.log", "here I am")
        opened.shows("here I am")


def test_scrolling_up_pins_and_the_button_leads_back(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Pinned, what is seen stays while lines come, and the button counts them."""
    web = logs / "web.log"
    write(web, *numbered(0, 400))
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 400)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("line 399 of")
        until(lambda: opened.is_at_tail)
        write(web, *numbered(400, 410))
        opened.shows("line 409 of")
        until(lambda: opened.is_at_tail)
        opened.page.mouse.move(700, 400)
        opened.page.mouse.wheel(0, -1500)
        expect(opened.page.locator(".pause")).to_have_text("Follow")
        until(lambda: opened.row("line 330 of").count() == 1)
        scroller = opened.page.locator(".scroller")
        until(lambda: scroller.evaluate(SETTLED))
        before = place_of(opened, "line 350 of")
        write(web, *numbered(410, 510))
        expect(opened.page.locator(".to-tail")).to_have_text("100 new lines")
        assert place_of(opened, "line 350 of") == before
        opened.page.locator(".to-tail").click()
        opened.shows("line 509 of")
        until(lambda: opened.is_at_tail)
        expect(opened.page.locator(".to-tail")).to_be_hidden()


def test_the_space_bar_pauses_and_follows(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """And scrolling to the end follows again."""
    web = logs / "web.log"
    write(web, *numbered(0, 300))
    relay = start_relay(FILES)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("line 299 of")
        opened.page.keyboard.press("Space")
        write(web, *numbered(300, 303))
        expect(opened.page.locator(".to-tail")).to_have_text("3 new lines")
        assert not opened.is_at_tail
        opened.page.keyboard.press("Space")
        opened.shows("line 302 of")
        until(lambda: opened.is_at_tail)
        opened.page.locator(".scroller").focus()
        opened.page.keyboard.press("Home")
        opened.shows("line 0 of")
        expect(opened.page.locator(".pause")).to_have_text("Follow")
        opened.page.keyboard.press("End")
        until(lambda: opened.is_at_tail)
        expect(opened.page.locator(".pause")).to_have_text("Pause")


def test_a_pinned_page_counts_what_waits_and_misses_nothing(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """However many lines come while somebody reads, none is lost, and the place is kept."""
    web = logs / "web.log"
    write(web, *numbered(0, 100))
    relay = start_relay(f'[channel]\nlines = 300_000\nbytes = "64MiB"\n{FILES}')
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("line 99 of")
        opened.page.keyboard.press("Space")
        write(web, *numbered(100, 250_000))
        wait_for_lines(relay, "web", 250_000)
        expect(opened.page.locator(".to-tail")).to_have_text("249,900 new lines")
        assert opened.row("line 99 of").count() == 1
        opened.page.keyboard.press("Space")
        opened.shows("line 249999 of")
        expect(opened.page.locator(".counts")).to_contain_text("250,000 lines received · 0 missed")


def test_a_line_of_many_lines_and_a_very_long_one_keep_the_list_in_order(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Rows have the heights that they need; what is cut is shown when it is asked for."""
    long = "x" * 30_000
    write(logs / "web.log", *numbered(0, 50), long, "a\rb", "the last")
    relay = start_relay(FILES)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("the last")
        until(lambda: opened.is_at_tail)
        opened.page.locator(".scroller").focus()
        opened.page.get_by_role("button", name="show 20,000 more characters").click()
        expect(opened.row("xxx").locator(".message")).to_have_text(long)
        opened.page.keyboard.press("End")
        until(lambda: opened.is_at_tail)
        tops = opened.page.locator(ROWS).evaluate_all(
            "(all) => all.map((one) => one.getBoundingClientRect()).map((r) => [r.top, r.bottom])"
        )
        assert all(one[1] == pytest.approx(other[0]) for one, other in itertools.pairwise(tops))


def test_what_left_the_relay_while_the_page_was_away_is_a_row(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """A small ring and a cut connection: the gap is counted, and what is left follows."""
    web = logs / "web.log"
    write(web, *numbered(0, 5))
    relay = start_relay(f"[channel]\nlines = 50\n{FILES}")
    with (
        Cable(relay.port).laid() as cable,
        tab(browser, f"http://127.0.0.1:{cable.port}/?channel=web") as opened,
    ):
        opened.shows("line 4 of")
        cable.pull()
        opened.state("Not connected")
        for first in range(5, 2005, 100):
            write(web, *numbered(first, first + 100))
            wait_for_lines(relay, "web", first + 100)
        channels = relay.get("api/v1/channels")["channels"]
        missing = next(one["first_seq"] for one in channels if one["name"] == "web") - 6
        cable.plug_in()
        opened.shows("line 2004 of")
        counts = opened.page.locator(".counts")
        expect(counts).to_contain_text(f"{2005 - missing} lines received · {missing:,} missed")
        opened.page.locator(".scroller").focus()
        opened.page.keyboard.press("Home")
        opened.shows(f"{missing:,} lines missing: they left the relay’s memory before this page")


def test_a_relay_that_starts_again_is_found_again(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """The page says that it is away, comes back by itself, and goes on."""
    web = logs / "web.log"
    write(web, "before")
    first = start_relay(FILES)
    with tab(browser, f"{first.url}?channel=web") as opened:
        opened.shows("before")
        assert first.stop() == 0
        opened.state("Not connected")
        expect(opened.page.locator("connection-state .detail")).to_have_text(
            re.compile(r"trying again in \d+ s, since \d\d:\d\d:\d\d")
        )
        assert opened.messages == ["before"]
        again = start_relay(
            "", "--listen", f"127.0.0.1:{first.port}", "-c", str(logs.parent / "relay.toml")
        )
        write(web, "after")
        wait_for_lines(again, "web", 2)
        opened.shows("after")
        opened.state("Live")
        opened.shows("missing: the relay was started anew")


def test_a_run_s_end_is_a_row(browser: Browser, start_relay: StartRelay) -> None:
    """With its status and exit code; what came on stderr says so."""
    relay = start_relay(
        '[sources.job]\ntype = "process"\nrestart = "never"\n'
        'command = "echo working; echo oops >&2; sleep 0.2; exit 3"\n'
    )
    with tab(browser, f"{relay.url}?channel=job") as opened:
        ending = opened.page.locator(".row.ending")
        expect(ending).to_contain_text(re.compile(r"Run job\.\S+ has ended: failed, exit code 3"))
        expect(opened.row("oops")).to_have_class(re.compile("stderr"))
        expect(opened.row("working")).to_have_class(re.compile("stdout"))


def test_under_a_base_path_everything_is_found(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Paths are relative; the policy is strict, and nothing breaks it or is missing."""
    write(logs / "web.log", "INFO one")
    relay = start_relay(f'base_path = "/a/logs"\n{FILES}')
    assert relay.url.endswith("/a/logs/")
    failed: list[str] = []
    policies: list[str] = []
    page = browser.new_page()
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("response", lambda answer: failed.append(answer.url) if answer.status > 399 else None)
    page.on("response", lambda answer: policies.append(answer.all_headers().get(POLICY, "")))
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(relay.url)
    expect(page.locator(ROWS).filter(has_text="INFO one")).to_be_visible()
    page.locator("channel-list .name", has_text="web").click()
    expect(page.locator(ROWS).filter(has_text="INFO one")).to_be_visible()
    assert page.url == f"{relay.url}?channel=web"
    assert policies[0].startswith("default-src 'self';")
    assert "unsafe" not in policies[0]
    page.close()
    assert [url for url in failed if "logs/stream" not in url] == []
    assert said == []


POLICY = "content-security-policy"


def test_a_narrow_screen_has_the_channels_in_a_drawer(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """At 320 px nothing is cut off, and everything can be reached."""
    write(logs / "web.log", "a line that is longer than a phone is wide, by far", "end")
    write(logs / "db.log", "from db")
    relay = start_relay(FILES)
    wait_for_lines(relay, "db", 1)
    with tab(browser, relay.url, width=320, height=600) as opened:
        opened.shows("from db")
        page = opened.page
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        expect(page.locator("channel-list")).to_be_hidden()
        page.get_by_role("button", name="All channels").click()
        expect(page.get_by_label("Find a channel")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("channel-list")).to_be_hidden()
        page.locator(".menu").click()
        page.locator("channel-list .name", has_text="web").click()
        expect(page.locator("channel-list")).to_be_hidden()
        expect(opened.row("from db")).to_have_count(0)
        expect(page.locator(".menu")).to_have_text("web")
        opened.shows("by far")


def test_a_flood_is_followed_without_a_long_task(
    browser: Browser, start_relay: StartRelay
) -> None:
    """20,000 lines/s: the newest are seen, and no more rows are in the document than fit."""
    relay = start_relay(
        '[sources.flood]\ntype = "process"\ncommand = "'
        "i=0; while :; do seq -f 'line %.0f of a flood of ordinary lines, one after the other' "
        '$i $((i+999)); i=$((i+1000)); sleep 0.048; done"\n[channel]\nlines = 100000\n'
    )
    with tab(browser, f"{relay.url}?channel=flood") as opened:
        opened.shows("of a flood")
        tasks = opened.page.evaluate(LONG_TASKS)
        assert opened.is_at_tail
        opened.state("Live")
        assert opened.page.locator(ROWS).count() < 150
        expect(opened.page.locator(".counts")).to_contain_text("0 missed")
        # This machine may be busy with other things: a page that draws per line takes seconds.
        assert sum(tasks) < 1000, tasks


LONG_TASKS = """async () => {
  const tasks = [];
  const observer = new PerformanceObserver((list) => {
    tasks.push(...list.getEntries().map((entry) => entry.duration));
  });
  observer.observe({ type: "longtask" });
  await new Promise((resolve) => setTimeout(resolve, 5000));
  return tasks;
}"""


def test_whether_lines_are_kept_is_said(
    browser: Browser, start_relay: StartRelay, logs: Path, tmp_path: Path
) -> None:
    """Since when, why not and how far behind; a reason is text, whatever is in it."""
    directory, web = tmp_path / "st<b>ate", logs / "web.log"
    write(web, *numbered(0, 3))
    relay = start_relay(FILES + f'[state]\ndirectory = "{directory}"\n')
    with tab(browser, relay.url) as opened:
        state = opened.page.locator("store-state")
        expect(state).to_have_text(re.compile(r"^Keeping lines since \d\d:\d\d .* free$"))
        directory.rename(tmp_path / "away")
        directory.write_text("in its place")
        expect(state.locator(".words")).to_have_text(
            re.compile(
                r"^Not keeping lines since \d\d:\d\d: "
                rf"state\.directory {re.escape(str(directory))} cannot be written: "
            )
        )
        write(web, *numbered(3, 5))
        expect(state.locator(".detail")).to_have_text(re.compile(r"^\d lines behind, .* free$"))
        assert state.locator("b").count() == 0
        directory.unlink()
        (tmp_path / "away").rename(directory)
        expect(state).to_have_text(re.compile(r"^Keeping lines since \d\d:\d\d .* free$"))
        assert relay.stop() == 0


def test_a_relay_without_a_store_says_nothing_of_one(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """There is nothing that could be kept."""
    write(logs / "web.log", "INFO one")
    relay = start_relay(FILES)
    with tab(browser, relay.url) as opened:
        opened.shows("INFO one")
        with opened.page.expect_response("**/api/v1/status") as answer:
            pass
        assert answer.value.json()["store"]["state"] == "off"
        expect(opened.page.locator("store-state")).to_be_hidden()
