"""Finding things on the page: filter, search, levels, times, context, links."""

import re
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.browsing import (
    FILES,
    ROWS,
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


def test_search_and_filter_stand_side_by_side(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """What the search finds is marked and counted among what the filter leaves."""
    write(logs / "web.log", "GET /a ok", "PUT /a ok", "GET /b failed", "GET /c ok", "PUT /c ok")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 5)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("PUT /c")
        opened.page.keyboard.press("/")
        opened.page.keyboard.type("get")
        expect(opened.row("PUT")).to_have_count(0)
        opened.page.keyboard.press("Escape")
        expect(opened.row("PUT")).to_have_count(2)
        opened.page.get_by_label("Filter lines by text").fill("get")
        opened.page.get_by_label("Search in the lines").fill("ok")
        hits = opened.page.locator(".hits")
        expect(hits).to_have_text("2")
        assert opened.page.locator("mark.found").all_text_contents() == ["ok", "ok"]
        assert opened.page.locator("mark.match").all_text_contents() == ["GET"] * 3
        opened.page.keyboard.press("Enter")
        expect(hits).to_have_text("2 of 2")
        expect(opened.page.locator(".row.current")).to_contain_text("GET /c ok")
        opened.page.get_by_label("Previous match").click()
        expect(hits).to_have_text("1 of 2")
        opened.page.locator(".scroller").focus()
        opened.page.keyboard.press("n")
        expect(opened.page.locator(".row.current")).to_contain_text("GET /c ok")
        until(lambda: opened.page.url.endswith("?channel=web&q=get&find=ok"))


def test_what_comes_is_searched_too(browser: Browser, start_relay: StartRelay, logs: Path) -> None:
    """From the start by the URL, and while lines come."""
    web = logs / "web.log"
    write(web, "a needle", "hay")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 2)
    with tab(browser, f"{relay.url}?channel=web&find=needle") as opened:
        hits = opened.page.locator(".hits")
        expect(hits).to_have_text("1")
        write(web, "hay", "two needles", "a needle")
        expect(hits).to_have_text("3")


