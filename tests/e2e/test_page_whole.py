"""The page as a whole: following, keyboard, accessibility, proxies, other pages, the status."""

import gzip
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import (
    FILES,
    ROWS,
    browser,
    logs,
    numbered,
    tab,
    until,
    wait_for_lines,
    write,
)
from tests.e2e.conftest import StartRelay

__all__ = ["browser", "logs"]

AXE = Path(__file__).parent.parent / "node/node_modules/axe-core/axe.min.js"


def test_clearing_forgets_what_is_shown_and_pausing_keeps_the_place(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """New lines still come; what waits is counted."""
    web = logs / "web.log"
    write(web, *numbered(0, 50))
    relay = start_relay(FILES)
    with tab(browser, f"{relay.url}?channel=web&tail=10") as opened:
        opened.shows("line 49 of")
        expect(opened.page.locator(ROWS)).to_have_count(10)
        opened.page.locator(".scroller").focus()
        opened.page.keyboard.press("Shift+C")
        expect(opened.page.locator(ROWS)).to_have_count(0)
        write(web, *numbered(50, 52))
        opened.shows("line 51 of")
        assert opened.messages == numbered(50, 52)
        opened.page.keyboard.press("Space")
        write(web, *numbered(52, 57))
        expect(opened.page.locator(".to-tail")).to_have_text("5 new lines")


def test_downloads_of_the_query_by_day_and_of_what_is_shown(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """With the filter that is set, as text or NDJSON."""
    write(logs / "web.log", "INFO one", "WARN two", "INFO three")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 3)
    with tab(browser, f"{relay.url}?channel=web&q=info") as opened:
        opened.shows("INFO three")
        opened.page.keyboard.press("o")

        def saved(name: str) -> str:
            with opened.page.expect_download() as download:
                opened.page.get_by_role("button", name=name, exact=True).click()
            return Path(download.value.path()).read_text()

        assert saved("Text") == "INFO one\nINFO three\n"
        assert saved("What is shown here") == "INFO one\nINFO three\n"
        assert saved("NDJSON").count('"message":"INFO') == 2
        opened.page.get_by_label("Day (UTC)").fill("2020-01-02")
        assert saved("Text") == ""


def test_everything_by_keyboard_alone(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """From channel to line to copy; the sheet of keys opens and closes."""
    write(logs / "web.log", *numbered(0, 30), '{"a":1}')
    write(logs / "db.log", "from db")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 31)
    with tab(browser, relay.url) as opened:
        opened.shows("from db")
        expect(opened.page.locator("channel-list button.name", has_text="web")).to_be_visible()
        keyboard = opened.page.keyboard
        keyboard.press("?")
        sheet = opened.page.get_by_role("dialog", name="Keys")
        expect(sheet).to_be_visible()
        keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        keyboard.press("b")
        keyboard.type("web")
        keyboard.press("ArrowDown")
        keyboard.press("Enter")
        expect(opened.row("from db")).to_have_count(0)
        opened.page.locator(".scroller").focus()
        keyboard.press("ArrowUp")
        current = opened.page.locator(".row.current")
        expect(current).to_contain_text('{"a":1}')
        active = opened.page.locator(".scroller").get_attribute("aria-activedescendant")
        assert active == current.get_attribute("id")
        keyboard.press("Enter")
        expect(opened.page.locator(".leaf")).to_have_text("a: 1")
        keyboard.press("ArrowUp")
        keyboard.press("Shift+ArrowUp")
        expect(opened.page.locator(".row.picked")).to_have_count(2)
        keyboard.press("c")
        expect(opened.page.locator(".said")).to_have_text("2 lines copied")
        keyboard.press("Escape")
        expect(current).to_have_count(0)
        keyboard.press("p")
        expect(opened.page.locator("status-view h2")).to_be_visible()
        keyboard.press("p")
        expect(opened.page.locator("status-view")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    browser: Browser, start_relay: StartRelay, logs: Path, scheme: Any
) -> None:
    """Neither on the lines, wide or narrow, nor on the panel, the keys or the status."""
    if not AXE.exists():
        pytest.skip("needs the packages of tests/node, which `make test` installs")
    write(
        logs / "shop.web.log",
        *("INFO one", "WARN two", "ERROR three", "DEBUG four", "FATAL five", "TRACE six"),
        "\x1b[33myellow\x1b[0m \x1b[38;2;200;200;0mtrue\x1b[0m",
        '{"level":"error","a":{"b":1}}',
    )
    write(logs / "shop.db.log", "from db")
    relay = start_relay(FILES)
    wait_for_lines(relay, "shop.web", 8)
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 700})
    page = context.new_page()
    page.goto(f"{relay.url}?find=two")
    expect(page.locator(ROWS).filter(has_text="yellow")).to_be_visible()
    page.locator("channel-list .channels").wait_for(state="attached")
    page.get_by_role("button", name="Fields").click()
    expect(page.locator(".leaf").first).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("o")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.locator(".to-keys").click()
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.locator(".to-status").click()
    expect(page.locator("status-view table").first).to_be_visible()
    assert violations(page) == []
    page.set_viewport_size({"width": 320, "height": 600})
    page.locator(".to-status").click()
    assert violations(page) == []
    context.close()


