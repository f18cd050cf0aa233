import shutil
from pathlib import Path

import pytest

from tests.engine.tiny import exact_folder, sd_folder


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    exact_folder(folder / "shapes")
    sd_folder(folder / "random")
    return folder


@pytest.fixture
def models(made, tmp_path) -> Path:
    """A models folder to do harm in."""
    return Path(shutil.copytree(made, tmp_path / "models"))
