"""The Models tab in a browser, on a scripted shelf; baselines of its states."""

import base64
import os
import threading

import pytest
from PIL import Image

from studio import holding as h
from studio.ui import models_answers, models_messages, tab_models
from tests.ui import acts, looks
from tests.ui.conftest import Served, free_port
from tests.ui.scripted_holdings import SHELF
from tests.ui.scripted_stock import Stocked
from tests.ui.test_looks import NARROW

ui = pytest.mark.ui
TORN = "torn/unet/weights.safetensors"
NARROW_ORDER = ("#models_list", "#models_page", "#models_card", "#models_memory", "#models_refused")


@pytest.fixture(scope="module")
def stocked(tmp_path_factory):
    from studio.settings import Settings
    from studio.ui import shell
    from tests.ui.scripted import record

    engine = Stocked(pace=0.02)
    first_run = record(tmp_path_factory.mktemp("first-run"))
    settings = Settings.from_env({}, port=free_port())
    demo = shell.build(engine, settings, first_run)
    shell.serve(demo, settings, first_run, prevent_thread_lock=True, quiet=True)
    yield Served(f"http://127.0.0.1:{settings.port}/", engine)
    demo.close()
    engine.close()


@pytest.fixture
def models(tab, stocked):
    """Opens the tab: `models(id, locale=…)` → a page on which this checkpoint is chosen."""
    stocked.engine.holdings.restock()

    def open_models(id="", **options):
        page = tab(stocked.url, **options)
        page.evaluate("document.querySelector('#tab_models-button').click()")
        page.wait_for_selector(".models[data-listed='1']")
        if id:
            page.click(f"#models_list [data-id='{id}']")
        page.wait_for_selector(f".models[data-model='{id or 'icons-unet'}'] .arithmetic[data-plan]")
        return page

    return open_models


def message(page):
    page.wait_for_selector("#models_message:not([hidden])")
    return page.inner_text("#models_message")


def looks_as_it_did(page, name):
    """Compare with the stored baseline; see `test_looks`."""
    page.mouse.move(1, 1)
    page.evaluate("document.activeElement?.blur()")
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    png = page.screenshot(full_page=True, animations="disabled", caret="hide")
    looks.OUT.mkdir(exist_ok=True)
    (looks.OUT / f"models_{name}.png").write_bytes(png)
    now, baseline = looks.stored(png), looks.BASELINES / f"models_{name}.jpg"
    if os.environ.get("XT_UPDATE_BASELINES"):
        now.save(baseline, quality=80)
    share = looks.difference(now, Image.open(baseline).convert("RGB"))
    assert share <= looks.MOST, f"{share:.1%} of the page looks different; see tests/ui/out"


@ui
def test_the_list_says_how_each_checkpoint_stands(models):
    page = models()
    assert page.locator("#models_list .model").count() == len(SHELF)
    standing = page.locator("#models_list .standing").all_inner_texts()
    assert standing == ["loaded", "fits", "fits", "fits", "fits", "does not fit"]
    assert "860.0 M parameters · 2.0 GB" in page.inner_text("[data-id='torn'] .facts")
    assert "old.ckpt is pickled" in page.inner_text("#models_refused")
    assert "for Icons UNet" in page.inner_text("#models_controls")
    assert page.inner_text("#models_memory .sum") == "23 MB of 4.0 GB"
    looks_as_it_did(page, "list")
    assert page.noticed.errors == []


@ui
def test_a_page_has_the_parts_and_the_arithmetic_and_refuses_what_does_not_fit(models):
    page = models("giant")
    parts = page.locator(".components tbody tr").all_inner_texts()
    assert len(parts) == 4 and "FluxTransformer2DModel" in parts[0]
    assert "16 × 128 × 128" in page.inner_text("[data-fact='models_latent']")
    assert "24.0 GB of weights" in page.inner_text(".arithmetic .error")
    assert page.is_disabled("#models_load")
    looks_as_it_did(page, "refused")
    page.click("#models_list [data-id='held-unet']")
    page.wait_for_selector(".models[data-model='held-unet'] .arithmetic[data-plan='whole']")
    assert "icons-unet" in page.inner_text(".arithmetic .plan")
    looks_as_it_did(page, "page")


@ui
def test_a_card_is_words_alone(models):
    page = models("exact-icons")
    page.wait_for_selector("#models_card table")
    assert page.locator("#models_card :is(img, script)").count() == 0
    assert page.evaluate("window.broken") is None
    assert page.get_attribute("#models_card a", "href") == "https://example.org/a"
    assert page.locator("#models_card a").count() == 1
    assert page.locator("#models_card strong code").inner_text() == "named"
    assert not any(mark in page.inner_text("#models_card") for mark in ("<!--", "`", "**"))
    assert page.is_hidden("#models_look")  # a formula has no network
    assert len(page.noticed.hosts) == 1


