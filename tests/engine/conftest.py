import threading
from pathlib import Path

import pytest

from studio.checkpoints.families.exact import ExactIcons
from studio.engine.engine import LocalEngine
from studio.settings import Settings
from tests.engine.tiny import exact_folder, sd_folder


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """A models folder with an exact checkpoint `shapes` and a random Stable Diffusion `random`."""
    folder = tmp_path_factory.mktemp("models")
    exact_folder(folder / "shapes")
    sd_folder(folder / "random")
    return folder


@pytest.fixture(scope="module")
def engine(models):
    """An engine that the tests of a module share."""
    with_settings = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    yield with_settings
    with_settings.close()


@pytest.fixture
def gate(monkeypatch):
    """Forwards of the exact checkpoint wait until the gate is opened."""

    class Gate:
        reached, opened, inside, worst = threading.Event(), threading.Event(), 0, 0

    original = ExactIcons.predict

    def predict(self, *inputs):
        Gate.inside += 1
        Gate.worst = max(Gate.worst, Gate.inside)
        Gate.reached.set()
        Gate.opened.wait(30)
        try:
            return original(self, *inputs)
        finally:
            Gate.inside -= 1

    monkeypatch.setattr(ExactIcons, "predict", predict)
    yield Gate
    Gate.opened.set()
