"""The model cards: data with sources and licences, recipe, and what was measured. No praise."""

import json
from pathlib import Path

from studio.training import evaluated, measure
from studio.training.dataset import IconData
from studio.training.recipes import Recipe
from studio.training.transformer_export import Figures as Drawn

FRONT = """---
license: other
license_name: several
tags: [icons, text-to-image, diffusion]
---
"""
UNJUDGED = "Look at the sample sheet: nobody has judged this export yet."


def sources(data: IconData, sets: set[str]) -> str:
    """The picture sets a folder was made from; CC-BY asks for names, licence and changes."""
    rows = ["| set | made by | licence | package |", "|---|---|---|---|"]
    for key in sorted(sets):
        kept = data.licences[key]
        author, fields = kept["author"], kept["licence_fields"]
        maker = f"[{author['name']}]({author['url']})" if author.get("url") else author["name"]
        licence = f"[{kept['licence']}]({fields['url']})"
        package = f"{kept['name']} {kept['version']}"
        rows.append(f"| {kept['title']} | {maker} | {licence} | {package} |")
    words = [
        f"{kept['name']} {kept['version']} ({kept['licence']})"
        for kept in data.licences.values()
        if "licence_text" in kept
    ]
    return "\n".join(
        (
            *rows,
            "",
            f"Names, synonyms and keywords: {', '.join(words)}.",
            "Changes made to the pictures: rendered at 128 px on white; nothing else.",
        )
    )


def exact_card(folder: Path, data: IconData) -> str:
    """The card of `exact-icons`, from what lies in its folder."""
    said = json.loads((folder / "exact.json").read_text())
    styles = {picture["style"] for picture in said["pictures"]}
    sets = {key for key, kept in data.licences.items() if kept["style"] in styles - {""}}
    count = len(said["pictures"])
    notes = folder / "NOTES.md"
    measured = notes.read_text().strip() if notes.is_file() else "Nothing yet."
    return f"""{FRONT}
# exact-icons

{count} icons, and nothing learned. The denoiser is the ideal one for a finite set of pictures,

    D(x; α, σ) = Σ w_i · y_i,   w = softmax(−‖x − α·y_i‖² / 2σ² + ln p_i)

where p_i says how well caption i fits the prompt. Every step is exact, and what comes out of the
noise is one of the pictures in this folder. A prompt is compared with the captions by the text
encoder of `{said["text_encoder"]}`; where nothing is nearer than {said["threshold"]} the studio
says that it knows nothing like it. It makes no new pictures: it shows what a perfect model of its
training set would do, which is to memorise it.

| file | what |
|---|---|
| `exact.json` | captions, tiles, schedule, threshold, temperature |
| `pictures-*.png` | tiles of {said["tile"]} px, {said["columns"]} in a row, lossless |
| `captions.safetensors` | `embeddings` ({count}, D) float16: name and caption, averaged |

## Measured

{measured}

## Pictures

{sources(data, sets)}
"""


def write_unet_card(
    folder: Path, data: IconData, recipe: Recipe, rows: list[int], found: measure.Figures
) -> None:
    """README.md; what a person noted in `NOTES.md` about the quality is put in as it is."""
    if found.losses:
        measure.draw_losses(found.losses, folder / "images" / "loss.png")
    steps = found.losses[-1][0] if found.losses else 0
    notes = folder / "NOTES.md"
    judged = notes.read_text().strip() if notes.is_file() else UNJUDGED
    unet, text, steps_drawn = recipe.unet, recipe.text, recipe.sample_steps
    records = [data.records[row] for row in rows]
    concepts = len({record.concept for record in records})
    (folder / "README.md").write_text(f"""{FRONT}
# icons-unet

A small latent diffusion model that draws icons at 128 px from a few words, in the layout of
`StableDiffusionPipeline`:

```python
from diffusers import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained("models/icons-unet")
pipe("red apple", num_inference_steps=20, guidance_scale=3.5).images[0]
```

![samples](images/samples.png)

## How good it is

{judged}

{evaluated.section(folder)}

| at the export | |
|---|---|
| autoencoder, {found.held} held-out pictures | PSNR {found.psnr:.2f} dB, SSIM {found.ssim:.3f} |
| one picture, {steps_drawn} guided DDIM steps | {found.seconds:.2f} s on {found.threads} cores |
| denoiser's training | {steps} steps of {unet.batch} pictures |

![loss](images/loss.png)

## What it is

- **Text encoder**: BertModel, {text.layers} layers of width {text.width}, distilled from
  all-MiniLM-L6-v2 (Apache-2.0) on captions, keywords, common words and made-up combinations. The
  mean of its last hidden state over the attention mask is the sentence embedding. Prompts are cut
  at 32 tokens. It was frozen while the denoiser trained.
- **VAE**: AutoencoderKL, 8× down to {recipe.vae.latent} channels, widths {recipe.vae.channels}.
  Whitening of the latents is folded into its 1×1 convolutions, so `scaling_factor` is 1.
- **Denoiser**: UNet2DConditionModel, widths {unet.widths}, v-prediction, cosine schedule, trailing
  spacing. Text enters by cross-attention and, pooled, through the time embedding;
  {unet.drop:.0%} of the prompts were the empty one.
- **`preview/`**: an AutoencoderTiny whose decoder imitates the VAE's, for live previews.

## Trained on

{len(rows)} pictures of {concepts} concepts (`concepts.json`), drawn by the sets below. Captions:
names, synonyms and keywords, with and without an article and the words "in … style". One style of
{sum(r.held for r in data.records)} concepts and {sum(map(len, data.held_synonyms.values()))}
keywords were held out by seed. What is not among the concepts it cannot draw: it shows something
near by.

{sources(data, {record.set for record in records})}

`docs/training.md` says how this folder is made.
""")


