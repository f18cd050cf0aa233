"""The list of adapters says what is in the folders, and makes a request of what is ticked."""

from types import SimpleNamespace

import gradio as gr
import pytest

from studio.adapting import Adapter, AdapterInfo
from studio.contract import Request, View
from studio.errors import BadRequest
from studio.ui import adapters_form


def info(id, kind, **more):
    return AdapterInfo(id, id.title(), kind, ("unet",), 10, 20, "mit", **more)


class Folder:
    """Two adapters, one of which fits no model but "xl", an autoencoder and a tiny one."""

    def adapters(self):
        return (
            info("ink", "lora", rank=8),
            info("mug", "embedding", trigger="<mug>"),
            info("sharp", "vae"),
            info("small", "tiny"),
        )

    def fits(self, adapter, model):
        return "It does not fit." if adapter == "mug" and model != "xl" else ""


@pytest.fixture
def engine():
    return SimpleNamespace(adapting=Folder())


@pytest.fixture
def wearing(engine):
    with gr.Blocks():
        return adapters_form.controls(engine, "random")


def test_without_adapters_there_is_no_list():
    none = SimpleNamespace(adapting=SimpleNamespace(adapters=lambda: ()))
    with gr.Blocks() as page:
        wearing = adapters_form.controls(none, "random")
    assert wearing.inputs() == []
    assert not page.blocks
    assert wearing.read(Request("m"), View(), ()) == (Request("m"), View())


def test_what_is_ticked_is_in_the_request(wearing):
    request, view = wearing.read(Request("m"), View(), (True, False, -0.5, 1.0, "sharp", "small"))
    assert request == Request("m", adapters=(Adapter("ink", -0.5),), vae="sharp")
    assert view.tiny == "small"


def test_a_recipe_fills_the_list_so_that_it_reads_the_same(wearing):
    asked = Request("m", adapters=(Adapter("mug", 0.3),), vae="sharp")
    filled = wearing.fill(asked)
    values = tuple(filled.get(component, "") for component in wearing.inputs())
    assert wearing.read(Request("m"), View(), values) == (asked, View())


def test_what_does_not_fit_the_model_cannot_be_ticked(engine, wearing):
    assert [box.interactive for box in wearing.boxes] == [True, False]
    updates = wearing.fitting(engine, "xl")
    assert updates[wearing.boxes[1]]["interactive"] is True
    assert wearing.fitting(engine, "random")[wearing.boxes[1]]["value"] is False


@pytest.mark.parametrize(
    ("trigger", "shown"),
    [
        ("<mug>", "&lt;mug&gt;"),
        ("my_mug", r"my\_mug"),
        ("<img src=x onerror=a()>", r"&lt;img src=x onerror=a\(\)&gt;"),
        ("[here](https://x.y)", r"\[here\]\(https://x.y\)"),
    ],
)
def test_a_word_out_of_a_file_is_shown_as_letters_alone(trigger, shown):
    one = SimpleNamespace(
        adapters=lambda: (info("mug", "embedding", trigger=trigger),), fits=lambda *_: ""
    )
    with gr.Blocks():
        wearing = adapters_form.controls(SimpleNamespace(adapting=one), "random")
    assert wearing.boxes[0].info == f"Textual inversion · {shown}"


@pytest.mark.parametrize("weight", [None, "much", True])
def test_a_weight_that_is_no_number_is_refused_in_words(wearing, weight):
    with pytest.raises(BadRequest, match="adapter's weight"):
        wearing.read(Request("m"), View(), (True, False, weight, 1.0, "", ""))
