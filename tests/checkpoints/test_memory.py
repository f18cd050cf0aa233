"""What reading a network takes: never more than its file and a little, in a process of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1.15  # of the file

MEASURE = """
import os, sys, json, torch, psutil, threading, time
from pathlib import Path
from diffusers import UNet2DConditionModel
from studio.checkpoints import headers, weights
from studio.checkpoints.place import Place
torch.set_num_threads(1)
folder = Path(sys.argv[1])
small = weights.network(UNet2DConditionModel, Path(sys.argv[2]), Place("cpu"))  # libraries in
for dtype in ("float32", "bfloat16"):  # each in a child that has read nothing before
    child = os.fork()
    if not child:
        break
    if os.waitpid(child, 0)[1]:
        sys.exit(f"reading as {dtype} failed")
else:
    sys.exit()
small = weights.network(UNet2DConditionModel, Path(sys.argv[2]), Place("cpu"))  # their pages in
process, top, done = psutil.Process(), 0, False
before = process.memory_info().rss
def watch():
    global top
    while not done:
        top = max(top, process.memory_info().rss)
        time.sleep(0.002)
watcher = threading.Thread(target=watch); watcher.start()
made = weights.network(UNet2DConditionModel, folder, Place("cpu", dtype), torch.channels_last)
done = True; watcher.join()
file = sum(h.bytes for h in headers.weights(folder))
after = process.memory_info().rss
print(json.dumps({"dtype": dtype, "peak": top - before, "held": after - before, "file": file}))
"""


def unet(folder: Path, width: int, dtype=torch.float32) -> Path:
    from diffusers import UNet2DConditionModel

    made = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(width, 2 * width),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=64,
        norm_num_groups=8,
    )
    made.to(dtype).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    if shutil.disk_usage(folder).free < 2 * 2**30:
        pytest.skip("no room for a network of some hundred megabytes")
    return unet(folder / "x" / "unet", 320), unet(folder / "y" / "unet", 32)


@pytest.fixture(scope="module")
def measured(networks):
    """{dtype: what reading the large network as it took}, from a process that reads it alone."""
    command = [sys.executable, "-c", MEASURE, *map(str, networks)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {said["dtype"]: said for said in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_reading_a_network_peaks_at_its_file_and_a_little(measured, dtype):
    said = measured[dtype]
    print(said)
    assert said["file"] > 120 * 2**20
    assert said["peak"] <= LIMIT * said["file"]
    if dtype == "bfloat16":
        assert said["held"] < 0.7 * said["file"]
