"""The products that the shop opens with: made from the words below, the same on every machine.

Each of the twelve categories has seven things, each thing comes in six kinds: 504 products.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from examples.shop.vocabulary import ASSORTMENT, CURRENCY

__all__ = ["CATEGORIES", "CategoryData", "products"]

SEED = "catalog"
ENDINGS_CENTS = (0, 50, 90)


class CategoryData(NamedTuple):
    """A category: what is in it (with a fitting sentence), in which kinds, and from what price on, in dollars."""

    slug: str
    name: str
    description: str
    dollars: int
    things: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, str], ...]


CATEGORIES = (
    CategoryData(
        "kitchen", "Kitchen", "Tools that make cooking easier, and last.", 14,
        (
            ("Chef's Knife", "It holds its edge through a week of onions"),
            ("Saucepan", "Two litres, with a lip that pours without a drip"),
            ("Cutting Board", "Wide enough for a loaf, with a groove that keeps the juice"),
            ("Pepper Mill", "From fine to coarse with half a turn"),
            ("Mixing Bowl", "It stands still while you whisk"),
            ("Colander", "Three feet, many holes, no fuss"),
            ("Rolling Pin", "Heavy enough to do the work by itself"),
        ),
        (
            ("Ash", "turned from ash wood"), ("Steel", "made of brushed steel"), ("Copper", "lined and clad in copper"),
            ("Olive", "cut from olive wood"), ("Black", "finished in matt black"), ("Everyday", "plain and tough"),
        ),
    ),
    CategoryData(
        "tableware", "Tableware", "Plates, cups and glasses for every day and for guests.", 8,
        (
            ("Mug", "A good handful of coffee, and a handle for three fingers"),
            ("Dinner Plate", "Flat where it should be, with a rim that keeps the sauce in"),
            ("Soup Bowl", "Deep, and it keeps warm to the last spoon"),
            ("Water Glass", "It stacks, and survives the dishwasher"),
            ("Teapot", "Four cups, and a lid that stays on"),
            ("Serving Dish", "From the oven straight to the table"),
            ("Egg Cup", "It fits small eggs and large ones"),
        ),
        (
            ("Speckled", "with a speckled glaze"), ("Indigo", "dipped in indigo"), ("Chalk", "white as chalk"),
            ("Moss", "glazed in moss green"), ("Terracotta", "in bare terracotta outside"),
            ("Sunrise", "in a warm yellow"),
        ),
    ),
    CategoryData(
        "lighting", "Lighting", "Lamps for reading, for eating and for the way to bed.", 29,
        (
            ("Desk Lamp", "Its arm stays where you leave it"),
            ("Pendant", "It lights the table and not your eyes"),
            ("Floor Lamp", "A quiet light for a corner with a chair"),
            ("Night Light", "Just enough to find the door"),
            ("Lantern", "For a balcony, with a candle or without"),
            ("Wall Lamp", "It turns to the book and away from the sleeper"),
            ("Clip Light", "It holds on to shelves, boards and music stands"),
        ),
        (
            ("Brass", "in brushed brass"), ("Paper", "with a shade of folded paper"), ("Opal", "with opal glass"),
            ("Linen", "with a linen shade"), ("Enamel", "enamelled by hand"), ("Smoke", "with smoked glass"),
        ),
    ),
    CategoryData(
        "textiles", "Textiles", "Blankets, towels and cushions that get better with washing.", 12,
        (
            ("Blanket", "Large enough for two on one sofa"),
            ("Cushion", "Firm at first, and then just right"),
            ("Tea Towel", "It dries glasses without a streak"),
            ("Tablecloth", "For six people, or eight who like each other"),
            ("Bath Towel", "Thick, and dry by the next morning"),
            ("Throw", "Light enough for summer evenings"),
            ("Napkin Set", "Four of them, and no need to iron"),
        ),
        (
            ("Wool", "woven of wool"), ("Washed Linen", "in washed linen"), ("Waffle", "in a waffle weave"),
            ("Striped", "with a narrow stripe"), ("Indigo Dyed", "dyed with indigo"),
            ("Organic Cotton", "of organic cotton"),
        ),
    ),
    CategoryData(
        "garden", "Garden", "For beds, balconies and window sills.", 9,
        (
            ("Trowel", "Balanced, with a blade that does not bend"),
            ("Watering Can", "Five litres, and a rose that rains softly"),
            ("Flower Pot", "With a saucer, and a hole where it matters"),
            ("Pruning Shears", "They cut green wood as thick as a thumb"),
            ("Bird Feeder", "Easy to fill, hard for squirrels"),
            ("Seed Box", "Dividers for a year of sowing"),
            ("Garden Fork", "For heavy soil and stubborn roots"),
        ),
        (
            ("Forged", "forged in one piece"), ("Galvanised", "galvanised against rust"), ("Cedar", "with cedar wood"),
            ("Willow Green", "painted willow green"), ("Balcony", "made for small places"),
            ("Heritage", "after an old pattern"),
        ),
    ),
    CategoryData(
        "stationery", "Stationery", "Paper, pens and what keeps them together.", 4,
        (
            ("Notebook", "It opens flat, and takes ink without bleeding"),
            ("Fountain Pen", "It starts at the first stroke"),
            ("Pencil Set", "Six grades, from sketch to shade"),
            ("Desk Tray", "A place for the letter that you will answer tomorrow"),
            ("Wall Calendar", "A month at a glance, with room to write"),
            ("Letter Set", "Twenty sheets and twenty envelopes"),
            ("Ruler", "With marks that do not wear away"),
        ),
        (
            ("Dotted", "with a fine dot pattern"), ("Kraft", "in brown kraft"), ("Ivory", "in warm ivory"),
            ("Marbled", "marbled by hand"), ("Pocket", "in pocket size"), ("Studio", "in studio size"),
        ),
    ),
    CategoryData(
        "toys", "Toys", "For playing alone, together and again.", 7,
        (
            ("Building Blocks", "Forty pieces and no instructions"),
            ("Puzzle", "It is hard in the middle and easy at the edges"),
            ("Spinning Top", "Two minutes, if the table is smooth"),
            ("Kite", "It flies in a light breeze, and packs small"),
            ("Train", "An engine, two wagons and a magnet between each"),
            ("Memory Game", "Thirty pairs for sharp eyes"),
            ("Stacking Rings", "Seven rings for small hands"),
        ),
        (
            ("Beech", "made of beech"), ("Rainbow", "in seven colours"), ("Forest", "with animals of the forest"),
            ("Ocean", "with animals of the sea"), ("Travel", "small enough for a train"),
            ("Classic", "as it always was"),
        ),
    ),
    CategoryData(
        "bags", "Bags", "To carry what the day needs.", 19,
        (
            ("Tote", "It holds the market, and folds into a pocket"),
            ("Backpack", "A laptop at the back and lunch on top"),
            ("Pouch", "For cables, pens or both"),
            ("Weekender", "Two days, one bag, no wheels"),
            ("Shoulder Bag", "The strap has the right length for everybody"),
            ("Wash Bag", "It stands open by itself"),
            ("Bike Bag", "On the rack in one click"),
        ),
        (
            ("Canvas", "in heavy canvas"), ("Waxed", "waxed against the rain"), ("Navy", "in navy blue"),
            ("Rust", "in rust red"), ("Recycled", "of recycled yarn"), ("Felt", "of thick felt"),
        ),
    ),
    CategoryData(
        "outdoors", "Outdoors", "For a walk, a night out or a week in the hills.", 11,
        (
            ("Water Bottle", "Cold for a day, warm for half of one"),
            ("Camping Mug", "It hangs on a finger or on a pack"),
            ("Sit Mat", "Dry and warm on every stone"),
            ("Headlamp", "Both hands free, three levels of light"),
            ("Pocket Knife", "A blade, an opener and a screwdriver"),
            ("Rain Cover", "Over a pack in ten seconds"),
            ("Picnic Rug", "Soft above, dry below"),
        ),
        (
            ("Alpine", "for the heights"), ("Trail", "light for long ways"), ("Lakeside", "for lazy days"),
            ("Granite", "in granite grey"), ("Sunset", "in orange that one finds again"), ("Pine", "in pine green"),
        ),
    ),
    CategoryData(
        "bath", "Bath", "Soap, brushes and a dry place to put them.", 5,
        (
            ("Soap", "It lathers well, and smells of little"),
            ("Nail Brush", "With bristles that stay stiff"),
            ("Soap Dish", "It drains, so that soap lasts"),
            ("Bath Mat", "It stays where it lies"),
            ("Shower Caddy", "It hangs without a screw"),
            ("Hand Mirror", "It stands, too"),
            ("Laundry Basket", "A week of two people"),
        ),
        (
            ("Lavender", "with dried lavender"), ("Bamboo", "made with bamboo"), ("Stone", "in soft stone grey"),
            ("Salt", "white as salt"), ("Rosemary", "with a note of rosemary"), ("Harbour", "in harbour blue"),
        ),
    ),
    CategoryData(
        "tools", "Tools", "For pictures, shelves and the chair that wobbles.", 10,
        (
            ("Hammer", "It drives nails and pulls them out again"),
            ("Screwdriver Set", "Six sizes, one of which fits"),
            ("Tape Measure", "Five metres, and a lock that locks"),
            ("Hand Saw", "Straight cuts, both ways"),
            ("Spirit Level", "Two bubbles that tell the truth"),
            ("Tool Roll", "Everything in its place and easy to carry"),
            ("Work Apron", "Pockets where the hand looks for them"),
        ),
        (
            ("Hickory", "with hickory handles"), ("Compact", "for small drawers"), ("Workshop", "for every day"),
            ("Signal Red", "in a red that is not lost"), ("Leather", "with leather"), ("First", "for a first home"),
        ),
    ),
    CategoryData(
        "music", "Music", "Small instruments, and what belongs to them.", 16,
        (
            ("Ukulele", "In tune for longer than most"),
            ("Kalimba", "Seventeen notes, all of them right"),
            ("Tambourine", "Bright, and quick to stop"),
            ("Harmonica", "In C, like the songs that you know"),
            ("Music Stand", "It folds flat, and does not nod"),
            ("Metronome", "It is right, even when you are not"),
            ("Wooden Flute", "Easy to blow, hard to put down"),
        ),
        (
            ("Walnut", "in walnut"), ("Maple", "in maple"), ("Concert", "for the stage"),
            ("Student", "for the first year"), ("Traveller's", "for the road"), ("Cherry", "in cherry wood"),
        ),
    ),
)  # fmt: skip


def products() -> list[dict[str, Any]]:
    """The opening assortment, as rows."""
    chance = random.Random(SEED)
    return [
        {
            "sku": sku,
            "name": f"{kind} {thing}",
            "description": f"{sentence}. This one is {detail}.",
            "category": category.slug,
            "price": price_cents(category.dollars, chance),
            "currency": CURRENCY,
            "withdrawn": False,
        }
        for sku, (category, thing, sentence, kind, detail) in zip(ASSORTMENT, combinations(), strict=True)
    ]


def combinations() -> Iterator[tuple[CategoryData, str, str, str, str]]:
    """Every thing of every category in every kind."""
    for category in CATEGORIES:
        for thing, sentence in category.things:
            for kind, detail in category.kinds:
                yield category, thing, sentence, kind, detail


def price_cents(dollars: int, chance: random.Random) -> int:
    """From the category's lowest price to five times that, ending as prices do."""
    return chance.randint(dollars, dollars * 5) * 100 + chance.choice(ENDINGS_CENTS)
