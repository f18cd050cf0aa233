"""What a scheduler's configuration suggests for a first picture: a sampler and a spacing."""

from __future__ import annotations

from typing import Any

SAMPLERS = {  # diffusers' classes, and the samplers that do the same
    "DDIMScheduler": "ddim",
    "DDPMScheduler": "ddpm",
    "DEISMultistepScheduler": "deis",
    "DPMSolverMultistepScheduler": "dpmpp_2m",
    "DPMSolverSinglestepScheduler": "dpmpp_2s",
    "EulerAncestralDiscreteScheduler": "euler_ancestral",
    "EulerDiscreteScheduler": "euler",
    "FlowMatchEulerDiscreteScheduler": "euler",
    "FlowMatchHeunDiscreteScheduler": "heun",
    "HeunDiscreteScheduler": "heun",
    "KDPM2DiscreteScheduler": "dpm2",
    "LCMScheduler": "lcm",
    "LMSDiscreteScheduler": "lms",
    "PNDMScheduler": "plms",
    "UniPCMultistepScheduler": "unipc",
}
LEADING = ("DDIMScheduler", "DDPMScheduler", "LCMScheduler", "PNDMScheduler")  # by default
OPEN = (  # their linspace leaves out the cleanest level
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
)
SPACINGS = ("leading", "trailing", "linspace")


def suggested(config: dict[str, Any], scale: float, steps: int = 30) -> dict[str, Any]:
    """Fields of a request, as the pipeline would be run with its own scheduler."""
    named = config.get("_class_name")
    own = "leading" if named in LEADING else "linspace"
    said = config.get("timestep_spacing", own)
    spacing = said if said in SPACINGS else own
    if spacing == "linspace" and named in OPEN:
        spacing = "sgm_uniform"
    if config.get("use_flow_sigmas") is True:
        spacing = "trailing"  # their times are equal steps of the flow, down from its noisy end
    if config.get("use_karras_sigmas") is True:
        spacing = "karras"
    if config.get("use_exponential_sigmas") is True:
        spacing = "exponential"
    if named == "LCMScheduler":
        steps = 4
    return {
        "sampler": SAMPLERS.get(str(named), "ddim"),
        "spacing": spacing,
        "steps": steps,
        "guidance": {"scale": scale},
    }