@ui
def test_a_load_streams_its_bytes_and_ends_loaded(models, stocked):
    page = models("icons-dit")
    page.evaluate("""() => { window.seen = new Set(); new MutationObserver(() =>
        window.seen.add(document.querySelector('.models').dataset.bytes))
        .observe(document.querySelector('.models'), { attributes: true }); }""")
    page.click("#models_load")
    page.wait_for_selector("#models_list [data-id='icons-dit'][data-standing='loaded']")
    page.wait_for_selector("#models_unload")
    assert len(page.evaluate("[...window.seen]")) >= 2
    assert stocked.engine.holdings.loaded == ["icons-unet", "icons-dit"]
    page.wait_for_selector("#models_memory[data-held='2']")
    assert page.inner_text("#models_memory .sum") == "89 MB of 4.0 GB"
    page.click("#models_unload")
    page.wait_for_selector("#models_load")
    assert stocked.engine.holdings.loaded == ["icons-unet"]


@ui
def test_a_load_is_cancelled_and_what_was_loaded_stays(models, stocked):
    page = models("held-unet")
    page.click("#models_load")
    page.wait_for_selector(".models[data-bytes='3000000000']")
    assert "reading the UNet · 3.0 GB / 5.0 GB" in page.inner_text(".acts .doing")
    looks_as_it_did(page, "loading")
    page.click("#models_stop")
    assert "was stopped" in message(page)
    page.wait_for_selector("#models_load")
    shelf = stocked.engine.holdings
    assert shelf.closed == ["held-unet"] and shelf.loaded == ["icons-unet"]


@ui
def test_a_closed_tab_gives_its_load_up(models, stocked):
    page = models("held-unet", apart=True)
    page.click("#models_load")
    page.wait_for_selector(".models[data-bytes='3000000000']")
    page.context.close()
    assert acts.eventually(lambda: stocked.engine.holdings.closed)
    assert stocked.engine.holdings.closed == ["held-unet"]


@ui
def test_what_goes_wrong_has_its_sentence(models, stocked):
    page = models("torn")
    page.click("#models_load")
    assert message(page) == f"{TORN} ends before its tensors do."
    page.wait_for_selector("#models_check")
    page.click("#models_check")
    page.wait_for_selector(".checked[data-sound='false']")
    assert "NaN or infinity" in page.inner_text(".checked")
    stocked.engine.holdings.busy.add("icons-unet")
    page.click("#models_list [data-id='icons-unet']")
    page.click("#models_page #models_unload")
    page.wait_for_selector("#models_message[data-key]:not([data-key=''])")
    assert "in use by 1 of the runs" in message(page)


@ui
def test_a_picture_goes_through_the_autoencoder_and_one_forward(models, tmp_path):
    page = models()
    page.click("#models_trip_go")
    page.wait_for_selector(".models[data-look='trip'] .models_trip .plates img >> nth=4")
    assert page.inner_text("[data-figure='models_psnr'] dd") == "32.1 dB"
    page.click("#models_forward_go")
    page.wait_for_selector(".models[data-look='forward'] .umap")
    pairs = page.evaluate(
        "[...document.querySelectorAll('.urow.skip')].map((row) => [...row.querySelectorAll("
        "'.ublock')].map((b) => b.dataset.name))"
    )
    assert pairs[0] == ["conv_in", "up_blocks.1.resnets.1"]
    assert pairs[-1] == ["down_blocks.1.resnets.0", "up_blocks.0.resnets.0"]
    looks_as_it_did(page, "inside")
    path = tmp_path / "own.png"
    Image.new("RGB", (40, 30), "red").save(path)
    with page.expect_response(lambda r: "round_trip" in (r.request.post_data or "")) as asked:
        page.set_input_files("#models_picture", str(path))
    assert base64.b64encode(path.read_bytes()).decode() in asked.value.request.post_data
    page.wait_for_selector(".models_forward[data-state='done']")
    assert page.noticed.errors == []


@ui
def test_a_transformer_has_its_tokens_its_variance_and_its_gates(models, stocked):
    page = models("icons-dit", color_scheme="dark")
    page.click("#models_gates_go")  # loads it first
    page.wait_for_selector(".models[data-look='gates'] .shades[data-blocks='12'] >> nth=1")
    assert "icons-dit" in stocked.engine.holdings.loaded
    page.click("#models_forward_go")
    page.wait_for_selector(".models[data-look='forward'] .plot[data-blocks='12']")
    assert page.locator(".models_forward svg.tokens line").count() == 14
    assert "8 × 8 = 64" in page.inner_text(".models_forward .plates")
    looks_as_it_did(page, "dark")


