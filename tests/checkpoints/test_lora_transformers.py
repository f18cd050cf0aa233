"""Low-rank adapters on SD3, FLUX and PixArt: against merged weights and the library's loading."""

from collections import namedtuple

import pytest
import torch
from safetensors.torch import save_file

from studio.checkpoints import adapters, lora_bfl
from studio.checkpoints.adapted import Adapted
from studio.checkpoints.conditions import Asked, stack
from studio.checkpoints.inspect import inspect
from studio.checkpoints.load import load
from studio.errors import BadRequest
from tests.checkpoints import lora_writer as write
from tests.checkpoints import small
from tests.engine import tiny

Base = namedtuple("Base", "folder made x conditions")
MAKE = {"sd3": small.sd3_folder, "flux": small.flux_folder, "pixart": small.pixart_folder}
WHICH = {
    "sd3": ("attn.to_q", "attn.add_k_proj", "to_out.0", "ff_context.net.0.proj", "norm1.linear"),
    "flux": ("attn.to_v", "attn.add_q_proj", "proj_mlp", "proj_out", "norm.linear", "x_embedder"),
    "pixart": ("attn2.to_k", "attn1.to_q", "ff.net.2", "caption_projection.linear_1"),
}
T = [600.0, 200.0]


@pytest.fixture(scope="module", params=list(MAKE))
def base(request, tmp_path_factory):
    folder = MAKE[request.param](tmp_path_factory.mktemp("base") / request.param)
    made = load(inspect(folder), "cpu", lambda doing, share: None, {})
    channels = made.entry.latent[0]
    x = torch.randn(2, channels, 8, 8, generator=torch.Generator().manual_seed(5))
    return Base(folder, made, x, stack([made.encode(Asked("red disc"))] * 2))


def merged(base, found, weight):
    """What the stock network answers with the change in its weights; they are put back."""
    network = base.made.network
    kept = {name: p.clone() for name, p in network.state_dict().items()}
    write.merge(network, found, weight)
    try:
        return base.made.predict(base.x, T, base.conditions)
    finally:
        network.load_state_dict(kept)


def apart(a, b):
    return float((a - b).abs().max() / b.abs().max())


@torch.no_grad()
@pytest.mark.parametrize("how", ["diffusers", "peft"])
def test_a_transformer_answers_as_with_merged_weights(base, tmp_path, how):
    found = write.factors(base.made.network, WHICH[base.made.entry.family], seed=1)
    part = {"diffusers": "transformer", "peft": "base_model.model"}[how]
    alpha = write.ALPHA if how == "diffusers" else write.RANK  # peft's is in a file beside
    file = write.diffusers(tmp_path / "a.safetensors", {part: found}, alpha)
    entry = adapters.describe(file)
    adapters.check_fit(entry, base.made.entry)
    assert entry.targets == ("transformer",)
    theirs = merged(base, found, 0.7 * alpha / write.ALPHA)
    plain = base.made.predict(base.x, T, base.conditions)
    adapted = Adapted(base.made)
    worn = ((adapted.attach(entry), 0.7),)
    with adapted.wearing([worn] * 2):
        ours = base.made.predict(base.x, T, base.conditions)
    with adapted.wearing([(), worn]):
        mixed = base.made.predict(base.x, T, base.conditions)
    assert apart(theirs, plain) > 0.01
    assert apart(ours, theirs) < 1e-4
    assert apart(mixed[:1], plain[:1]) < 1e-4 and apart(mixed[1:], theirs[1:]) < 1e-4
    assert torch.equal(base.made.predict(base.x, T, base.conditions), plain)


@torch.no_grad()
def test_every_encoder_reads_as_with_merged_weights(base, tmp_path):
    """CLIPs and T5, each under the name of its folder, and back without the adapter."""
    plain = base.made.encode(Asked("a red disc"))
    adapted = Adapted(base.made)
    for part, encoder in base.made.encoders.items():
        found = write.factors(encoder.model, ("q_proj", "fc1", "SelfAttention.q", "wi_0"), seed=3)
        entry = adapters.describe(write.diffusers(tmp_path / f"{part}.safetensors", {part: found}))
        adapters.check_fit(entry, base.made.entry)
        with adapted.wearing([((adapted.attach(entry), 1.2),)]):
            ours = base.made.encode(Asked("a red disc"))
        kept = {name: p.clone() for name, p in encoder.model.state_dict().items()}
        write.merge(encoder.model, found, 1.2)
        theirs = base.made.encode(Asked("a red disc"))
        encoder.model.load_state_dict(kept)
        changed = [name for name in plain if not torch.equal(theirs[name], plain[name])]
        assert changed
        assert all(apart(ours[name], theirs[name]) < 1e-4 for name in changed)
    assert torch.equal(base.made.encode(Asked("a red disc"))["context"], plain["context"])


