from pathlib import Path

import pytest

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
