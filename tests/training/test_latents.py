"""Whitening is folded into the VAE: white latents, the same pictures."""

import torch

from studio.training import autoencoder, latents


def vae():
    torch.manual_seed(0)
    return autoencoder.build(autoencoder.Config(channels=(8, 8, 8, 16)), 32).eval()


def test_whitened_latents_have_unit_covariance_and_the_pictures_stay():
    model = vae()
    x = torch.rand(24, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        z = model.encode(x).latent_dist.mode()
        before = model.decode(z).sample
        latents.whiten(model, z)
        white = model.encode(x).latent_dist.mode()
        after = model.decode(white).sample
    flat = white.transpose(0, 1).flatten(1).double()
    torch.testing.assert_close(torch.cov(flat), torch.eye(8).double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(flat.mean(1), torch.zeros(8).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    assert model.config.scaling_factor == 1.0


def test_psnr_of_a_known_error():
    x = torch.zeros(1, 3, 8, 8)
    assert abs(autoencoder.psnr(x + 0.2, x) - 20.0) < 1e-4  # 0.1 of the unit range


def test_crops_repeat_for_the_same_step(icons):
    config = autoencoder.Config(batch=3, crop=32)
    first = autoencoder.crops(icons, [0, 1, 2], 5, config, 0)
    assert first.shape == (3, 3, 32, 32)
    assert torch.equal(first, autoencoder.crops(icons, [0, 1, 2], 5, config, 0))


def test_every_fourth_batch_holds_whole_pictures(icons):
    config = autoencoder.Config(batch=32, crop=32)
    assert autoencoder.crops(icons, [0, 1], 3, config, 0).shape == (2, 3, 128, 128)
