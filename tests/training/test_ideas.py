"""Each idea changes what its name says and nothing else; eps is judged as the v that it implies."""

import dataclasses
import json
import math

import pytest
import torch

from studio.training import ablation_report, ablation_stages, ideas, muon, scene, unet
from studio.training.recipes import RECIPES

from .test_ablation import world

CONFIG = dataclasses.replace(RECIPES["smoke"].ideas, batch=64)
LEVELS = unet.levels()


def place():
    g = torch.Generator().manual_seed(1)
    return dataclasses.replace(world(), others=9 + torch.randn(4, 8, 16, 16, generator=g))


def draw(name, n=0):
    return ideas.draw_batch(place(), LEVELS, n, ideas.CELLS[name], CONFIG, 0)


def clean(xt, t, v):
    alpha, sigma = ideas.ends(LEVELS, t)
    return alpha * xt - sigma * v


def eps(xt, t, v):
    alpha, sigma = ideas.ends(LEVELS, t)
    return sigma * xt + alpha * v


def test_every_cell_but_the_base_changes_one_thing_and_adamws_rate_is_a_second():
    plain = dataclasses.asdict(ideas.Idea())
    for name, idea in ideas.CELLS.items():
        changed = [key for key, value in dataclasses.asdict(idea).items() if value != plain[key]]
        assert len(changed) == {"base": 0, "AdamW alone, thrice the rate": 2}.get(name, 1)


def test_uniform_times_change_the_times_alone():
    (xt, t, label, v), (other, even, same, w) = draw("base"), draw("uniform times")
    assert torch.equal(label, same)
    torch.testing.assert_close(clean(xt, t, v), clean(other, even, w), atol=1e-5, rtol=0)
    torch.testing.assert_close(eps(xt, t, v), eps(other, even, w), atol=1e-5, rtol=0)
    assert (even * CONFIG.batch // 1000).unique().numel() >= CONFIG.batch - 2  # one in each part
    assert t.float().mean() > even.float().mean() + 20  # the density has less of little noise


def test_eps_is_asked_of_the_same_batch():
    (xt, t, label, v), (other, same, alike, target) = draw("base"), draw("eps instead of v")
    assert torch.equal(xt, other) and torch.equal(t, same) and torch.equal(label, alike)
    torch.testing.assert_close(target, eps(xt, t, v))


def test_two_half_batches_are_the_whole_one():
    halves = [draw("half the batch, twice the steps", n) for n in (6, 7)]
    for whole, parts in zip(draw("base", 3), zip(*halves, strict=True), strict=True):
        assert torch.equal(whole, torch.cat(parts)) and len(parts[0]) == CONFIG.batch // 2


def test_half_of_a_mixed_batch_is_of_others_without_a_class_under_the_same_noise():
    (xt, t, label, v), (other, same, named, w) = (
        draw("base"),
        draw("half of each batch other concepts"),
    )
    half = CONFIG.batch // 2
    assert torch.equal(t, same) and torch.equal(label[half:], named[half:])
    assert (named[:half] == place().nothing).all()
    torch.testing.assert_close(eps(xt, t, v), eps(other, t, w), atol=1e-4, rtol=0)
    assert torch.equal(xt[half:], other[half:]) and torch.equal(v[half:], w[half:])
    assert (clean(other, t, w)[:half].mean((1, 2, 3)) > 8).all()


def test_a_class_that_is_never_dropped_is_the_bases_where_that_has_one():
    (xt, t, label, v), (other, same, named, w) = draw("base"), draw("class never dropped")
    assert torch.equal(xt, other) and torch.equal(t, same) and torch.equal(v, w)
    gone = label == place().nothing
    assert gone.any() and (named != place().nothing).all()
    assert torch.equal(label[~gone], named[~gone])


def test_adamw_alone_takes_every_weight_and_thrice_the_rate_is_thrice():
    network = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.LayerNorm(16))

    def made(name):
        return ideas.optimisers(network, ideas.CELLS[name], CONFIG)

    kinds = [type(o) for o in made("base")]
    assert kinds == [muon.Muon, torch.optim.AdamW]
    rest, (alone,), (thrice,) = (
        made("base")[1],
        made("AdamW alone"),
        made("AdamW alone, thrice the rate"),
    )
    assert len(alone.param_groups[0]["params"]) == 4 == len(thrice.param_groups[0]["params"])
    assert alone.defaults == rest.defaults
    assert thrice.defaults == alone.defaults | {"lr": 3 * alone.defaults["lr"]}
    for slow, fast in zip(made("base"), made("thrice the rates"), strict=True):
        assert fast.defaults["lr"] == pytest.approx(3 * slow.defaults["lr"])


