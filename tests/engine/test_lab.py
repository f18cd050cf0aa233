"""The lab's verbs: the forward process against closed forms, the walk, guesses, inversion."""

import io
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from studio.diffusion.mixture import ideal_x0
from studio.engine import lab_paths
from studio.engine.lab_forward import kolmogorov
from studio.errors import BadPicture, BadRequest, NotFound
from studio.imaging.pictures import to_png
from studio.noising import Noising, Schedule
from tests.engine.tiny import shape_picture


def picture(side=32):
    return to_png(Image.fromarray(shape_picture("red", "disc", side)))


def pixels(schedule=None, **more):
    return Noising(schedule or Schedule("cosine", T=100), side=32, **more)


def state(data, shape):
    return np.frombuffer(data, "<f4").reshape(shape).astype(np.float64)


def rgb(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.float64)


@pytest.fixture(scope="module")
def lab(engine):
    return engine.lab


# Schedules


@pytest.mark.parametrize("id", lab_paths.names()[:-1])
def test_every_schedule_runs_from_data_to_noise(id):
    way = lab_paths.way(Schedule(id, T=200))
    logsnrs = [level.logsnr for level in way.levels()]
    assert all(b <= a for a, b in pairwise(logsnrs))
    assert logsnrs[0] > 4.0 and logsnrs[-1] < -4.0


def test_an_unscaled_linear_schedule_of_300_steps_leaves_signal():
    level = lab_paths.way(Schedule("linear", T=300, scaled=False)).level(1.0)
    assert level.alpha == pytest.approx(0.219, abs=5e-4)  # √ᾱ_T; SNR 0.050
    assert level.snr == pytest.approx(0.050, abs=1e-3)


def test_a_scaled_linear_schedule_of_300_steps_does_not():
    assert lab_paths.way(Schedule("linear", T=300)).level(1.0).alpha < 0.01


@pytest.mark.parametrize(
    ("id", "root"), [("linear", 0.006353), ("cosine", 4.9e-5), ("scaled_linear", 0.068265)]
)
def test_the_ends_are_the_published_ones(id, root):
    assert lab_paths.way(Schedule(id)).level(1.0).alpha == pytest.approx(root, rel=1e-2)


def test_a_rescaled_schedule_ends_blind():
    assert lab_paths.way(Schedule("linear", zero_snr=True)).level(1.0).blind


def test_a_schedule_with_a_flat_end_is_not_rescaled():
    with pytest.raises(BadRequest, match="flat"):
        lab_paths.way(Schedule("wuerstchen", zero_snr=True))


def test_a_flow_is_shifted_towards_noise():
    level = lab_paths.way(Schedule("flow", shift=3.0)).level(0.5)
    assert level.sigma == pytest.approx(0.75)
    assert level.alpha == pytest.approx(0.25)


def test_an_unknown_schedule_gets_a_sentence():
    with pytest.raises(BadRequest, match="There is no schedule 'nope'"):
        lab_paths.way(Schedule("nope"))


def test_kl_is_that_of_two_gaussians():
    level = lab_paths.way(Schedule("cosine")).level(0.4)
    x0 = torch.linspace(-1, 1, 50, dtype=torch.float64)
    q = torch.distributions.Normal(level.alpha * x0, level.sigma)
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).mean()
    assert lab_paths.kl(level, float(x0.square().mean())) == pytest.approx(float(expected))


def test_the_posterior_of_the_curves_is_ddpms():
    betas = np.linspace(1e-4, 0.02, 1000)
    bar = np.cumprod(1 - betas)
    curves = lab_paths.curves("linear", lab_paths.way(Schedule("linear")), 1.0)
    t = 400
    from_x0 = math.sqrt(bar[t - 1]) * betas[t] / (1 - bar[t])
    from_xt = math.sqrt(1 - betas[t]) * (1 - bar[t - 1]) / (1 - bar[t])
    assert curves.post_x0[t] == pytest.approx(from_x0, rel=1e-6)
    assert curves.post_xt[t] == pytest.approx(from_xt, rel=1e-6)
    assert curves.post_var[t] == pytest.approx((1 - bar[t - 1]) / (1 - bar[t]) * betas[t], rel=1e-6)
    assert curves.beta[t] == pytest.approx(betas[t], rel=1e-6)


