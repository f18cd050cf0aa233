"""A checkpoint without weights whose rows never mix: batching must not change a single bit."""

from pathlib import Path

import torch

from studio.checkpoints.checkpoint import Latent
from studio.checkpoints.entry import Entry
from studio.contract import Request, View
from studio.diffusion import schedules
from studio.diffusion.path import flow, vp
from studio.engine.previews import Painter
from studio.engine.recording import Shelf
from studio.engine.rows import rows
from studio.engine.run import Run
from studio.engine.ticket import Ticket

SHAPE = (3, 4, 4)
PATHS = {"vp": vp(schedules.scaled_linear()), "flow": flow()}
ENTRY = Entry("closed", Path("."), "closed", "Closed", "", 4, SHAPE, 0, 0, "", "epsilon")


class Closed:
    """Answers from elementwise arithmetic on x, t and the condition; counts its forwards."""

    entry, latent, device, bytes, tiny = ENTRY, Latent(3, 1), "cpu", 0, None

    def __init__(self, path="vp", prediction="eps", variance="fixed_small"):
        self.path, self.prediction, self.variance = PATHS[path], prediction, variance
        self.sizes = []  # rows of every forward

    def encode(self, asked):
        text = asked.text
        length, hue = torch.tensor([float(len(text)), float(sum(map(ord, text)) % 97)])
        return {"length": length, "hue": hue}

    def predict(self, x, t, conditions):
        self.sizes.append(len(x))
        t = torch.tensor(t)[:, None, None, None] / 1000
        length, hue = (conditions[n][:, None, None, None] / 50 for n in ("length", "hue"))
        raw = torch.tanh(x * (0.5 + t) + hue) * (0.8 + 0.1 * length) - 0.3 * torch.sin(3 * x + t)
        if self.variance == "learned_range":
            raw = torch.cat([raw, torch.sin(x + hue)], 1)
        return raw

    def decode(self, x, tiled=False):
        return x

    def notes(self, prompt):
        return ()


def start(checkpoint, **changes):
    """A run on it, at its first question."""
    asked = Request(**{"model": "closed", "prompt": "a", "width": 32, "height": 32} | changes)
    object.__setattr__(asked, "width", SHAPE[2])  # smaller than any picture may be: it is fast
    object.__setattr__(asked, "height", SHAPE[1])
    ticket = Ticket(asked, View(preview="off"))
    ticket.recording = Shelf(2**24).new()
    conditions = {name: checkpoint.encode(row) for name, row in rows(asked).items()}
    return Run(ticket, checkpoint, Painter(checkpoint), conditions)
