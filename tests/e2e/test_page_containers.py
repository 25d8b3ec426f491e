"""Real containers on the page, in a real browser: how they are, and their Compose projects."""

import re

from playwright.sync_api import Browser, expect

from tests.docker_engine import Engine
from tests.e2e.browsing import browser, tab
from tests.e2e.conftest import StartRelay

__all__ = ["browser"]

UNHEALTHY = re.compile(r"shop-web-1 running for .*, unhealthy$", re.MULTILINE)


def run(engine: Engine, name: str, project: str, service: str, *more: str) -> None:
    """Start a container as Compose does, which writes a line and goes on."""
    labels = (f"com.docker.compose.project={project}", f"com.docker.compose.service={service}")
    options = [part for label in labels if project for part in ("--label", label)]
    engine.run(name, f"echo from {name}; sleep 1000", *options, *more)


def test_containers_have_their_health_and_stand_in_their_project(
    browser: Browser, start_relay: StartRelay, engine: Engine
) -> None:
    """What is wrong with one is seen beside its channel, and on the page of the status."""
    check = ("--health-cmd", "test -e /tmp/well", "--health-interval", "1s")
    run(engine, "shop-web-1", "shop", "web", *check, "--health-retries", "1")
    run(engine, "shop-db-1", "shop", "db")
    run(engine, "mail", "", "")
    relay = start_relay(f'[sources.containers]\ntype = "docker"\nhost = "{engine.url}"\n')
    with tab(browser, relay.url) as opened:
        opened.shows("from mail")
        listed = opened.page.locator("channel-list")
        labels = listed.locator(".label")
        expect(labels).to_have_text(["All channels", "mail", "relay", "db", "web"])
        web = listed.locator("[data-name=web]")
        expect(web.locator(".health")).to_have_text("unhealthy")
        expect(web.locator("button.name")).to_have_attribute("title", UNHEALTHY)
        box, name = (web.locator(part).bounding_box() for part in ("input", "button.name"))
        assert box is not None
        assert name is not None
        assert name["y"] < box["y"] < name["y"] + name["height"]
        opened.page.keyboard.press("p")
        wrong = opened.page.locator("status-view .troubles")
        expect(wrong).to_contain_text("The container shop-web-1 is unhealthy")
        row = opened.page.get_by_role("region", name="Containers").get_by_role("row")
        expect(row.filter(has_text="shop-web-1")).to_contain_text("unhealthy")
        engine.docker("exec", "shop-web-1", "touch", "/tmp/well")
        expect(row.filter(has_text="shop-web-1")).to_contain_text("healthy")
        expect(wrong).to_have_count(0)
        expect(web.locator(".health")).to_have_text("")
        engine.docker("pause", "shop-db-1")
        expect(listed.locator("[data-name=db] .health")).to_have_text("paused")
        listed.get_by_role("button", name="shop (2)").click()
        expect(opened.row("from mail")).to_have_count(0)
        opened.shows("from shop-web-1")
        opened.shows("from shop-db-1")
        assert opened.page.url == f"{relay.url}?channel=db,web"
        listed.get_by_role("button", name="Fold shop").click()
        opened.page.keyboard.press("Enter")
        opened.page.keyboard.press("Enter")
        expect(labels).to_have_text(["All channels", "mail", "relay", "db", "web"])
