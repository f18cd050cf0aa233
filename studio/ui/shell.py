"""The page around the tabs: its head, its theme, how it is served and how a visitor leaves it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from studio.contract import Engine
from studio.settings import Settings
from studio.ui import help, tab_control, tab_generate, tab_models, tab_noise, tab_race, theme, words
from studio.ui.page import Page
from studio.ui.player import FIRST_RUN, mount
from studio.ui.race_lanes import FIRST_RACE
from studio.ui.visitors import Visitors
from studio.ui.words import word

# Name in the catalogue, elem_id, layout. A new tab is one file and one line here.
TABS = (
    ("tab_generate", "tab_generate", tab_generate.tab),
    ("tab_noise", "tab_noise", tab_noise.tab),
    ("tab_race", "tab_race", tab_race.tab),
    ("tab_control", "tab_control", tab_control.tab),
    ("tab_models", "tab_models", tab_models.tab),
)

UP = ("ready", "denoising")
STATUS_S, STATUS_MOST = 0.5, 600  # how often a page asks for the engine's state, and how many times
THREADS = 256  # each visitor who watches a run holds one
UPLOAD_MOST = "20mb"
SESSIONS = 500  # whose uploaded picture is kept in memory, half a MB each; the oldest go
CACHE = (3600, 3600)  # seconds: how often the upload cache is swept, and how old a file may be


def build(engine: Engine, settings: Settings, first_run: Path = FIRST_RUN) -> gr.Blocks:
    """The whole page on this engine; nothing is started."""
    page = Page(engine, Visitors(engine), first_run)
    with gr.Blocks(
        title="x_t Studio", analytics_enabled=False, fill_width=True, delete_cache=CACHE
    ) as demo:
        head = gr.HTML(
            {"status": ""},
            html_template=(theme.STATIC / "head.html").read_text(encoding="utf-8"),
            js_on_load=mount("head"),
            apply_default_css=False,
            elem_id="head",
        )
        with gr.Tabs(elem_id="tabs", elem_classes="single" if len(TABS) == 1 else ""):
            for title, elem_id, lay_out in TABS:
                with gr.Tab(word(title), elem_id=elem_id):
                    lay_out(page)
        demo.load(
            partial(_status, engine), None, head,
            show_progress="hidden", api_visibility="private", concurrency_limit=None,
        )  # fmt: skip

        def leave(request: gr.Request) -> None:
            for leave_tab in (page.visitors.leave, *page.leaving):
                leave_tab(request.session_hash)

        demo.unload(leave)
    demo.queue(api_open=False, default_concurrency_limit=None, max_size=None)
    return demo


def _status(engine: Engine) -> Iterator[dict]:
    """The engine's state, told again until it is up."""
    for _ in range(STATUS_MOST):
        status = engine.status()
        if status in UP:
            yield {"status": UP[0]}
            return
        yield {"status": status}
        time.sleep(STATUS_S)


def serve(demo: gr.Blocks, settings: Settings, first_run: Path = FIRST_RUN, **more: Any) -> Any:
    """Launch the page; `more` goes to gradio's launch (e.g. prevent_thread_lock=True)."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    return demo.launch(
        server_name=settings.host,
        server_port=settings.port,
        theme=theme.theme(),
        css_paths=list(theme.STYLES),
        head='<script type="module" src="studio-assets/js/main.js"></script>',
        i18n=words.translations(help.pages()),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        share=False,
        _frontend=False,  # else gradio asks its own page, and gives up after 3 s on a busy machine
        max_threads=THREADS,
        max_file_size=UPLOAD_MOST,
        state_session_capacity=SESSIONS,
        app_kwargs={"routes": static_routes(first_run)},
        **more,
    )


def static_routes(first_run: Path) -> list[Mount]:
    """The page's own scripts, fonts and recorded run, under names that tell nothing of the disk."""
    folders = {
        "js": theme.STATIC / "js",
        "fonts": theme.ASSETS / "fonts",
        "first-run": first_run,
        FIRST_RACE.name: FIRST_RACE,
    }
    return [
        Mount(f"/studio-assets/{name}", _Fresh(directory=folder, check_dir=False))
        for name, folder in folders.items()
    ]


class _Fresh(StaticFiles):
    """Static files that a browser asks about again each time, so that an update is seen."""

    def file_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response
