"""What an adapter in a recipe or a prompt may be."""

import pytest

from studio.adapting import Adapter, joined, read, spoken
from studio.errors import BadRecipe, BadRequest
from studio.recipe import Request


@pytest.mark.parametrize(
    ("prompt", "text", "named"),
    [
        ("a cat", "a cat", ()),
        ("a <lora:ink:0.8> cat", "a cat", (Adapter("ink", 0.8),)),
        ("a cat <lora:ink:-1><lora:v1.5_b>", "a cat", (Adapter("ink", -1), Adapter("v1.5_b"))),
        ("a <mug> and <lora:>", "a <mug> and <lora:>", ()),
    ],
)
def test_a_tag_is_taken_out_of_the_prompt(prompt, text, named):
    assert spoken(prompt) == (text, named)


def test_the_later_weight_of_an_id_counts():
    assert joined((Adapter("a", 1), Adapter("b", 2)), (Adapter("a", 3),)) == (
        Adapter("a", 3), Adapter("b", 2),
    )  # fmt: skip


def test_a_recipe_with_adapters_comes_back_from_its_json():
    request = Request("m", adapters=(Adapter("ink", 0.8),), vae="sharp")
    assert Request.from_json(request.to_json()) == request


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("ink", "a list of at most 4 adapters"),
        ([{"id": str(k)} for k in range(5)], "a list of at most 4 adapters"),
        ([{"id": "a"}, {"id": "a"}], "named twice"),
        ([{"id": "a", "hue": 1}], "an id and a weight, and nothing else"),
        ([{"id": "a", "weight": 5}], "adapter's weight"),
        ([{"id": ""}], "named by its id"),
        ([{"id": ["a"]}], "named by its id"),
    ],
)
def test_what_no_adapter_could_be_is_refused_in_words(data, said):
    with pytest.raises(BadRequest, match=said):
        read(data)


def test_an_autoencoder_that_is_no_id_is_refused():
    with pytest.raises(BadRecipe, match="autoencoder is named by its id"):
        Request.from_json('{"version": 1, "model": "m", "vae": 5}')