def violations(page: Page) -> list[str]:
    """Return what axe has against a page as it is now."""
    # By the browser's own hand: the page's policy lets no script in.
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then((result) => result.violations)")
    return [
        f"{one['id']}: {node['html']} {node.get('failureSummary', '')}"
        for one in found
        for node in one["nodes"]
    ]


def test_the_channel_list_keeps_the_keyboard_while_it_changes(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Channels that come before it, or make a group with it, leave the keyboard there."""
    write(logs / "shop.web.log", "from web")
    write(logs / "zoo.log", "from zoo")
    relay = start_relay(FILES)
    wait_for_lines(relay, "zoo", 1)
    with tab(browser, relay.url) as opened:
        labels = opened.page.locator("channel-list .label")
        expect(labels).to_have_text(["All channels", "relay", "shop.web", "zoo"])
        focused = opened.page.locator("channel-list :focus")
        opened.page.keyboard.press("b")
        for _ in range(3):
            opened.page.keyboard.press("ArrowDown")
        expect(focused).to_contain_text("shop.web")
        write(logs / "alpha.log", "from alpha")
        expect(labels).to_have_text(["All channels", "alpha", "relay", "shop.web", "zoo"])
        expect(focused).to_contain_text("shop.web")
        # It moves, from among the others to a group of its own.
        write(logs / "shop.db.log", "from db")
        expect(labels).to_have_text(["All channels", "alpha", "relay", "zoo", "db", "web"])
        expect(focused).to_contain_text("web")
        opened.page.keyboard.press("ArrowUp")
        opened.page.keyboard.press("Enter")
        opened.shows("from db")
        assert opened.page.url == f"{relay.url}?channel=shop.db"


def test_the_status_says_first_what_is_wrong(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """Then sources, channels, runs and connections; a channel's name leads to its lines."""
    write(logs / "web.log", "INFO one")
    relay = start_relay(
        FILES + '[sources.job]\ntype = "process"\nrestart = "never"\ncommand = "echo x; exit 3"\n'
    )
    with tab(browser, f"{relay.url}?view=status") as opened:
        trouble = opened.page.locator(".troubles li").first
        expect(trouble).to_contain_text(re.compile(r"The run job\.\S+ failed, exit code 3"))
        for title in ("Sources", "Channels", "Runs", "Connections"):
            expect(opened.page.get_by_role("region", name=title)).to_be_visible()
        expect(opened.page.get_by_role("img").first).to_be_visible()
        opened.page.get_by_role("region", name="Channels").get_by_text("web").click()
        opened.shows("INFO one")
        assert opened.page.url == f"{relay.url}?channel=web"


def test_a_restart_loses_and_repeats_no_row(
    browser: Browser, start_relay: StartRelay, logs: Path, tmp_path: Path
) -> None:
    """With a state directory, killed in the midst of lines: each is on the page once."""
    state = f'[state]\ndirectory = "{tmp_path}/state"\n'
    web = logs / "web.log"
    write(web, *numbered(0, 200))
    first = start_relay(state + FILES)
    with tab(browser, f"{first.url}?channel=web&tail=all") as opened:
        opened.shows("line 199 of")
        write(web, *numbered(200, 400))
        first.process.kill()
        first.process.wait()
        opened.state("Not connected")
        write(web, *numbered(400, 600))
        again = start_relay(
            "", "--listen", f"127.0.0.1:{first.port}", "-c", str(logs.parent / "relay.toml")
        )
        wait_for_lines_held(again, 600)
        opened.shows("line 599 of")
        expect(opened.page.locator(".counts")).to_contain_text("600 lines received · 0 missed")
        opened.page.locator(".scroller").focus()
        opened.page.keyboard.press("Control+a")
        with opened.page.expect_download() as download:
            opened.page.keyboard.press("o")
            opened.page.get_by_role("button", name="What is shown here").click()
        assert Path(download.value.path()).read_text().splitlines() == numbered(0, 600)


def wait_for_lines_held(relay: Any, count: int) -> None:
    """Wait until the channel ``web`` has so many lines in all, over all lives."""
    relay.wait(
        lambda: any(
            one["name"] == "web" and one["last_seq"] >= count
            for one in relay.get("api/v1/channels")["channels"]
        )
    )


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port};
    location /deep/logs/ {{
      proxy_pass http://127.0.0.1:{relay}; proxy_set_header Host {host};
      {more}
    }}
  }}
}}
"""

BUFFERING = "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
UPGRADE = (
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    "proxy_set_header Connection upgrade;"
)


@pytest.mark.parametrize(
    ("more", "way"),
    [("", "logs/stream?"), (BUFFERING, "wait=25s"), (BUFFERING + UPGRADE, "ws://")],
)
def test_behind_nginx_under_a_path(
    browser: Browser, start_relay: StartRelay, logs: Path, tmp_path: Path, more: str, way: str
) -> None:
    """By a WebSocket, by a stream, or by pages: by the first that comes through, found out."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if nginx is None:
        pytest.skip("needs nginx, which `make test` installs")
    web = logs / "web.log"
    write(web, "INFO one")
    relay = start_relay(f'base_path = "/deep/logs"\n{FILES}')
    with served_by_nginx(nginx, tmp_path, relay.port, more) as port:
        asked: list[str] = []
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        page.goto(f"http://127.0.0.1:{port}/deep/logs/?channel=web")
        expect(page.locator(ROWS).filter(has_text="INFO one")).to_be_visible()
        expect(page.locator("connection-state .words")).to_have_text("Live")
        for number in range(3):
            write(web, f"INFO more {number}")
            expect(page.locator(ROWS).filter(has_text=f"more {number}")).to_be_visible()
        assert page.locator(ROWS).count() == 4
        assert any(way in url for url in asked)
        if "Upgrade" in more:
            assert not any("logs/stream?" in url or "wait=" in url for url in asked)
        page.close()


