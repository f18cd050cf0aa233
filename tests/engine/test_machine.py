"""The probe's choices, from given times: what is measured differs by machine, the rule does not."""

import pytest

from studio.checkpoints.place import Place
from studio.engine import machine


@pytest.mark.parametrize(
    ("times", "device", "chosen"),
    [
        ({"float32": 1.0, "bfloat16": 3.0, "float16": 2.0}, "cpu", "float32"),
        ({"float32": 1.0, "bfloat16": 0.3}, "cpu", "bfloat16"),
        ({"float32": 1.0, "bfloat16": 0.9}, "cpu", "float32"),
        ({"float32": 1.0, "float16": 0.1}, "cpu", "float32"),
        ({"float32": 90.0, "bfloat16": 9.0}, "cpu", "float32"),
        ({"float32": 1.0, "bfloat16": 0.2, "float16": 0.19}, "cuda", "bfloat16"),
        ({"float32": 1.0, "bfloat16": 0.9, "float16": 0.2}, "cuda", "float16"),
        ({"float32": 1.0}, "cuda", "float32"),
    ],
)
def test_half_precision_is_taken_where_it_is_clearly_quicker(times, device, chosen):
    assert machine.quickest(times, device) == chosen


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        ({"flash": 1.0, "math": 9.0}, "flash"),
        ({"flash": 1.0, "efficient": 0.8}, "flash"),
        ({"flash": 1.0, "efficient": 0.3}, "efficient"),
        ({"math": 1.0}, "math"),
        ({}, "math"),
    ],
)
def test_attention_keeps_the_first_kernel_unless_another_is_far_quicker(times, chosen):
    assert machine.best_kernel(times) == chosen


def test_a_probe_measures_and_a_setting_overrides():
    probe = machine.probe("cpu", "bfloat16", "math")
    assert (probe.dtype, probe.attention) == ("bfloat16", "math")
    assert dict(probe.times)["float32"] > 0 and "math" in dict(probe.kernels)
    assert machine.probe("cpu", "bfloat16", "math") is probe


def test_the_memory_of_a_device_is_told():
    free, total = machine.room(Place("cpu"))
    assert 0 < free < total and 0 < machine.rss() < total
