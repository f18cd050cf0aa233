"""DiT's recipe: the bound it learns its variance by, its classes, its start."""

import math

import pytest
import torch
from diffusers import DDPMScheduler

from studio.training import dit, loop, unet

CONFIG = dit.Config(width=16, depth=2, head=8, patch=4, batch=4, workers=1)
PACE = loop.Pace(4, log_s=999, save_s=0, sheet_s=999)


def cache(pictures=6):
    g = torch.Generator().manual_seed(0)
    latents = torch.randn(pictures, 8, 16, 16, generator=g)
    return dit.Cache(latents, torch.randint(0, 5, (pictures,), generator=g))


def asked(t):
    g = torch.Generator().manual_seed(2)
    x0, eps, wrong = torch.randn(3, len(t), 2, 4, 4, generator=g)
    now = unet.levels()[t].view(-1, 1, 1, 1)
    xt = now.sqrt() * x0 + (1 - now).sqrt() * eps
    return x0, xt, now.sqrt() * eps - (1 - now).sqrt() * x0, 0.1 * wrong


@pytest.mark.parametrize("t", [1, 50, 500, 998])
@pytest.mark.parametrize("share", [-1.0, 0.2, 1.0])
def test_the_bound_is_the_divergence_of_the_posteriors_that_diffusers_computes(t, share):
    kept = {k: v for k, v in unet.SCHEDULE.items() if k != "set_alpha_to_one"}
    scheduler = DDPMScheduler(**kept, variance_type="learned_range")
    times = torch.tensor([t, t])
    x0, xt, v, wrong = asked(times)
    found = dit.variance_loss(
        dit.bound(unet.levels()), x0, xt, times, v + wrong, torch.full_like(x0, share)
    )
    now, before = scheduler.alphas_cumprod[t].double(), scheduler.alphas_cumprod[t - 1].double()
    beta = 1 - now / before
    said = now.sqrt() * xt - (1 - now).sqrt() * (v + wrong)

    def mean(clean):  # Ho et al., equation 7
        first = before.sqrt() * beta / (1 - now) * clean
        return first + (now / before).sqrt() * (1 - before) / (1 - now) * xt

    true = torch.distributions.Normal(mean(x0), (beta * (1 - before) / (1 - now)).sqrt())
    spread = scheduler._get_variance(t, torch.full_like(x0, share)).double()
    model = torch.distributions.Normal(mean(said), (0.5 * spread).exp())
    expected = torch.distributions.kl_divergence(true, model).mean((1, 2, 3)) / math.log(2)
    torch.testing.assert_close(found.double(), expected, rtol=2e-3, atol=1e-6)


def test_the_bound_is_zero_for_the_truth_with_the_posteriors_own_variance():
    times = torch.tensor([1, 300, 999])
    x0, xt, v, _ = asked(times)
    terms = dit.bound(unet.levels())
    found = dit.variance_loss(terms, x0, xt, times, v, torch.full_like(x0, -1.0))
    torch.testing.assert_close(found, torch.zeros(3), atol=1e-4, rtol=0)


def test_the_last_term_is_a_likelihood():
    times = torch.tensor([0, 0])
    x0, xt, v, _ = asked(times)
    terms = dit.bound(unet.levels())
    found = dit.variance_loss(terms, x0, xt, times, v, torch.full_like(x0, 0.5))
    spread = 0.75 * terms.large[0] + 0.25 * terms.small[0]
    model = torch.distributions.Normal(x0.double(), (0.5 * spread).exp())  # at t = 0 ᾱ before is 1
    expected = -model.log_prob(x0.double()).mean((1, 2, 3)) / math.log(2)
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-3)


def test_every_residual_branch_and_the_output_start_at_zero():
    model = dit.build(CONFIG)
    x, t = torch.randn(2, 8, 16, 16), torch.tensor([5, 900])
    assert model(x, t, torch.tensor([0, 1000])).sample.abs().max() == 0
    tokens = model.pos_embed(x)
    block = model.transformer_blocks[1]
    assert torch.equal(block(tokens, timestep=t, class_labels=torch.tensor([0, 1000])), tokens)


def test_the_blocks_share_one_embedding_until_they_are_stored():
    model = dit.build(CONFIG)
    loose = dit.untie(model)
    tables = [b.norm1.emb.class_embedder.embedding_table.weight for b in loose.transformer_blocks]
    assert tables[0].data_ptr() != tables[1].data_ptr() and torch.equal(*tables)
    same = [b.norm1.emb for b in model.transformer_blocks]
    assert same[0] is same[1]


def test_no_class_is_drawn_as_often_as_said():
    config = dit.Config(batch=4000, drop=0.1)
    label = dit.draw_batch(cache(), unet.levels(), 0, config, 0)[3]
    assert abs((label == dit.CLASSES).float().mean() - 0.1) < 0.02


def test_an_interrupted_transformer_ends_with_the_same_weights(tmp_path, monkeypatch):
    whole = dit.train(cache(), tmp_path / "a", CONFIG, pace=PACE)
    draw = dit.draw_batch

    def broken(data, alpha_bar, n, *rest):
        if n == 2:
            raise KeyboardInterrupt
        return draw(data, alpha_bar, n, *rest)

    monkeypatch.setattr(dit, "draw_batch", broken)
    with pytest.raises(KeyboardInterrupt):
        dit.train(cache(), tmp_path / "b", CONFIG, pace=PACE)
    monkeypatch.setattr(dit, "draw_batch", draw)
    resumed = dit.train(cache(), tmp_path / "b", CONFIG, pace=PACE)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_classes_are_the_concepts_drawn_most_and_their_words_are_unique(icons):
    slugs = dit.choose(icons, icons.train_rows(), 4)
    counts = {s: sum(r.concept == s and not r.held for r in icons.records) for s in icons.concepts}
    assert len(slugs) == 4
    assert min(counts[s] for s in slugs) >= max(counts[s] for s in counts if s not in slugs)
    words = [w for text in dit.labels(icons, slugs).values() for w in text.split(", ")]
    assert len(words) == len(set(words))
