"""A run as both sides see it: the request, its stream of events, and the visitor's wishes.

No torch: a ticket is made by the thread that submits.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from studio.contract import Request, View
from studio.engine.stream import Stream

if TYPE_CHECKING:
    import numpy as np

    from studio.engine.recording import Recording


@dataclass(eq=False, slots=True)
class Ticket:
    """An accepted request. `cancelled` and `finishing` are set by anybody and never unset.

    What it `wants` in the end: "picture"; "state", which saves the decoding and the recording;
    or "both". A state is left here, float32 (B, C, H, W), when the run is done. Runs with the
    same `together` begin before any of them is asked.
    """

    request: Request  # resolved: size and defaults filled in
    view: View
    pictures: dict[str, bytes] = field(default_factory=dict)  # those that the request names
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    stream: Stream = field(default_factory=Stream)
    cancelled: bool = False
    finishing: bool = False
    refining: bool = False  # the first checkpoint has done its part
    served: float = 0.0  # seconds of the device, as shares of forwards
    recording: Recording | None = None
    wants: Literal["picture", "state", "both"] = "picture"
    state: np.ndarray | None = None
    together: str = ""
    filming: threading.Lock = field(default_factory=threading.Lock)  # one film at a time

    @property
    def model(self) -> str:
        """The checkpoint that it uses now, or waits for."""
        return self.request.refiner if self.refining else self.request.model

    @property
    def over(self) -> bool:
        """Whether its last event has been made."""
        return self.stream.last is not None