def test_densities_integrate_to_one():
    for density in lab_paths.training_densities(2000):
        assert np.mean(density.values) == pytest.approx(1.0, abs=5e-3), density.id


# The forward process


def test_a_strip_is_made_from_one_x0_and_one_eps(lab):
    process = lab.process(pixels(seed=3), picture())
    x0, eps = (state(data, process.shape) for data in (process.x0, process.eps))
    strip = lab.strip(pixels(seed=3), picture(), (0.2, 0.7))
    for row, frame in zip(strip.rows, strip.frames, strict=True):
        xt = row.alpha * x0 + row.sigma * eps
        shown = np.clip((xt / 2 + 0.5) * 255, 0, 255).transpose(1, 2, 0)
        assert np.abs(shown - rgb(frame)).max() <= 0.51
        assert row.mean == pytest.approx(xt.mean(), abs=1e-5)
        assert row.std == pytest.approx(xt.std(), abs=1e-5)


def test_eps_is_the_noise_that_a_run_of_this_seed_starts_from(lab):
    process = lab.process(pixels(seed=11), picture())
    drawn = torch.randn(process.shape, generator=torch.Generator().manual_seed(11))
    assert np.array_equal(state(process.eps, process.shape), drawn.double().numpy())


def test_two_schedules_at_equal_log_snr_make_the_same_state_up_to_scale(lab):
    process = lab.process(pixels(Schedule("linear")), picture(), Schedule("flow"))
    a, b = process.curves, process.against
    here = 500
    there = int(np.argmin([abs((v if v is not None else 99) - a.logsnr[here]) for v in b.logsnr]))
    assert a.alpha[here] / a.sigma[here] == pytest.approx(b.alpha[there] / b.sigma[there], rel=0.01)


def test_latents_are_the_checkpoints_own(lab):
    process = lab.process(Noising(space="latent", model="random"), picture(64))
    assert process.shape == (4, 8, 8)
    assert process.down == 8
    assert len(process.matrix) == 5


def test_latents_are_shown_decoded_too(lab):
    asked = Noising(space="latent", model="random")
    strip = lab.strip(asked, picture(64), (0.3, 0.9))
    assert [rgb(p).shape for p in strip.decoded] == [(64, 64, 3)] * 2
    shares = [d.share for d in lab.decoded(asked, picture(), (0.5,))]
    assert shares == [0.5]


def test_a_model_of_pixels_has_no_latent_space(lab):
    with pytest.raises(BadRequest, match="no latent space"):
        lab.process(Noising(space="latent", model="shapes"), picture())


def test_the_models_own_schedule_is_its_path(lab):
    process = lab.process(pixels(Schedule("model"), model="random"), picture())
    assert process.curves.alpha[-1] == pytest.approx(0.068265, rel=1e-4)


def test_a_film_moves(lab):
    with Image.open(io.BytesIO(lab.film(pixels(), picture(), 5))) as film:
        assert film.n_frames == 5


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (lambda lab: lab.strip(pixels(), b"no picture", (0.5,)), BadPicture),
        (lambda lab: lab.strip(pixels(), picture(), (1.5,)), BadRequest),
        (lambda lab: lab.strip(pixels(), picture(), ()), BadRequest),
        (lambda lab: lab.strip(pixels(), picture(), (math.nan,)), BadRequest),
        (lambda lab: lab.guesses(pixels(model="nowhere"), picture(), (0.5,)), NotFound),
        (lambda lab: lab.guesses(pixels(model="shapes"), picture(), (0.5,), seeds=0), BadRequest),
        (lambda lab: lab.invert(pixels(model="shapes"), picture(), "magic", 5), BadRequest),
        (lambda lab: Noising(side=100_000), BadRequest),
        (lambda lab: Noising(space="sound"), BadRequest),
        (lambda lab: Noising(seed=True), BadRequest),
        (lambda lab: Schedule(T=2.5), BadRequest),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(lab, asked, error):
    with pytest.raises(error):
        asked(lab)


