"""From icon names to concepts: which emoji an icon draws, by which words people call it, what is
left out.

Pure functions over the two word packages' JSON; no files, no pictures.
"""

import re
import unicodedata
from dataclasses import dataclass

# emojibase's groups 2 (components) and 9 (flags), its subgroups "family", "keycap", "alphanum"
# (letters in boxes) and "hair-style": variants and letterforms, not things to draw.
LEFT_OUT_GROUPS = frozenset({2, 9})
LEFT_OUT_SUBGROUPS = frozenset({"family", "keycap", "alphanum", "hair-style", "skin-tone"})
LEFT_OUT_NAMES = re.compile(
    r"skin-tone|-tone\d|(^|-)(light|dark|medium)(-|$)|(^|-)flags?(-|$)|keycap|family|regional"
    r"|^(man|woman|men|women)-|-(man|woman|men|women)(-|$)|facing-right|^\d+$|^letter|button"
    r"|ideograph|compression|squared|latin|^digit"
)
GENDERED = re.compile(r"(man|woman|men|women|mrs|mx) ", re.IGNORECASE)
TOO_COMMON = 6  # a keyword of more concepts than this names none of them


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that sets draw: its slug, its best-known name, other names, and looser keywords."""

    slug: str
    name: str
    synonyms: tuple[str, ...]
    keywords: tuple[str, ...]
    group: str
    order: int  # the emoji's place in Unicode's own order; 9999 for an icon that is no emoji


def slug(text: str) -> str:
    """`"Piñata!"` → `"pinata"`: lower case, ASCII letters and digits, dashes between."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")


def tight(text: str) -> str:
    """The same without dashes: some sets write `dizzyface`."""
    return slug(text).replace("-", "")


def words(text: str) -> str:
    """A caption's spelling of a label, shortcode or slug: lower case, spaces, no punctuation."""
    return slug(text.replace("_", " ")).replace("-", " ")


def plain(text: str) -> bool:
    return bool(re.fullmatch(r"[a-z]+( [a-z0-9]+){0,4}", text)) and len(text) > 1


def _kept(entry: dict, subgroups: dict[int, str]) -> bool:
    group, subgroup = entry.get("group"), subgroups.get(entry.get("subgroup"))
    variant = "gender" in entry or ":" in entry["label"] or GENDERED.match(entry["label"])
    return (
        group is not None
        and group not in LEFT_OUT_GROUPS
        and subgroup not in LEFT_OUT_SUBGROUPS
        and not variant
    )


def emoji_concepts(data: list, messages: dict, shortcodes: dict, lib: dict) -> tuple[dict, dict]:
    """The concepts among the emoji, and for every spelling of every emoji its slug (None: left
    out).

    data, messages, shortcodes: emojibase's `data.json`, `messages.json`,
    `shortcodes/emojibase.json`; lib: emojilib.
    """
    subgroups = {g["order"]: g["key"] for g in messages["subgroups"]}
    groups = {g["order"]: g["key"] for g in messages["groups"]}
    concepts, spellings = {}, {}
    for entry in data:
        emoji, label = entry["emoji"], entry["label"]
        codes = shortcodes.get(entry["hexcode"], [])
        codes = [codes] if isinstance(codes, str) else codes
        listed = lib.get(emoji) or lib.get(emoji.rstrip("\ufe0f")) or []
        bare = emoji.replace("\ufe0f", "")
        official = unicodedata.name(bare, "") if len(bare) == 1 else ""
        name, key = words(label), slug(label)
        kept = _kept(entry, subgroups)
        for spelling in (label, *listed[:1], official, *codes):
            if tight(spelling):
                spellings.setdefault(tight(spelling), key if kept else None)
        if not kept or not name:
            continue
        synonyms = dict.fromkeys(words(text) for text in (*listed[:1], *codes, official.lower()))
        keywords = dict.fromkeys(words(text) for text in (*entry.get("tags", ()), *listed[1:]))
        concepts[key] = Concept(
            slug=key,
            name=name,
            synonyms=tuple(s for s in synonyms if plain(s) and s != name),
            keywords=tuple(k for k in keywords if plain(k) and k != name and k not in synonyms),
            group=groups.get(entry["group"], ""),
            order=entry["order"],
        )
    return concepts, spellings


def place(
    icon: str, aliases: list[str], spellings: dict[str, str | None], *, own_names: bool = True
) -> str | None:
    """The slug of the concept an icon draws, or None where it is left out.

    own_names: an icon that no word package knows becomes a concept of its own.
    """
    for name in (icon, *aliases):
        if tight(name) in spellings:
            return spellings[tight(name)]
    if not own_names or LEFT_OUT_NAMES.search(icon) or not re.search(r"[a-z]{3}", icon):
        return None
    return slug(icon)


def own_concept(icon_slug: str) -> Concept:
    """A concept for an icon that is no emoji of the word packages: only its own name is known."""
    return Concept(icon_slug, words(icon_slug), (), (), "other", 9999)


def specific(concepts: dict[str, Concept]) -> dict[str, tuple[str, ...]]:
    """For each concept the keywords that few concepts share: "kitty" stays, "animal" goes."""
    uses: dict[str, int] = {}
    for concept in concepts.values():
        for keyword in concept.keywords:
            uses[keyword] = uses.get(keyword, 0) + 1
    return {
        key: tuple(k for k in concept.keywords if uses[k] <= TOO_COMMON)
        for key, concept in concepts.items()
    }
