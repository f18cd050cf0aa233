"""The Models tab: which checkpoints are here, what each is made of, and what happens inside.

The page's script draws the list and one checkpoint's page from `models_answers`; what takes long
(loading, checking, fetching) is streamed from here, and stops when the visitor says so or leaves.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr

from studio import holding as h
from studio.contract import Engine
from studio.errors import BadRequest
from studio.ui import models_answers, models_messages, noise_messages, player, theme
from studio.ui.page import Page

FREE = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
EVERY_S = 0.1  # between two messages
_END: Any = object()


class Watches:
    """What each visitor's tab waits for: at most one stream, and the way to stop it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: dict[str, threading.Event] = {}

    def begin(self, session: str) -> threading.Event:
        """A new stream of this tab; its former one is stopped."""
        self.stop(session)
        with self._lock:
            return self._stops.setdefault(session, threading.Event())

    def stop(self, session: str) -> None:
        """Stop the tab's stream; idempotent."""
        with self._lock:
            stop = self._stops.pop(session, None)
        if stop:
            stop.set()

    def end(self, session: str, stop: threading.Event) -> None:
        """The stream is over."""
        with self._lock:
            if self._stops.get(session) is stop:
                del self._stops[session]


def tab(page: Page) -> None:
    """Lay the tab out and wire it."""
    engine = page.engine
    stage = gr.HTML(
        {"kind": "empty", "pictures": noise_messages.thumbnails()["pictures"],
         "hub": engine.holdings.hub},
        html_template=(theme.STATIC / "models.html").read_text(encoding="utf-8"),
        js_on_load=player.mount("models"),
        server_functions=models_answers.for_tab(engine),
        apply_default_css=False,
        elem_id="models",
    )  # fmt: skip
    watches = Watches()
    page.leaving.append(watches.stop)
    stage.submit(_streamer(engine, watches), None, stage, trigger_mode="multiple", **FREE)

    def stop(request: gr.Request) -> None:
        watches.stop(request.session_hash)

    stage.stop(stop, None, None, **FREE)


def _streamer(engine: Engine, watches: Watches):
    def run(event: gr.EventData, request: gr.Request) -> Iterator[dict]:
        """One click on Load, Check or Fetch: how far it is, and how it ended."""
        said = event._data
        what, id = str(said.get("what")), str(said.get("id"))[:300]
        ask = said.get("ask") if type(said.get("ask")) is int else 0
        session = request.session_hash
        stop = watches.begin(session)
        ended = False
        try:
            for part in relayed(_asked(engine, what, id, str(said.get("revision") or "")), stop):
                ended = type(part) in models_messages.ENDS
                yield models_messages.streamed(part, what, ask)
            if not ended:
                yield models_messages.stopped(what, ask, id)
        except Exception as error:
            yield models_messages.failed(error, what, ask, id)
        finally:
            stop.set()
            watches.end(session, stop)

    return run


def _asked(engine: Engine, what: str, id: str, revision: str) -> Iterator[Any]:
    stock = engine.holdings
    if what == "fetch":
        return stock.fetch(id.strip(), revision.strip())
    verbs = {"load": stock.load, "check": stock.check}
    if what not in verbs:
        raise BadRequest("Choose a checkpoint first.")
    return verbs[what](id)


def relayed(parts: Iterator[Any], stop: threading.Event, every: float = EVERY_S) -> Iterator[Any]:
    """The newest part every `every` seconds, and the last; it ends at once when `stop` is set.

    A thread of its own reads the parts and closes them, so that one who waits for the device can
    go away. Raises what reading raised.
    """
    waiting: queue.SimpleQueue = queue.SimpleQueue()

    def read() -> None:
        try:
            for part in parts:
                waiting.put(part)
                if stop.is_set():
                    break
        except Exception as error:
            waiting.put(error)
        finally:
            if hasattr(parts, "close"):
                parts.close()
            waiting.put(_END)

    threading.Thread(target=read, name="checkpoints", daemon=True).start()
    newest: Any = None
    while not stop.is_set():
        try:
            newest = waiting.get(timeout=every)
        except queue.Empty:
            continue
        while not waiting.empty() and isinstance(newest, h.Reading | h.Fetching):
            newest = waiting.get()
        if newest is _END:
            return
        if isinstance(newest, Exception):
            raise newest
        yield newest
        if isinstance(newest, h.Reading | h.Fetching):
            stop.wait(every)