def test_a_proxy_that_cuts_idle_connections_finds_none(
    browser: Browser, start_relay: StartRelay, logs: Path, tmp_path: Path
) -> None:
    """The relay's heartbeat is enough: one socket lives longer than the proxy's patience."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if nginx is None:
        pytest.skip("needs nginx, which `make test` installs")
    web = logs / "web.log"
    write(web, "INFO one")
    relay = start_relay(f'base_path = "/deep/logs"\nheartbeat = "1s"\n{FILES}')
    more = f"{UPGRADE} proxy_read_timeout 2s;"
    with served_by_nginx(nginx, tmp_path, relay.port, more) as port:
        sockets: list[str] = []
        page = browser.new_page()
        page.on("websocket", lambda socket: sockets.append(socket.url))
        page.goto(f"http://127.0.0.1:{port}/deep/logs/?channel=web")
        expect(page.locator("connection-state .words")).to_have_text("Live")
        page.wait_for_timeout(5000)
        write(web, "INFO two")
        expect(page.locator(ROWS).filter(has_text="INFO two")).to_be_visible()
        assert len(sockets) == 1
        page.close()


@contextmanager
def served_by_nginx(nginx: str, tmp_path: Path, relay: int, more: str) -> Iterator[int]:
    """Have an nginx before a relay; return its port."""
    folder = tmp_path / "nginx"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as free:
        port = free.server_address[1]
    config = folder / "nginx.conf"
    host = "$http_host" if "Upgrade" in more else "localhost"
    values = {"folder": folder, "port": port, "relay": relay, "host": host, "more": more}
    config.write_text(NGINX.format(**values))
    command = [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    with subprocess.Popen(command) as process:
        try:
            until(lambda: (folder / "pid").exists())
            yield port
        finally:
            process.terminate()
            process.wait(10)


TOPS = """
  window.tops = [];
  const look = () => {
    const top = document.querySelector("main .log")?.getBoundingClientRect().top;
    if (top !== undefined && window.tops.at(-1) !== top) window.tops.push(top);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""


@pytest.mark.parametrize("width", [320, 600, 800, 1000, 1280, 1600])
def test_the_lines_are_first_and_do_not_move_as_the_rest_comes(
    browser: Browser, start_relay: StartRelay, logs: Path, width: int
) -> None:
    """They are asked for once, before most modules are there; what stands around has its place."""
    write(logs / "web.log", *numbered(0, 30))
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 30)
    page = browser.new_page(viewport={"width": width, "height": 700})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(relay.url)))
    page.add_init_script(TOPS)
    page.goto(f"{relay.url}?channel=web")
    expect(page.locator(ROWS).filter(has_text="line 29 of")).to_be_visible()
    expect(page.locator("time-histogram .words")).to_contain_text("30 lines")
    expect(page.locator("channel-list [data-name=web]")).to_be_attached()
    assert len(page.evaluate("window.tops")) == 1
    first = "api/v1/logs?channel=web&tail=150"
    assert [one for one in asked if one.startswith("api/v1/logs?")] == [first]
    assert asked.index(first) < asked.index("static/ui/controls.js")
    assert asked.count("static/main.js") == 1
    page.close()