def squares(page, of):
    """The opacity of each square of a map, row by row."""
    return page.evaluate(
        "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        ".filter((_, k) => k % 4 === 3)",
        page.query_selector(f"{of} canvas"),
    )


@ui
def test_each_word_has_a_map_of_the_layers_that_are_chosen(models):
    page = models()
    page.click("#models_words_go")
    assert "Write a prompt first" in message(page)
    page.fill("#models_prompt_words", "a red <b>apple</b>")
    assert page.input_value("#models_prompt") == "a red <b>apple</b>"  # one prompt for both
    page.press("#models_prompt_words", "Enter")
    page.wait_for_selector(".models[data-look='words'] .words-card >> nth=5")
    words = page.locator(".words-card .token").all_inner_texts()
    assert words == ["begin mark", "a", "red", "<b>apple</b>", "end mark", "padding"]
    assert "“a”" in page.inner_text("#models_words_large figcaption")
    assert max(squares(page, "#models_words_large")) == 225
    page.click(".words-card >> nth=2")
    assert "“red”" in page.inner_text("#models_words_large figcaption")
    assert len(squares(page, "#models_words_large")) == 256
    looks_as_it_did(page, "words")
    page.click(".words-card >> nth=0")
    assert min(squares(page, "#models_words_large")) < 200
    page.click("#models_words_scale label >> nth=1")  # the begin mark is beyond every word
    assert set(squares(page, "#models_words_large")) == {225}
    page.click("#models_words_layers label >> nth=2")
    assert len(squares(page, "#models_words_large")) == 64
    assert page.noticed.errors == []


@ui
def test_a_narrow_window_has_everything_below_each_other(models):
    page = models(**NARROW)
    tops = [page.locator(part).bounding_box()["y"] for part in NARROW_ORDER]
    assert tops == sorted(tops)
    looks_as_it_did(page, "narrow")


# Without a browser: what is streamed, and what is answered.


def test_a_stream_that_is_stopped_ends_at_once_though_its_source_waits():
    waiting, stop, closed = threading.Event(), threading.Event(), threading.Event()

    def parts():
        try:
            yield h.Reading("a", "reading unet", "unet", 1, 10, 0.1)
            waiting.wait(20)
            yield h.Reading("a", "reading unet", "unet", 2, 10, 0.2)
        finally:
            closed.set()

    told = tab_models.relayed(parts(), stop, every=0.01)
    assert next(told).done == 1
    stop.set()
    assert list(told) == [] and not closed.is_set()
    waiting.set()
    assert closed.wait(5)


def test_a_slow_page_misses_bytes_but_never_the_end():
    def parts():
        for done in range(500):
            yield h.Reading("a", "", "", done, 500)
        yield h.Loaded("a", 500, 0.1)

    told = list(tab_models.relayed(parts(), threading.Event(), every=0.02))
    assert isinstance(told[-1], h.Loaded) and len(told) < 50


def test_what_fails_while_it_is_read_is_raised():
    def parts():
        yield h.Reading("a", "")
        raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        list(tab_models.relayed(parts(), threading.Event(), every=0.01))


def test_the_phrases_of_a_check_can_be_translated():
    assert models_messages.doing("comparing vae")["key"] == "models_comparing"
    assert models_messages.doing("reading vae")["arguments"] == {"part": "vae"}
    assert models_messages.doing("reading the UNet")["text"] == "reading the UNet"


@pytest.mark.parametrize(
    "question, ask",
    [
        ("about", {}),
        ("about", {"id": "../../etc"}),
        ("fit", {"id": 7}),
        ("unload", {"id": None}),
        ("round_trip", {"id": "icons-unet", "source": "file:///etc/passwd"}),
        ("round_trip", {"id": "icons-unet", "name": "../apple"}),
        ("forward", {"id": "icons-unet", "name": "apple", "share": "x"}),
        ("forward", {"id": "icons-unet", "name": "apple", "share": 0.5, "prompt": 7}),
        ("offer", {"repo": "a/b"}),
    ],
)
def test_a_bad_question_is_answered_with_a_sentence(question, ask):
    answers = {answer.__name__: answer for answer in models_answers.for_tab(Stocked())}
    told = answers[question](ask)
    assert told["problem"]["key"] and told["problem"]["key"] != "err_bug"


def test_no_answer_holds_a_path():
    answers = {answer.__name__: answer for answer in models_answers.for_tab(Stocked())}
    said = repr([answers["here"]({}), answers["about"]({"id": "icons-dit"}), answers["fits"]({})])
    assert "folder='" not in said and "/models" not in said and os.getcwd() not in said