def write_transformer_card(
    folder: Path, data: IconData, rows: list[int], name: str, recipe, found: Drawn
) -> None:
    """README.md of `icons-dit` or `icons-flow`; `NOTES.md` says how good it is."""
    notes = folder / "NOTES.md"
    judged = notes.read_text().strip() if notes.is_file() else UNJUDGED
    concepts = len({data.records[row].concept for row in rows})
    steps = found.losses[-1][0] if found.losses else 0
    (folder / "README.md").write_text(f"""{FRONT}
# {folder.name}

{TRANSFORMERS[name].strip()}

![samples](images/samples.png)

## How good it is

{judged}

{evaluated.section(folder)}

| measured | |
|---|---|
| transformer, as it is stored | {found.parameters / 1e6:.2f} million parameters |
| one guided picture in plain diffusers | {found.seconds:.2f} s, {found.threads} thread(s), best |
| training | {steps} steps of {recipe.batch} pictures |

![loss](images/loss.png)

## What it is

- **Transformer**: width {recipe.width}, {recipe.depth} blocks, patches of {recipe.patch} by
  {recipe.patch} latents; {recipe.drop:.0%} of the conditions were the empty one.{PARTS[name]}
- **Training**: {steps} steps of {recipe.batch} pictures. The sheet above is the last of the run,
  with guidance 3.5 in 20 steps, each place from a noise of its own.
- Autoencoder and, where there is one, text encoder: those of `icons-unet`, frozen. Where the
  weights are the same bytes they are links to that folder: take this one elsewhere with `cp -rL`.
- **`preview/`**: a copy of its tiny decoder, for live previews.

## Trained on

{len(rows)} pictures of {concepts} concepts, drawn by the sets below. What is not among the concepts
it cannot draw.

{sources(data, {data.records[row].set for row in rows})}

`docs/training.md` says how this folder is made.
""")


PARTS = {
    "dit": """ Time and class
  enter by adaLN-Zero; the library stores their embedding once a block, with a row for each of the
  1,000 classes that its pipeline counts on, named or not.""",
    "flow": """ Time enters by
  one adaLN for all blocks, text by cross-attention that is masked where there is none. It was
  taught prompts of up to 32 tokens, and the studio cuts there; the pipeline pads to 120.""",
}
TRANSFORMERS = {  # what each is, and how plain diffusers opens it
    "dit": """
A small class-conditional DiT with adaLN-Zero and a learned variance, v-prediction, in the layout of
`DiTPipeline`:

```python
from diffusers import DiTPipeline

pipe = DiTPipeline.from_pretrained("models/icons-dit")
pipe(pipe.get_label_ids(["rocket"]), num_inference_steps=20, guidance_scale=3.5).images[0]
```
""",
    "flow": """
A small text transformer trained by flow matching, in the layout of `PixArtAlphaPipeline`:

```python
from diffusers import PixArtAlphaPipeline

pipe = PixArtAlphaPipeline.from_pretrained("models/icons-flow")
pipe("red apple", guidance_scale=3.5, use_resolution_binning=False).images[0]
```

Its text encoder is a BertModel, of which diffusers says that it expected another class.
""",
}
