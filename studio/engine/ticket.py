"""A run as both sides see it: the request, its stream of events, and the visitor's wishes.

No torch: a ticket is made by the thread that submits.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from studio.contract import Request, View
from studio.engine.stream import Stream

if TYPE_CHECKING:
    from studio.engine.recording import Recording


@dataclass(eq=False, slots=True)
class Ticket:
    """An accepted request. `cancelled` and `finishing` are set by anybody and never unset."""

    request: Request  # resolved: size and defaults filled in
    view: View
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    stream: Stream = field(default_factory=Stream)
    cancelled: bool = False
    finishing: bool = False
    served: float = 0.0  # seconds of the device, as shares of forwards
    recording: Recording | None = None
    filming: threading.Lock = field(default_factory=threading.Lock)  # one film at a time

    @property
    def over(self) -> bool:
        """Whether its last event has been made."""
        return self.stream.last is not None
