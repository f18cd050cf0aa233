"""On CUDA: the same pictures, half precision, what is held and given back. Skips elsewhere."""

import pytest
import torch

from studio.checkpoints.catalog import scan
from studio.checkpoints.conditions import Asked, stack
from studio.checkpoints.load import load
from studio.checkpoints.place import Place
from studio.engine import machine
from studio.engine.engine import LocalEngine
from studio.settings import Settings
from tests.engine.watching import finish, pictures, request

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]


def opened(models, place):
    return load(scan(models)["random"], place, lambda doing, share: None, {})


def answer(checkpoint):
    x = torch.randn(2, *checkpoint.entry.latent, generator=torch.Generator().manual_seed(3))
    rows = stack([checkpoint.encode(Asked("red disc")), checkpoint.encode(Asked())])
    return checkpoint.predict(x.to(checkpoint.device), [900.0, 31.0], rows).cpu()


def test_the_gpu_answers_as_the_cpu_does(models):
    exact, out = (answer(opened(models, Place(device))) for device in ("cpu", "cuda"))
    assert (out - exact).abs().max() <= 1e-3 * exact.abs().max()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_near(models, dtype):
    exact = answer(opened(models, Place("cpu")))
    out = answer(opened(models, Place("cuda", dtype)))
    difference = float((out - exact).abs().max() / exact.abs().max())
    print(f"{dtype}: {difference:.2e} of the largest value")
    assert out.dtype == torch.float32 and difference < 0.05


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloaded_networks_answer_the_same(models, offload):
    exact = answer(opened(models, Place("cuda")))
    out = answer(opened(models, Place("cuda", offload=offload)))
    assert torch.allclose(out, exact, rtol=1e-4, atol=1e-5)


def test_a_whole_run_is_the_cpus(models):
    seen = []
    for device in ("cpu", "cuda"):
        engine = LocalEngine(Settings(models=models, device=device, dtype="float32"))
        try:
            seen.append(pictures(finish(engine.start(warm=False), request(seed=5))))
        finally:
            engine.close()
    assert abs(seen[0] - seen[1]).max() <= 2


def test_an_unloaded_checkpoint_gives_its_memory_back(models):
    place = Place("cuda")
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    checkpoint = opened(models, place)
    assert torch.cuda.memory_allocated() >= before + 0.9 * checkpoint.bytes
    del checkpoint
    machine.release(place)
    assert torch.cuda.memory_allocated() <= before + 2**20


def test_the_probe_measures_the_gpu():
    probe = machine.probe("cuda")
    assert {"float32", "float16"} <= set(dict(probe.times)) and dict(probe.kernels)
