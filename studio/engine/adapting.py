"""Which adapters there are and which checkpoint takes which: no torch, any thread."""

from __future__ import annotations

import logging

from studio.adapting import AdapterInfo, Kind
from studio.checkpoints.adapters import AdapterEntry, check_fit
from studio.checkpoints.catalog import Catalog
from studio.checkpoints.entry import Entry
from studio.contract import Request, View
from studio.errors import BadRequest, StudioError

log = logging.getLogger(__name__)
WANTED = {  # what is asked for, and what is said of something else
    "lora": "{title} is no LoRA and no textual inversion; name it as the autoencoder.",
    "vae": "{title} is no whole autoencoder; choose one that is.",
    "tiny": "{title} is no tiny autoencoder; choose one that is.",
}


class Adapting:
    """The engine's verbs about adapters; see `adapting.Adapting`."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def adapters(self) -> tuple[AdapterInfo, ...]:
        return tuple(info(entry) for entry in self._catalog.adapters.values())

    def fits(self, adapter: str, model: str) -> str:
        try:
            check_fit(self._catalog.adapter(adapter), self._catalog[model])
        except StudioError as error:
            return str(error)
        except Exception:  # one bad entry never takes the whole list down
            log.exception("whether %s fits %s cannot be said", adapter, model)
            return f"{adapter} cannot be read; check its files' permissions."
        return ""


def info(entry: AdapterEntry) -> AdapterInfo:
    """What the face is told of an adapter."""
    return AdapterInfo(
        id=entry.id,
        title=entry.title,
        kind=entry.kind,
        targets=entry.targets,
        parameters=entry.parameters,
        bytes=entry.bytes,
        licence=entry.licence,
        trigger=entry.trigger,
        rank=entry.rank,
    )


def check(request: Request, entry: Entry, catalog: Catalog) -> None:
    """Raise BadRequest or NotFound for adapters that cannot change it, or another's autoencoder."""
    for adapter in request.adapters:
        _check(catalog.adapter(adapter.id), "lora", entry)
    if request.vae:
        _check(catalog.adapter(request.vae), "vae", entry)
        if request.refiner:
            _check(catalog.adapter(request.vae), "vae", catalog[request.refiner])


def check_view(view: View, model: str, catalog: Catalog) -> None:
    """Raise BadRequest or NotFound for a tiny autoencoder that cannot draw its previews."""
    if view.tiny:
        _check(catalog.adapter(view.tiny), "tiny", catalog[model])


def _check(adapter: AdapterEntry, kind: Kind, entry: Entry) -> None:
    is_one = "lora" if adapter.kind == "embedding" else adapter.kind
    if is_one != kind:
        raise BadRequest(WANTED[kind].format(title=adapter.title))
    check_fit(adapter, entry)