@torch.no_grad()
def test_flux_under_its_authors_names_changes_each_part_of_a_fused_projection(tmp_path):
    folder = small.flux_folder(tmp_path / "flux")
    made = load(inspect(folder), "cpu", lambda doing, share: None, {})
    g, fused, merges = torch.Generator().manual_seed(2), {}, {}
    for module in ("double_blocks_0_img_attn_qkv", "double_blocks_0_txt_attn_qkv",
                   "double_blocks_0_img_mlp_0", "single_blocks_0_linear1", "txt_in"):  # fmt: skip
        names = {n.replace(".", "_"): n for n, _ in made.network.named_modules()}
        own = [names[name] for name in lora_bfl.modules(module)]
        weights = [made.network.get_submodule(name).weight for name in own]
        down = 0.3 * torch.randn(write.RANK, weights[0].shape[1], generator=g)
        up = 0.3 * torch.randn(sum(len(w) for w in weights), write.RANK, generator=g)
        fused[module] = (down, up)
        parts = up.split([len(w) for w in weights])
        merges |= {name: (down, part) for name, part in zip(own, parts, strict=True)}
    entry = adapters.describe(write.kohya(tmp_path / "k.safetensors", {"lora_unet": fused}))
    adapters.check_fit(entry, made.entry)
    x = torch.randn(2, made.entry.latent[0], 8, 8, generator=g)
    base = Base(folder, made, x, stack([made.encode(Asked("red disc"))] * 2))
    theirs = merged(base, merges, 0.8)
    adapted = Adapted(made)
    with adapted.wearing([((adapted.attach(entry), 0.8),)] * 2):
        ours = made.predict(x, T, base.conditions)
    assert apart(made.predict(x, T, base.conditions), theirs) > 0.01
    assert apart(ours, theirs) < 1e-4


def test_flux_s_authors_names_are_those_of_the_library_s_own_conversion():
    """At the real widths, which that conversion has written into it; of rank 1."""
    from diffusers.loaders.lora_conversion_utils import _convert_kohya_flux_lora_to_diffusers

    outs = {"img_attn_qkv": 9216, "txt_attn_qkv": 9216, "linear1": 21504}
    wanted = [f"double_blocks_7_{rest}" for rest in lora_bfl._JOINT]
    wanted += [f"single_blocks_31_{rest}" for rest in lora_bfl._SINGLE]
    wanted += [name for name in lora_bfl._AROUND if name != "img_in"]
    stored, ours = {}, {}
    for k, module in enumerate(wanted):
        up = torch.arange(float(outs.get(module.split("_", 3)[-1], 12)))[:, None] + k
        stored[f"lora_unet_{module}.lora_down.weight"] = torch.full((1, 2), 1.0 + k)
        stored[f"lora_unet_{module}.lora_up.weight"] = up
        names = lora_bfl.modules(module)
        sizes = [len(up)] if len(names) == 1 else [3072, 3072, 3072, len(up) - 9216]
        for name, part in zip(names, up.split([s for s in sizes if s]), strict=True):
            ours[name] = part
    theirs = {
        key.removeprefix("transformer.").removesuffix(".lora_B.weight").replace(".", "_"): value
        for key, value in _convert_kohya_flux_lora_to_diffusers(stored).items()
        if key.endswith("lora_B.weight")
    }
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_one_of_another_family_is_refused_in_words(base, tmp_path):
    mine = base.made.entry
    other = {"sd3": "flux", "flux": "pixart", "pixart": "sd3"}[mine.family]
    names = {
        "sd3": "transformer_blocks.0.attn.add_k_proj",
        "pixart": "transformer_blocks.0.attn2.to_k",
        "flux": "single_transformer_blocks.0.proj_mlp",
    }
    found = {names[other]: (torch.zeros(2, 8), torch.zeros(8, 2))}
    entry = adapters.describe(write.diffusers(tmp_path / "o.safetensors", {"transformer": found}))
    with pytest.raises(BadRequest, match="was made for another network than"):
        adapters.check_fit(entry, mine)
    unet = {"down_blocks.0.resnets.0.conv1": (torch.zeros(2, 8, 3, 3), torch.zeros(8, 2, 1, 1))}
    entry = adapters.describe(write.diffusers(tmp_path / "u.safetensors", {"unet": unet}))
    with pytest.raises(BadRequest, match="which is not there"):
        adapters.check_fit(entry, mine)
    save_file({"<mug>": torch.zeros(1, 16)}, tmp_path / "mug.safetensors")
    with pytest.raises(BadRequest, match="takes no textual inversions here"):
        adapters.check_fit(adapters.describe(tmp_path / "mug.safetensors"), mine)


def test_a_transformer_s_adapter_is_refused_by_a_unet(tmp_path):
    unet = inspect(tiny.sd_folder(tmp_path / "sd"))
    found = {"transformer_blocks.0.attn.to_q": (torch.zeros(2, 8), torch.zeros(8, 2))}
    entry = adapters.describe(write.diffusers(tmp_path / "t.safetensors", {"transformer": found}))
    with pytest.raises(BadRequest, match="was made for another network than"):
        adapters.check_fit(entry, unet)


@torch.no_grad()
def test_it_is_what_the_library_s_own_loading_makes_of_it(base, tmp_path):
    """Runs where peft is there, which diffusers needs for it; PixArt has no such loading."""
    pytest.importorskip("peft")
    family = base.made.entry.family
    if family == "pixart":
        pytest.skip("diffusers' PixArt pipelines load no adapters")
    import diffusers

    kind = {"sd3": "StableDiffusion3Pipeline", "flux": "FluxPipeline"}[family]
    pipeline = getattr(diffusers, kind).from_pretrained(base.folder)
    found = write.factors(base.made.network, WHICH[family], seed=4)
    file = write.diffusers(tmp_path / "a.safetensors", {"transformer": found})
    pipeline.load_lora_weights(str(file), adapter_name="a")
    pipeline.set_adapters(["a"], [0.6])
    entry = adapters.describe(file)
    adapted = Adapted(base.made)
    with adapted.wearing([((adapted.attach(entry), 0.6),)] * 2):
        ours = base.made.predict(base.x, T, base.conditions)
    own, base.made.network = base.made.network, pipeline.transformer.eval()
    try:
        theirs = base.made.predict(base.x, T, base.conditions)
    finally:
        base.made.network = own
    assert apart(ours, theirs) < 1e-4
