"""The loop: resuming changes nothing, PAUSE holds it, lines are logged."""

import json
import threading
import time

import torch
from torch import nn

from studio.training import loop, muon


def run(folder, steps, say=lambda line: None, step_s=0.0):
    torch.manual_seed(0)
    model = nn.Linear(12, 12)
    optimisers = muon.optimisers(model, 0.01, 1e-3)

    def step(n):
        muon.set_rates(optimisers, muon.cosine(n, 10, 2))
        x = torch.randn(4, 12, generator=loop.generator(7, n))
        value = (model(x) - x.flip(1)).square().mean()
        value.backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        time.sleep(step_s)
        return value.item(), 4

    parts = {"model": model, **{f"o{i}": o for i, o in enumerate(optimisers)}}
    done = loop.train(folder, parts, step, loop.Pace(steps, log_s=0, save_s=0), say=say)
    return model, done


def test_a_resumed_run_ends_with_the_same_weights(tmp_path):
    whole, _ = run(tmp_path / "whole", 10)
    run(tmp_path / "parts", 4)
    resumed, done = run(tmp_path / "parts", 10)
    assert done == 6
    assert torch.equal(whole.weight, resumed.weight)


def test_a_finished_run_does_nothing_more(tmp_path):
    run(tmp_path / "x", 3)
    assert run(tmp_path / "x", 3)[1] == 0


def test_each_line_of_the_log_has_step_loss_and_rate(tmp_path):
    run(tmp_path / "x", 3)
    lines = [json.loads(line) for line in (tmp_path / "x" / "loss.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(line["loss"] > 0 and line["pictures_per_s"] > 0 for line in lines)


def test_a_file_pause_holds_the_loop_until_it_is_gone(tmp_path):
    pause, said = tmp_path / "PAUSE", []
    pause.touch()
    thread = threading.Thread(target=run, args=(tmp_path / "x", 3, said.append))
    thread.start()
    while not said:
        time.sleep(0.01)
    assert said == ["paused at step 0"]
    assert (tmp_path / "x" / "state.pt").is_file()
    pause.unlink()
    thread.join(20)
    assert said[-1].startswith("step 3/3")


def test_what_is_drawn_in_a_step_depends_on_seed_and_step_alone():
    a, b = (torch.randn(3, generator=loop.generator(1, 5)) for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, torch.randn(3, generator=loop.generator(1, 6)))
    assert not torch.equal(a, torch.randn(3, generator=loop.generator(2, 5)))
