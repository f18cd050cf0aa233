"""Which pictures a denoiser trains on, and how often each: a core of well-known things, drawn by a few sets.

A CPU affords a few hundred thousand samples. Spent on a couple of hundred concepts they give recognisable pictures; spent on
all fourteen hundred they give coloured clouds. A later, longer run widens the list and starts from these weights.
"""

from studio.training import exact
from studio.training.dataset import IconData

STYLES = ("noto", "twemoji", "emojione", "fluent-emoji-flat")
CORE_WEIGHT, OTHER_WEIGHT = 3.0, 1.0
CORE = """
grinning-face grinning-face-with-smiling-eyes smiling-face-with-smiling-eyes slightly-smiling-face smiling-face
winking-face smiling-face-with-sunglasses smiling-face-with-heart-eyes crying-face angry-face face-with-tears-of-joy
neutral-face sleeping-face thinking-face red-heart blue-heart green-heart yellow-heart purple-heart black-heart
broken-heart skull ghost alien robot jack-o-lantern
cat-face dog-face mouse-face rabbit-face fox bear panda tiger-face lion cow-face pig-face frog monkey-face chicken penguin
bird owl unicorn horse elephant turtle snake whale dolphin fish tropical-fish octopus snail butterfly bug honeybee spider crab
cherry-blossom rose sunflower tulip hibiscus evergreen-tree deciduous-tree palm-tree cactus four-leaf-clover maple-leaf mushroom
red-apple green-apple pear peach cherries strawberry lemon banana pineapple watermelon grapes tomato carrot eggplant avocado
bread cheese-wedge hamburger french-fries pizza hot-dog taco egg doughnut cookie birthday-cake soft-ice-cream lollipop
hot-beverage beer-mug wine-glass
rocket airplane automobile taxi bus police-car fire-engine bicycle sailboat helicopter locomotive house castle mountain volcano
sun crescent-moon full-moon star cloud rainbow snowflake snowman umbrella high-voltage fire droplet
globe-showing-europe-africa balloon wrapped-gift christmas-tree trophy soccer-ball basketball tennis crown glasses t-shirt
ring gem-stone guitar bell light-bulb books open-book key hammer camera television mobile-phone alarm-clock eyes
""".split()
# Everyday words for several concepts at once, or for one that the word lists call otherwise.
EVERYDAY = {
    "smiling face": "grinning-face grinning-face-with-smiling-eyes smiling-face-with-smiling-eyes slightly-smiling-face smiling-face",
    "smile": "grinning-face smiling-face-with-smiling-eyes slightly-smiling-face smiling-face",
    "happy face": "grinning-face grinning-face-with-smiling-eyes smiling-face-with-smiling-eyes slightly-smiling-face",
    "sad face": "crying-face",
    "face with sunglasses": "smiling-face-with-sunglasses",
    "cat": "cat-face",
    "dog": "dog-face",
    "mouse": "mouse-face",
    "rabbit": "rabbit-face",
    "bunny": "rabbit-face",
    "tiger": "tiger-face",
    "cow": "cow-face",
    "pig": "pig-face",
    "monkey": "monkey-face",
    "bee": "honeybee",
    "whale": "whale",
    "flower": "cherry-blossom hibiscus tulip sunflower rose",
    "tree": "evergreen-tree deciduous-tree",
    "apple": "red-apple red-apple green-apple",
    "cherry": "cherries",
    "cheese": "cheese-wedge",
    "burger": "hamburger",
    "fries": "french-fries",
    "cake": "birthday-cake",
    "ice cream": "soft-ice-cream",
    "donut": "doughnut",
    "coffee": "hot-beverage",
    "beer": "beer-mug",
    "wine": "wine-glass",
    "car": "automobile",
    "red car": "automobile",
    "plane": "airplane",
    "train": "locomotive",
    "fire truck": "fire-engine",
    "bike": "bicycle",
    "boat": "sailboat",
    "moon": "crescent-moon full-moon",
    "lightning": "high-voltage",
    "water drop": "droplet",
    "earth": "globe-showing-europe-africa",
    "gift": "wrapped-gift",
    "football": "soccer-ball",
    "shirt": "t-shirt",
    "diamond": "gem-stone",
    "phone": "mobile-phone",
    "clock": "alarm-clock",
    "pumpkin": "jack-o-lantern",
}


def everyday(concept: str) -> tuple[str, ...]:
    return tuple(word for word, slugs in EVERYDAY.items() if concept in slugs.split())


def choose(data: IconData, others: int = 90, styles: tuple[str, ...] = STYLES, core: list[str] | None = None
           ) -> tuple[list[int], list[float]]:
    """(rows, weights) of the pictures to train on: the core, and `others` further concepts that every set draws."""
    core = CORE if core is None else core
    drawn: dict[str, int] = {}
    for record in data.records:
        drawn[record.concept] = drawn.get(record.concept, 0) + 1
    spare = [
        c.slug
        for c in sorted(data.concepts.values(), key=lambda c: c.order)
        if c.group in exact.GROUPS and c.slug not in core and drawn[c.slug] >= exact.STYLES + 1
        and not exact.SKIP.search(c.slug)
    ]  # fmt: skip
    step = max(1, len(spare) // others) if others else 1
    extra = set(spare[::step][:others]) if others else set()
    rows, weights = [], []
    for row, record in enumerate(data.records):
        if not record.held and record.set in styles and (record.concept in core or record.concept in extra):
            rows.append(row)
            weights.append(CORE_WEIGHT if record.concept in core else OTHER_WEIGHT)
    return rows, weights