def test_true_eps_is_the_true_v_and_what_it_cannot_say_is_cut():
    t = draw("base")[1].clamp_max(900)
    x0, noise = torch.randn(2, len(t), 8, 4, 4, generator=torch.Generator().manual_seed(0))
    alpha, sigma = ideas.ends(LEVELS, t)
    xt, v = alpha * x0 + sigma * noise, alpha * noise - sigma * x0
    said = ideas.as_v(lambda *_: noise, LEVELS, math.inf)(xt, t, None)
    torch.testing.assert_close(said, v, atol=2e-3, rtol=0)
    # v = (eps − sigma·xt) / alpha, whatever eps is said
    off = ideas.as_v(lambda *_: noise + 0.1, LEVELS, math.inf)(xt, t, None)
    torch.testing.assert_close(off, (noise + 0.1 - sigma * xt) / alpha, atol=2e-3, rtol=0)
    last = torch.full((len(xt),), 999)
    cut = ideas.as_v(lambda *_: 0 * noise, LEVELS, 2.0)(noise.sign(), last, None)
    torch.testing.assert_close(cut, -2 * noise.sign(), atol=2e-3, rtol=0)


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_an_average_without_warm_up_weighs_steps_by_powers_of_its_decay(decay):
    model = torch.nn.Linear(1, 1, bias=False)
    kept, values = ideas.Even(model, decay), [3.0, -1.0, 7.0]
    for value in values:
        torch.nn.init.constant_(model.weight, value)
        kept.update(model)
    shares = [decay**2, decay, 1.0]
    mean = sum(s * v for s, v in zip(shares, values, strict=True)) / sum(shares)
    assert float(kept.weights["weight"]) == pytest.approx(mean)


def test_an_error_falls_into_the_third_of_its_time():
    t = torch.tensor([0, 400, 999, 300, 500, 700])
    v = torch.zeros(6, 1, 2, 2)
    found = ideas.thirds(lambda xt, t, label: v + (t / 100).view(-1, 1, 1, 1), (v, t, t, v), 3)
    expected = [(0 + 9) / 2, (16 + 25) / 2, (9.99**2 + 49) / 2]
    assert [third["value"] for third in found] == pytest.approx(expected)


def test_other_concepts_are_none_of_the_scenes(icons, tmp_path, monkeypatch):
    asked = []

    def encode(vae, pixels, rows):
        asked.extend(rows)
        return torch.zeros(len(rows), 1)

    monkeypatch.setattr(scene.latents, "encode", encode)
    for _ in range(2):
        made = scene.others(icons, None, 3, 2, tmp_path)
    assert len(made) == len(asked) == 2  # encoded once
    slugs = scene.split(icons, 3)[0]
    assert not {icons.records[row].concept for row in asked} & set(slugs)
    assert not any(icons.records[row].held for row in asked)


def test_the_cells_say_what_their_tables_need_and_only_the_base_its_averages(tmp_path):
    config = RECIPES["smoke"].ideas
    results, names = tmp_path / "ideas-0.json", list(ideas.CELLS)
    ablation_stages.fill(
        results, names, config, lambda name: ideas.measure(name, place(), config, tmp_path, 0)
    )
    found = json.loads(results.read_text())
    assert [name for name in found if "averages" in found[name]] == ["base"]
    assert found["half the batch, twice the steps"]["curve"][-1][0] == 2 * config.steps
    table = ablation_report.ideas(found).splitlines()
    assert len(table) == 2 + len(names) + 1 + 2 and "base, no guidance" in table[3]
    averages = ablation_report.ideas_ema(found).splitlines()
    assert len(averages) == 2 + 2 + len(config.decays)
    assert "nan" not in "".join(table + averages)
