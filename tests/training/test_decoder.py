"""Training the decoder on leaves the latents alone."""

import torch

from studio.training import autoencoder, decoder, loop


def test_only_the_decoder_changes(icons, tmp_path):
    torch.manual_seed(0)
    vae = autoencoder.build(autoencoder.Config(channels=(8, 8, 8, 16))).eval()
    before = {name: weight.clone() for name, weight in vae.state_dict().items()}
    config = decoder.Config(batch=2, crop=32, steps=2, workers=2)
    decoder.train(vae, icons, tmp_path, config, pace=loop.Pace(2, log_s=999))
    changed = {n for n, weight in vae.state_dict().items() if not torch.equal(weight, before[n])}
    assert changed and all(name.startswith("decoder.") for name in changed)
