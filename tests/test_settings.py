"""Settings: where values come from, which wins, and what is refused in words."""

from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.settings import ROOT, Settings


def test_nothing_given_gives_the_defaults():
    assert Settings.from_env({}) == Settings()


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("host", "0.0.0.0", "0.0.0.0"),
        ("port", "8080", 8080),
        ("models", "/srv/models", Path("/srv/models").resolve()),
        ("device", "cuda:1", "cuda:1"),
        ("threads", "3", 3),
        ("queue_limit", "5", 5),
        ("batch_rows", "16", 16),
        ("record_bytes", "1000000", 1_000_000),
        ("cache_bytes", "2000000", 2_000_000),
        ("more_models", "/srv/more", Path("/srv/more").resolve()),
        ("dtype", "bfloat16", "bfloat16"),
        ("attention", "math", "math"),
        ("offload", "model", "model"),
        ("quantise", "int8", "int8"),
        ("allow_hub", "yes", True),
        ("hub_folder", "/srv/hub", Path("/srv/hub").resolve()),
        ("hub_bytes", "3000000", 3_000_000),
        ("extras", "/srv/extras", Path("/srv/extras").resolve()),
    ],
)
def test_each_field_is_read_from_its_variable(name, text, value):
    assert getattr(Settings.from_env({f"XT_{name.upper()}": text}), name) == value


def test_every_field_can_be_given_from_outside():
    words = {"device": "cpu", "dtype": "float16", "attention": "math", "allow_hub": "on"}
    words |= {"offload": "none", "quantise": "int4"}
    environment = {f"XT_{name.upper()}": words.get(name, "7") for name in Settings.__slots__}
    given, default = Settings.from_env(environment), Settings()
    same = [n for n in Settings.__slots__ if getattr(given, n) == getattr(default, n)]
    assert same == []


def test_an_argument_wins_over_a_variable():
    assert Settings.from_env({"XT_PORT": "8080"}, port=9090).port == 9090


def test_an_argument_of_none_is_not_given():
    assert Settings.from_env({"XT_PORT": "8080"}, port=None).port == 8080


def test_an_empty_variable_is_not_given():
    assert Settings.from_env({"XT_PORT": "", "XT_HOST": ""}) == Settings()


def test_a_space_listens_to_everybody():
    assert Settings.from_env({"SPACE_ID": "somebody/studio"}).host == "0.0.0.0"


def test_gradios_own_variables_are_honoured():
    settings = Settings.from_env(
        {"SPACE_ID": "a/b", "GRADIO_SERVER_NAME": "::", "GRADIO_SERVER_PORT": "7000"}
    )
    assert (settings.host, settings.port) == ("::", 7000)


def test_the_studios_variable_wins_over_gradios():
    assert Settings.from_env({"GRADIO_SERVER_PORT": "7000", "XT_PORT": "8000"}).port == 8000


@pytest.mark.parametrize(
    "environment, said",
    [
        ({"XT_PORT": "http"}, "XT_PORT must be a whole number, not 'http'"),
        ({"XT_PORT": "70000"}, "XT_PORT must be between 0 and 65535, not 70000"),
        ({"GRADIO_SERVER_PORT": "x"}, "GRADIO_SERVER_PORT must be a whole number"),
        ({"XT_QUEUE_LIMIT": "0"}, "XT_QUEUE_LIMIT must be between 1"),
        ({"XT_THREADS": "-1"}, "XT_THREADS must be between 0"),
        ({"XT_DEVICE": "toaster"}, "XT_DEVICE must be auto, cpu, cuda, cuda:1 … or mps"),
        ({"XT_DEVICE": "cuda:x"}, "XT_DEVICE must be auto"),
        ({"XT_DTYPE": "half"}, "XT_DTYPE must be auto, float32, float16 or bfloat16, not “half”"),
        ({"XT_ALLOW_HUB": "maybe"}, "XT_ALLOW_HUB must be yes or no, not “maybe”"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_it_was_given_under(environment, said):
    with pytest.raises(StudioError, match=said):
        Settings.from_env(environment)


def test_a_wrong_argument_is_called_by_its_option():
    with pytest.raises(StudioError, match="--queue-limit must be between 1"):
        Settings.from_env({}, queue_limit=0)


def test_the_process_environment_is_the_default(monkeypatch):
    monkeypatch.setenv("XT_PORT", "8123")
    assert Settings.from_env().port == 8123


def test_every_setting_is_described_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [n for n in Settings.__slots__ if f"`XT_{n.upper()}`" not in readme]
    assert missing == []
