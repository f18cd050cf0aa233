"""The evaluation's network: what it is shown, that it learns, and what is kept of it."""

import argparse

import numpy as np
import pytest
import torch

from studio.metrics import icon_net
from studio.training import cli, features, loop

CONFIG = features.Config(widths=(8, 8, 16), batch=8, steps=6, ema=0.5)


@pytest.fixture(scope="module")
def cache(icons):
    return features.cached(icons)


def test_it_sees_every_training_picture_and_no_held_out_one(cache, icons):
    slugs = list(icons.concepts)
    concepts = [icons.records[row].concept for row in icons.train_rows()]
    assert [slugs[i] for i in cache.labels.tolist()] == concepts
    assert cache.pictures.shape == (len(concepts), 3, 64, 64)


def test_white_paper_stays_white_beyond_the_edges_but_for_noise():
    white = torch.ones(16, 3, 64, 64)
    changed = features.changed(white, torch.Generator().manual_seed(0))
    assert changed.shape == (16, 3, icon_net.SIDE, icon_net.SIDE)
    assert changed.mean() > 0.9


def test_no_two_pictures_are_changed_alike(cache):
    same = cache.pictures[:1].float().expand(4, -1, -1, -1) / 127.5 - 1
    changed = features.changed(same, torch.Generator().manual_seed(1))
    apart = torch.cdist(changed.flatten(1), changed.flatten(1))
    assert apart[~torch.eye(4, dtype=torch.bool)].min() > 1.0


def test_training_lowers_the_loss_on_what_it_saw(cache, icons, tmp_path):
    def loss(model):
        x, label = features.draw_batch(cache, 99, CONFIG, 0)
        with torch.no_grad():
            return torch.nn.functional.cross_entropy(model(x).logits, label).item()

    torch.manual_seed(0)
    before = loss(icon_net.IconNet(len(icons.concepts), CONFIG.widths))
    config = features.Config(widths=CONFIG.widths, batch=8, steps=60, ema=0.5)
    pace = loop.Pace(60, log_s=999, save_s=999)
    model = features.train(cache, len(icons.concepts), tmp_path, config, pace=pace)
    assert loss(model) < before - 0.3


def test_what_is_saved_sees_what_was_trained(tmp_path):
    torch.manual_seed(0)
    model = icon_net.IconNet(5, (8, 16, 24)).eval()
    features.save(model, tmp_path / "net.safetensors")
    again = icon_net.load(tmp_path / "net.safetensors")
    x = torch.randn(2, 3, icon_net.SIDE, icon_net.SIDE)
    with torch.no_grad():
        one, two = model(x), again(x)
    torch.testing.assert_close(one.features, two.features, atol=5e-3, rtol=0)
    assert one.features.norm(dim=1).tolist() == pytest.approx([1, 1])
    assert one.spatial.shape == (2, icon_net.SPATIAL * 9) and one.logits.shape == (2, 5)


def test_the_shipped_network_is_small_and_knows_an_icon_again_that_moved(icons):
    assert icon_net.WEIGHTS.stat().st_size < 1.5e6
    model, pictures = icon_net.load(), np.array(icons.pixels[:6])
    moved = np.roll(pictures, 4, axis=2)
    seen, shifted = (
        model(icon_net.prepared(torch.from_numpy(p))).features for p in (pictures, moved)
    )
    assert (seen * shifted).sum(1).min() > 0.8
    assert (seen @ seen.T).fill_diagonal_(0).min() < 0.5


def test_the_command_leaves_weights_and_says_how_well_they_tell(packed, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    cli.configure(parser)
    where = ["--config", "smoke", "--data", str(packed), "--runs", str(tmp_path)]
    assert cli.run(parser.parse_args(["features", *where])) == 0
    assert icon_net.load(tmp_path / "features" / "icon_net.safetensors")
    assert "of 2 held-out pictures" in capsys.readouterr().out
