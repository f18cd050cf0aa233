import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor

from studio.imaging.tensors import from_rgb, to_rgb


def test_bytes_survive_the_round_trip():
    rgb = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3), dtype=np.uint8)
    assert np.array_equal(to_rgb(from_rgb(rgb)), rgb)


def test_rounding_is_that_of_diffusers_image_processor():
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    theirs = VaeImageProcessor().postprocess(x, output_type="pil")
    assert np.array_equal(to_rgb(x), np.stack([np.asarray(picture) for picture in theirs]))


def test_values_outside_the_range_are_clipped():
    x = torch.tensor([-9.0, 9.0, 0.0]).reshape(1, 3, 1, 1)
    assert to_rgb(x).ravel().tolist() == [0, 255, 128]


def test_the_tensor_is_left_as_it_was():
    x = torch.full((1, 3, 2, 2), 0.3)
    to_rgb(x)
    assert torch.equal(x, torch.full((1, 3, 2, 2), 0.3))
