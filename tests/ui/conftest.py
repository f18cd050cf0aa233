"""One server on the scripted engine and one browser for the whole session; a fresh tab per test."""

from __future__ import annotations

import os
import shutil
import socket
from dataclasses import dataclass, field

import pytest

from tests.ui import acts

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",
)
PATIENCE = 120_000  # ms for any one wait; a busy machine is slow, not wrong
OF_A_TAB = {"viewport", "color_scheme", "reduced_motion"}  # what need not be a whole browser's
CALM = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What uses the browser is a test of the page, whatever else it is."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.ui)


@dataclass
class Served:
    """A page that is up: its address and the engine behind it."""

    url: str
    engine: object


@dataclass
class Noticed:
    """What a tab said and asked for."""

    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    from studio.settings import Settings
    from studio.ui import shell
    from tests.ui.scripted import ScriptedEngine, record

    engine = ScriptedEngine(pace=0.03)
    first_run = record(tmp_path_factory.mktemp("first-run"))
    settings = Settings.from_env({}, port=free_port())
    demo = shell.build(engine, settings, first_run)
    shell.serve(demo, settings, first_run, prevent_thread_lock=True, quiet=True)
    yield Served(f"http://127.0.0.1:{settings.port}/", engine)
    demo.close()
    engine.close()


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("XT_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def usual(browser):
    """The browser that most tests share: what it has loaded once stays in its cache."""
    context = browser.new_context(**CALM)
    yield context
    context.close()


def open_on(context, url: str, script: str = "", viewport=None, **media):
    """A tab that is ready to be used, with what it says and asks for in `.noticed`."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    if viewport:
        page.set_viewport_size(viewport)
    page.emulate_media(**media)
    page.add_init_script(script)
    page.noticed = Noticed()
    page.on("pageerror", lambda error: page.noticed.errors.append(str(error)))
    page.on(
        "console",
        lambda m: page.noticed.errors.append(m.text) if m.type == "error" else None,
    )
    page.on("request", lambda r: page.noticed.hosts.add(r.url.split("/")[2]))
    page.goto(url)
    page.wait_for_selector(".stage[data-state]:not([data-state=''])")
    page.wait_for_selector("#chips .chip")
    return page


@pytest.fixture
def tab(browser, served, usual):
    """Opens tabs on the page: `tab(locale=…)` → a playwright page with `.noticed`.

    `apart`, or with options that a tab alone cannot have, in a browser of its own; a `script` runs
    before the page's own.
    """
    opened = []

    def open_tab(url: str = "", apart: bool = False, script: str = "", **options):
        own = apart or not options.keys() <= OF_A_TAB
        context = browser.new_context(**{**CALM, **options}) if own else usual
        page = open_on(context, url or served.url, script, **({} if own else options))
        opened.append(context if own else page)
        return page

    yield open_tab
    for each in opened:
        each.close()


@pytest.fixture(scope="module")
def kept(served, usual):
    """One tab for those tests of a module that take it as they find it; see `shared`."""
    page = open_on(usual, served.url)
    page.found = acts.filled(page)
    yield page
    page.close()


@pytest.fixture
def shared(kept):
    """The module's tab: no run goes on, and the form says what it said at first."""
    acts.tidied(kept)
    yield kept
    assert kept.noticed.errors == []