# Step by step


def test_a_walk_in_single_steps_is_the_closed_form_of_its_composed_noise(lab):
    for walked in lab.walk(pixels(), picture(), (0.3, 0.8, 1.0)):
        assert walked.exact < 1e-10
        assert abs(walked.mean) < 4 / math.sqrt(3072)
        assert abs(walked.std - 1) < 4 / math.sqrt(2 * 3072)
        assert walked.ks < 1.95  # passed once in a thousand draws


def test_a_walk_runs_through_zero_terminal_snr_and_flow(lab):
    for schedule in (Schedule("linear", T=50, zero_snr=True), Schedule("flow", T=50)):
        (walked,) = lab.walk(pixels(schedule), picture(), (1.0,))
        assert walked.exact < 1e-10


def test_the_distance_to_the_normal_is_scipys():
    from scipy.stats import kstest

    values = torch.randn(500, generator=torch.Generator().manual_seed(1)) * 1.2
    expected = kstest(values.double().numpy(), "norm").statistic * math.sqrt(500)
    assert kolmogorov(values) == pytest.approx(expected)


# What the model knows


def test_a_guess_in_one_step_is_the_ideal_denoisers(lab, engine):
    asked = pixels(model="shapes")
    (guess,) = lab.guesses(asked, picture(), (0.85,), seeds=1)
    found = engine._worker.checkpoint("shapes")
    x0 = found.embed(torch.from_numpy(rgb(picture()).transpose(2, 0, 1)[None] / 127.5 - 1).float())
    level = found.path.at(guess.logsnr)
    eps = torch.randn(x0.shape[1:], generator=torch.Generator().manual_seed(0))[None]
    xt = level.alpha * x0 + level.sigma * eps
    pictures = found.flat.reshape(-1, 3, 32, 32)
    best = ideal_x0(xt, level.alpha, level.sigma, pictures, torch.zeros(12))
    assert guess.error == pytest.approx(float((best - x0).square().mean()), rel=1e-3, abs=1e-6)


def test_the_error_grows_with_noise_and_has_a_standard_error(lab):
    errors = list(lab.guesses(pixels(model="random"), picture(), (0.1, 0.9), seeds=3))
    assert errors[0].error < errors[1].error
    assert all(e.standard_error > 0 and e.seeds == 3 for e in errors)


def test_closing_the_answers_ends_their_job(lab, engine):
    answers = lab.guesses(pixels(model="shapes"), picture(), tuple(np.linspace(0.1, 0.9, 60)))
    next(answers)
    answers.close()
    for _ in range(200):
        if not engine._worker.busy:
            return
        torch.randn(1000, 100).sum()
    raise AssertionError("the job still goes")


# Inversion


def last(answers):
    return list(answers)[-1]


def test_edict_returns_the_picture_and_ddim_nearly(lab):
    asked = Noising(model="random")
    exact = last(lab.invert(asked, picture(64), "edict", 6))
    near = last(lab.invert(asked, picture(64), "ddim", 6))
    assert exact.rmse < 1e-4
    assert exact.rmse < near.rmse / 10
    assert exact.evaluations == 2 * near.evaluations


def test_an_inversion_says_how_far_it_is(lab):
    *steps, end = lab.invert(Noising(model="shapes"), picture(), "ddim", 4)
    assert [s.done for s in steps] == list(range(1, steps[-1].total + 1))
    assert {s.back for s in steps} == {False, True}
    assert end.evaluations == steps[-1].total
