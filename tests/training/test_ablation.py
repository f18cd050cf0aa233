"""What makes a comparison fair: equal compute, the same pictures and noise for all; and what it is
judged by.
"""

import argparse
import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from studio.errors import BadData
from studio.training import (
    ablation,
    ablation_report,
    ablation_stages,
    blocks,
    judging,
    samples,
    scene,
    unet,
)
from studio.training.recipes import RECIPES

CONFIG = RECIPES["smoke"].blocks


class Plain:
    """An autoencoder that is none: the latents' first channels are the picture."""

    def decode(self, z):
        return argparse.Namespace(sample=z[:, :3])


def world(pictures=6):
    g = torch.Generator().manual_seed(0)
    latents = torch.randn(pictures, 8, 16, 16, generator=g)
    labels = torch.arange(pictures) % 3
    shown = list(judging.pictures(argparse.Namespace(vae=Plain()), latents))
    return judging.Scene(
        names=("a", "b", "c"),
        latents=latents,
        labels=labels,
        held=latents[:3],
        held_labels=labels[:3],
        vae=Plain(),
        gallery=np.stack([judging.looks.describe(picture) for picture in shown]),
        gallery_labels=tuple(labels.tolist()),
    )


@pytest.mark.parametrize("name", ablation.VARIANTS)
def test_every_network_gets_the_same_compute(name):
    config = RECIPES["small"].blocks
    made = ablation.shape(config, world(), *ablation.VARIANTS[name])
    spent = 3 * blocks.macs(made) * config.batch * ablation.steps(config, made)
    assert spent == pytest.approx(config.giga * 1e9, rel=0.01)