def test_groups_of_channels_are_shown_by_their_head(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """By a glob, so that channels which come later are shown too; a group can be folded."""
    for name in ("shop.web", "shop.db", "other"):
        write(logs / f"{name}.log", f"from {name}")
    relay = start_relay(FILES)
    wait_for_lines(relay, "other", 1)
    with tab(browser, relay.url) as opened:
        opened.shows("from other")
        opened.page.get_by_role("button", name="shop.* (2)").click()
        expect(opened.row("from other")).to_have_count(0)
        opened.shows("from shop.db")
        assert opened.page.url == f"{relay.url}?channel=shop.*"
        labels = opened.page.locator("channel-list .label")
        expect(labels).to_have_text(["All channels", "other", "relay", "db", "web"])
        expect(opened.page.get_by_label("Show shop.db too")).to_be_checked()
        write(logs / "shop.mail.log", "from shop.mail")
        opened.shows("from shop.mail")
        opened.page.get_by_label("Show shop.mail too").uncheck()
        expect(opened.row("from shop.mail")).to_have_count(0)
        assert opened.page.url == f"{relay.url}?channel=shop.db,shop.web"
        opened.page.get_by_label("Show shop.db too").uncheck()
        opened.page.get_by_label("Show shop.web too").uncheck()
        opened.page.get_by_role("button", name="Fold shop.").click()
        expect(labels).to_have_text(["All channels", "other", "relay"])


def test_a_match_that_is_not_held_is_found_in_history(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """The one before the first that is held is opened among the lines around it."""
    lines = numbered(0, 5000)
    lines[100] = "the needle"
    write(logs / "web.log", *lines)
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 5000)
    with tab(browser, f"{relay.url}?channel=web&find=needle") as opened:
        opened.shows("line 4999 of")
        opened.page.locator(".scroller").focus()
        opened.page.keyboard.press("N")
        expect(opened.page.locator(".row.current")).to_contain_text("the needle")
        opened.shows("line 99 of")
        opened.shows("line 101 of")
        assert "at=" in opened.page.url
        opened.page.keyboard.press("N")
        expect(opened.page.locator(".said")).to_have_text("No older match")


def test_patterns_what_is_excluded_and_what_is_wrong(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """A pattern stands between slashes; one that cannot be used says why."""
    write(logs / "web.log", "a1 x", "a22 x", "a22 y", "b22 x")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 4)
    with tab(browser, f"{relay.url}?channel=web&exclude=y") as opened:
        expect(opened.page.locator(ROWS)).to_have_count(3)
        field = opened.page.get_by_label("Filter lines by text")
        field.fill(r"/^a\d{2}/")
        expect(opened.page.locator(ROWS)).to_have_count(1)
        assert opened.messages == ["a22 x"]
        assert r"regex=%5Ea%5Cd%7B2%7D" in opened.page.url
        field.fill("/(?=x)/")
        expect(opened.page.locator(".notice h2")).to_have_text("The relay cannot show this")
        expect(opened.page.locator(".notice p")).to_contain_text("look-around")
        opened.page.get_by_role("button", name="Clear the filter").click()
        expect(opened.page.locator(ROWS)).to_have_count(4)


def test_levels_have_counts_and_streams_can_be_chosen(
    browser: Browser, start_relay: StartRelay
) -> None:
    """The counts are of all that is held by the relay, whatever level is chosen."""
    relay = start_relay(
        '[sources.job]\ntype = "process"\nrestart = "never"\n'
        "command = \"for i in 1 2 3; do echo INFO out; done; echo 'ERROR err' >&2; sleep 60\"\n"
    )
    wait_for_lines(relay, "job", 4)
    with tab(browser, f"{relay.url}?channel=job") as opened:
        opened.shows("ERROR err")
        levels = opened.page.get_by_role("group", name="Levels")
        info = levels.get_by_role("button", name="info")
        expect(info).to_have_text("info3")
        levels.get_by_role("button", name="error").click()
        expect(opened.row("INFO")).to_have_count(0)
        expect(info).to_have_text("info3")
        expect(info).to_have_attribute("aria-pressed", "false")
        opened.page.keyboard.press("5")
        expect(opened.row("INFO")).to_have_count(3)
        opened.page.keyboard.press("o")
        opened.page.get_by_label("stdout").uncheck()
        expect(opened.row("INFO")).to_have_count(0)
        assert "stream=stderr,system" in opened.page.url


def test_instances_and_runs_are_filters(browser: Browser, start_relay: StartRelay) -> None:
    """By name or glob, of those that the lines have."""
    relay = start_relay('[sources.in]\ntype = "push"\nchannels = ["jobs"]\n')
    for run in ("job-1", "job-2"):
        push(relay.url + "jobs", f"from {run}\n", {"Relay-Run": run, "Relay-Instance": f"i-{run}"})
    with tab(browser, f"{relay.url}?channel=jobs") as opened:
        opened.shows("from job-2")
        opened.page.keyboard.press("o")
        expect(opened.page.locator("#known-runs option")).to_have_count(2)
        opened.page.get_by_label("Run", exact=True).fill("*-1")
        opened.page.keyboard.press("Enter")
        expect(opened.row("from job-2")).to_have_count(0)
        opened.page.get_by_label("Run", exact=True).fill("")
        opened.page.get_by_label("Instance").fill("i-job-2")
        opened.page.keyboard.press("Enter")
        opened.shows("from job-2")
        expect(opened.row("from job-1")).to_have_count(0)


def push(url: str, body: str, headers: dict[str, str]) -> None:
    """Push lines of text."""
    request = urllib.request.Request(url, body.encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def test_a_range_of_time_is_chosen_on_the_histogram(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """By dragging and by the keyboard; the rest is left out until the whole is wanted again."""
    config = FILES + 'timestamp = "auto"\n'
    write(
        logs / "web.log",
        *(f"2026-01-01T00:00:{second:02d}Z INFO second {second}" for second in range(60)),
    )
    relay = start_relay(config)
    wait_for_lines(relay, "web", 60)
    with tab(browser, f"{relay.url}?channel=web") as opened:
        opened.shows("second 59")
        chart = opened.page.get_by_role("slider")
        expect(opened.page.locator("time-histogram .words")).to_contain_text("60 lines")
        box = chart.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        opened.page.mouse.move(box["x"] + box["width"] * 0.26, middle)
        opened.page.mouse.down()
        opened.page.mouse.move(box["x"] + box["width"] * 0.49, middle, steps=5)
        opened.page.mouse.up()
        expect(opened.row("second 59")).to_have_count(0)
        opened.shows("second 20")
        assert "since=2026-01-01T00%3A00%3A1" in opened.page.url
        opened.page.get_by_role("button", name="Whole time").click()
        opened.shows("second 59")
        opened.page.keyboard.press("h")
        for _ in range(3):
            opened.page.keyboard.press("Shift+ArrowRight")
        expect(chart).to_have_attribute("aria-valuetext", re.compile(r"lines?"))
        opened.page.keyboard.press("Enter")
        expect(opened.row("second 59")).to_have_count(0)


def test_a_link_to_a_line_opens_it_among_those_around_it(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """However far back; from there one scrolls to both sides, and "Follow" leads to the tail."""
    write(logs / "web.log", *numbered(0, 8000))
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 8000)
    entry = relay.get("api/v1/logs?channel=web&q=line+3000+of")["logs"][0]
    with tab(browser, f"{relay.url}?channel=web&at={entry['id']}") as opened:
        expect(opened.page.locator(".row.current")).to_contain_text("line 3000 of")
        place = place_of(opened, "line 3000 of")
        assert 100 < place < 600
        opened.shows("line 2999 of")
        opened.shows("line 3001 of")
        opened.state("Live")
        assert place_of(opened, "line 3000 of") == place
        opened.page.keyboard.press("Space")
        opened.shows("line 7999 of")
        assert "at=" not in opened.page.url


def test_a_line_s_context_and_its_link(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Out of a filter a match is shown with what stands around it; "back" leads to the filter."""
    lines = numbered(0, 3000)
    lines[1500] = "ERROR found me"
    write(logs / "web.log", *lines)
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 3000)
    with tab(browser, f"{relay.url}?channel=web&q=found") as opened:
        opened.shows("ERROR found me")
        opened.row("found me").hover()
        opened.page.get_by_role("button", name="Context").click()
        opened.shows("line 1499 of")
        opened.shows("line 1501 of")
        expect(opened.page.locator(".row.current")).to_contain_text("found me")
        assert re.search(r"\?channel=web&find=found&at=\d+$", opened.page.url)
        opened.page.go_back()
        expect(opened.row("line 1499 of")).to_have_count(0)
        opened.row("found me").locator(".level").click()
        opened.page.keyboard.press("l")
        expect(opened.page.locator(".said")).to_have_text("Link copied")
        assert re.search(r"\?channel=web&q=found&at=\d+$", opened.page.url)


def test_a_busy_channel_is_filtered_by_the_relay(
    browser: Browser, start_relay: StartRelay
) -> None:
    """Only what matches crosses the network, and what came before is found too."""
    relay = start_relay(
        '[sources.flood]\ntype = "process"\ncommand = "'
        "i=0; while :; do seq -f 'line %.0f of a flood' $i $((i+999)); i=$((i+1000)); "
        'sleep 0.1; done"\n'
    )
    with tab(browser, f"{relay.url}?channel=flood") as opened:
        opened.shows("of a flood")
        expect(opened.page.locator(".counts")).to_contain_text(re.compile(r"\dk/s"))
        with opened.page.expect_websocket(lambda socket: "q=77" in socket.url):
            opened.page.get_by_label("Filter lines by text").fill("77 of")
        opened.shows("77 of a flood")
        assert all("77 of" in message for message in opened.messages)


def test_a_histogram_that_is_not_whole_says_so(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Channels whose store cannot be read are named, and a count that fails says why."""
    write(logs / "web.log", "INFO one")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 1)
    made = relay.get("api/v1/logs/histogram?channel=web") | {"unread": ["web"]}
    failed = {"error": {"code": "internal_error", "message": "the relay failed at this request"}}
    told = [(200, made), (500, failed)]
    with tab(browser, f"{relay.url}healthz", is_page=False) as opened:
        opened.page.route(
            "**/logs/histogram?*",
            lambda route: (lambda one: route.fulfill(status=one[0], json=one[1]))(told[0]),
        )
        opened.page.goto(f"{relay.url}?channel=web")
        words = opened.page.locator("time-histogram .words")
        expect(words).to_contain_text(
            "1 line, not all: the relay cannot read what it stored of web"
        )
        told.pop(0)
        opened.page.get_by_label("Filter lines by text").fill("one")
        expect(words).to_have_text("Not counted: the relay failed at this request")
