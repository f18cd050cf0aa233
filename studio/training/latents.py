"""Latents made fit for diffusion: whitened per channel inside the VAE itself, then computed once
and cached.

Stable Diffusion's pipeline knows one `scaling_factor` for all channels. So the whitening (mean and
covariance over the training latents) is folded into `quant_conv` and `post_quant_conv`, which are
1×1 convolutions: afterwards every channel has mean 0 and variance 1, channels are uncorrelated, and
the decoded pictures are the same.
"""

import torch
from diffusers import AutoencoderKL

from studio.training.autoencoder import to_tensor


@torch.no_grad()
def encode(
    vae: AutoencoderKL, pixels, rows: list[int], batch: int = 16, device: str = "cpu"
) -> torch.Tensor:
    """Posterior means (N, C, h, w) float32 of these rows of (N, H, W, 3) uint8 pixels, unscaled."""
    parts = [rows[i : i + batch] for i in range(0, len(rows), batch)]
    return torch.cat(
        [vae.encode(to_tensor(pixels[p]).to(device)).latent_dist.mode().cpu() for p in parts]
    )


@torch.no_grad()
def whiten(vae: AutoencoderKL, z: torch.Tensor) -> None:
    """Fold the whitening of latents z (N, C, h, w) into the VAE, in place; the scaling factor
    becomes 1.

    With covariance UΛUᵀ the new latent is w = UΛ^{-1/2}Uᵀ(z − m). The posterior's log-variance is
    rotated only approximately (it is a diagonal): nothing samples it here, and its smallness is
    kept.
    """
    channels = z.shape[1]
    flat = z.transpose(0, 1).flatten(1).double()
    mean = flat.mean(1)
    values, vectors = torch.linalg.eigh(torch.cov(flat))
    forward = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    back = vectors @ torch.diag(values.sqrt()) @ vectors.T

    weight, bias = (
        vae.quant_conv.weight,
        vae.quant_conv.bias,
    )  # (2C, 2C, 1, 1): means, then log-variances
    means = weight[:channels, :, 0, 0].double()
    weight[:channels, :, 0, 0] = (forward @ means).to(weight.dtype)
    bias[:channels] = (forward @ (bias[:channels].double() - mean)).to(bias.dtype)
    bias[channels:] -= values.log().mean().to(bias.dtype)

    weight, bias = vae.post_quant_conv.weight, vae.post_quant_conv.bias
    inner = weight[:, :, 0, 0].double()
    bias += (inner @ mean).to(bias.dtype)
    weight[:, :, 0, 0] = (inner @ back).to(weight.dtype)
    vae.register_to_config(scaling_factor=1.0)