def test_fixed_noise_is_the_same_each_time_and_spread_over_each_pictures_levels():
    place, config = world(), dataclasses.replace(CONFIG, times=8)
    first, again = (
        ablation.fixed(place.held, place.held_labels, unet.levels(), config) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    xt, t, _label, v = first
    now = unet.levels()[t].view(-1, 1, 1, 1)
    torch.testing.assert_close(
        now.sqrt() * xt - (1 - now).sqrt() * v, place.held.repeat_interleave(8, 0)
    )
    assert all(len(set(rows.tolist())) == 8 for rows in t.split(8))


def test_errors_are_each_pictures_own():
    place = world()
    asked = ablation.fixed(place.held, place.held_labels, unet.levels(), CONFIG)
    *seen, v = asked
    off = torch.arange(3.0).repeat_interleave(CONFIG.times).view(-1, 1, 1, 1)
    found = ablation.errors(lambda xt, t, label: v + off, *seen, v, CONFIG.times)
    assert found == pytest.approx([0.0, 1.0, 4.0], abs=1e-5)


def test_a_network_that_ignores_the_class_loses_nothing_by_a_wrong_one():
    place = world()
    *seen, v = ablation.fixed(place.held, place.held_labels, unet.levels(), CONFIG)
    kind = (*seen, v, CONFIG.times, place.nothing)
    assert ablation.heeded(lambda xt, t, label: 0.5 * v, *kind)["value"] == 0
    own = seen[2]

    def heeding(xt, t, label):
        return v + (label != own).float().view(-1, 1, 1, 1)

    assert ablation.heeded(heeding, *kind)["value"] == pytest.approx(1, abs=1e-5)


def test_a_network_is_sampled_with_its_classes():
    asked = []

    class Network:
        def __call__(self, x, t, label):
            asked.append((t.tolist(), label.tolist()))
            return torch.cat([x, torch.full_like(x, 9)], 1)

    noise = torch.randn(2, 8, 4, 4)
    samples.sample(ablation.denoiser(Network()), torch.tensor([1, 2]), torch.tensor([3]), noise, 2)
    assert [label for _, label in asked] == [[3, 3, 1, 2]] * 2
    assert asked[0][0] == [999] * 4


def test_a_trained_variant_says_all_its_figures_and_is_not_made_again(tmp_path, monkeypatch):
    name, place = "adaLN-Zero", world()
    results, calls = tmp_path / "blocks-0.json", []

    def measure(asked):
        calls.append(asked)
        return ablation.measure(asked, place, CONFIG, tmp_path / "trials", 0)

    for _ in range(2):
        ablation_stages.fill(results, [name], CONFIG, measure)
    assert calls == [name]
    row = json.loads(results.read_text())[name]
    made = ablation.shape(CONFIG, place, *ablation.VARIANTS[name])
    assert row["macs"] == blocks.macs(made) and row["steps"] == ablation.steps(CONFIG, made)
    assert row["curve"][-1][1] == pytest.approx(row["loss"]["value"])
    assert row["curve"][-1][0] == pytest.approx(CONFIG.giga * 1e9, rel=0.5)
    assert row["retrieval_at_1"]["n"] == 3 and row["pictures"] == row["steps"] * CONFIG.batch


def test_a_part_of_a_run_is_kept_where_the_whole_one_finds_it():
    for config in (RECIPES["small"].blocks, RECIPES["small"].ddpm, RECIPES["small"].reflow):
        part = ablation_stages.shortened(config, 0.25)
        assert part != config
        assert ablation_stages.digest(part) == ablation_stages.digest(config)
        other = dataclasses.replace(config, width=config.width + 32)
        assert ablation_stages.digest(other) != ablation_stages.digest(config)
    assert ablation_stages.shortened(RECIPES["small"].ddpm, 0.1).steps == 300
    with pytest.raises(BadData, match="no part of a run"):
        ablation_stages.shortened(CONFIG, 0.0)


def test_training_pictures_find_themselves_and_others_do_not():
    place = world()
    own = judging.quality(place, place.latents, place.labels)
    assert own["retrieval_at_1"]["value"] == 1 and own["likeness"]["value"] == pytest.approx(1)
    wrong = judging.quality(place, place.latents, (place.labels + 1) % 3)
    assert wrong["retrieval_at_1"]["value"] == 0 and wrong["likeness"]["value"] < 0.99


def test_a_figure_is_a_mean_with_its_standard_error():
    found = judging.figure([1.0, 2.0, 4.0])
    assert found["value"] == pytest.approx(7 / 3) and found["n"] == 3
    assert found["error"] == pytest.approx(math.sqrt(7 / 3 / 3))  # the sample variance is 7/3
    assert judging.by_concept([1, 2, 5, 6], torch.tensor([0, 1, 0, 1])) == [3, 4]


def test_one_drawing_of_each_concept_is_held_out_and_no_two_sets_take_turns_alone(icons):
    slugs, train, held = scene.split(icons, 3)
    assert len(slugs) == len(held) == 3 and not set(train) & set(held)
    assert [icons.records[row].concept for row in held] == slugs
    assert {icons.records[row].concept for row in train} == set(slugs)
    assert not any(icons.records[row].held for row in [*train, *held])
    assert len({icons.records[row].set for row in held}) > 1


@pytest.mark.parametrize("kind", ["ddpm", "reflow"])
def test_the_other_comparisons_say_what_their_tables_need(kind, tmp_path):
    names, measure = ablation_stages.EXPERIMENTS[kind]
    config, place = getattr(RECIPES["smoke"], kind), world()
    results = tmp_path / f"{kind}-0.json"
    ablation_stages.fill(
        results, names, config, lambda name: measure(name, place, config, tmp_path / "trials", 0)
    )
    found = json.loads(results.read_text())
    for of, table in ablation_report.TABLES.values():
        if of == kind:
            assert len(table(found).splitlines()) >= 2 + len(names)
    if kind == "reflow":
        trained = torch.load(next(tmp_path.glob("trials/after-*/couples.pt")), weights_only=True)
        assert len(trained[0]) == len(trained[1]) == config.couples
        assert found["start"]["few"]["1"]["rmse"]["value"] > 0
    else:
        assert set(found["cosine, learned"]["bits"]) == {"beta", "tilde", "learned"}
        assert set(found["cosine, fixed"]["drawn"]) == {
            f"{way}, {count}" for way in ("beta", "tilde") for count in config.counts
        }