def test_eight_tabs_are_live_at_once(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """A browser has six connections to a server, for all its tabs: no stream takes one of them."""
    web = logs / "web.log"
    write(web, "INFO one")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 1)
    context = browser.new_context()
    pages = [context.new_page() for _ in range(8)]
    for page in pages:
        page.goto(f"{relay.url}?channel=web")
        expect(page.locator("connection-state .words")).to_have_text("Live")
    write(web, "INFO two")
    for page in pages:
        expect(page.locator(ROWS).filter(has_text="INFO two")).to_be_visible()
    assert relay.get("api/v1/status")["connections"]["by_protocol"] == {"ws": 8}
    context.close()


def test_a_relay_that_starts_again_is_found_by_a_websocket_again(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """That none opened while it was away says nothing of WebSockets."""
    write(logs / "web.log", "INFO one")
    first = start_relay(FILES)
    with tab(browser, f"{first.url}?channel=web") as opened:
        opened.state("Live")
        first.stop()
        opened.state("Not connected")
        again = start_relay(
            "", "--listen", f"127.0.0.1:{first.port}", "-c", str(logs.parent / "relay.toml")
        )
        opened.state("Live")
        again.wait(lambda: again.get("api/v1/status")["connections"]["by_protocol"] == {"ws": 1})


EMBEDDING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>another page</title>
<style>relay-log-viewer {{ --ground: rgb(1, 2, 3); }}</style>
<script type="module" src="{url}embed.js"></script></head>
<body><relay-log-viewer channel="web" height="300" follow></relay-log-viewer>
<script type="module">
  import {{ history, LogStream, status }} from "{url}client.js";
  const got = [];
  window.got = got;
  new LogStream({{ query: {{ channel: "web" }}, onEntry: (one) => got.push(one.message) }}).open();
  window.page = await history({{ channel: "web" }});
  window.version = (await status()).version;
</script></body></html>
"""


def test_the_element_and_the_client_in_a_page_of_another_origin(
    browser: Browser, start_relay: StartRelay, logs: Path, tmp_path: Path
) -> None:
    """Lines come and are followed, by its own style; an origin that is not listed gets none."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        web = logs / "web.log"
        write(web, *numbered(0, 40))
        relay = start_relay(f'cors_origins = ["http://127.0.0.1:{port}"]\n{FILES}')
        (folder / "index.html").write_text(EMBEDDING.format(url=relay.url))
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        row = page.locator("relay-log-viewer .row")
        expect(row.filter(has_text="line 39 of")).to_be_visible()
        write(web, "INFO late")
        expect(row.filter(has_text="INFO late")).to_be_visible()
        box = page.locator("relay-log-viewer").bounding_box()
        assert box is not None
        assert box["height"] == 300
        page.wait_for_function("window.got.includes('INFO late') && window.version")
        assert page.evaluate("window.page.logs.length") >= 40
        page.goto(f"http://localhost:{port}/")
        page.wait_for_timeout(500)
        assert row.count() == 0
        page.close()
        server.shutdown()


TRANSPORTS = """async (url) => {
  const { LogStream } = await import(`${url}client.js`);
  const got = {};
  for (const transport of ["fetch", "sse", "websocket", "poll"]) {
    got[transport] = await new Promise((resolve) => {
      const messages = [];
      const stream = new LogStream({
        url,
        transport,
        query: { channel: "web", tail: 1000 },
        onEntry: (entry) => {
          messages.push(entry.message);
          if (entry.message === "end") {
            stream.close();
            resolve(messages);
          }
        },
      }).open();
    });
  }
  return got;
}"""


def test_every_transport_brings_the_same_lines(
    browser: Browser, start_relay: StartRelay, logs: Path
) -> None:
    """NDJSON, server-sent events, a WebSocket, and pages: what was there and what comes."""
    write(logs / "web.log", *numbered(0, 700), '"quoted" ü \\u0000 data: x', "end")
    relay = start_relay(FILES)
    wait_for_lines(relay, "web", 702)
    with tab(browser, relay.url) as opened:
        got = opened.page.evaluate(TRANSPORTS, relay.url)
        expected = [*numbered(0, 700), '"quoted" ü \\u0000 data: x', "end"]
        assert got == dict.fromkeys(("fetch", "sse", "websocket", "poll"), expected)


def test_files_of_the_page_are_small() -> None:
    """All together, compressed one by one, no more than 100 KB."""
    folder = Path(__file__).parents[2] / "relay/static"
    files = [path for path in folder.rglob("*") if path.suffix in (".js", ".css", ".html", ".svg")]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) <= 100_000
