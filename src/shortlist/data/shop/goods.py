"""What the demo shop sells: sixteen categories with their prices, rhythms, seasons, styles and words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """Facts of one category of goods."""

    name: str
    demand: float
    """Natural logarithm of how often people come for it, relative to the others."""
    price: float
    """Median price in euros; prices are log-normal around it."""
    every_days: float | None
    """Days until a buyer needs it again; None for what is bought once."""
    summer: float
    """Log lift of demand in mid-summer; its negative holds in mid-winter."""
    morning: float
    """Log lift of demand before noon."""
    tags: tuple[str, ...]
    """Styles that its items may carry."""
    kinds: tuple[str, ...]
    """First words of its items' names."""
    sizes: tuple[str, ...]
    """Last words of its items' names."""
    brands: tuple[str, ...]


TAGS = (
    "organic",
    "fair trade",
    "local",
    "vegan",
    "sugar free",
    "gluten free",
    "decaf",
    "light roast",
    "medium roast",
    "dark roast",
    "single origin",
    "fruity",
    "nutty",
    "compact",
)
"""Every style, in the order of the style dimensions of tastes and traits."""

_ROASTS = ("light roast", "medium roast", "dark roast", "single origin", "decaf", "organic", "fair trade")
_ROASTERS = (
    "Northlight",
    "Kaffeehaus Brandt",
    "Three Hills",
    "Alba Torrefazione",
    "Harbour Roast",
    "Mokka & Sons",
)
_FARMS = ("Meadow & Vale", "Hofladen Lindner", "Green Acre", "Campo Verde", "Old Orchard")
_BAKERS = ("Stone Oven", "Maison Perrin", "Bäckerei Sommer", "Golden Crust", "Crumb")
_GROCERS = ("Day by Day", "Pantry & Co", "Fieldhouse", "Bonne Table", "Little Larder", "Casa Rossa")
_MAKERS = ("Brewmark", "Tamper & Tine", "Kopi Works", "Hario Lane")
_PACKS = ("250 g", "500 g", "1 kg")

CATEGORIES = (
    Category(
        name="coffee beans",
        demand=0.5,
        price=11.0,
        every_days=14,
        summer=-0.1,
        morning=0.2,
        tags=_ROASTS,
        kinds=("Yirgacheffe", "Huila", "Antigua", "Sidamo", "Mogiana", "Kirinyaga", "Tarrazú", "Mandheling"),
        sizes=_PACKS,
        brands=_ROASTERS,
    ),
    Category(
        name="ground coffee",
        demand=0.3,
        price=7.5,
        every_days=12,
        summer=-0.1,
        morning=0.2,
        tags=_ROASTS,
        kinds=("House blend", "Breakfast blend", "Espresso blend", "Filter blend", "Crema blend"),
        sizes=_PACKS,
        brands=_ROASTERS,
    ),
    Category(
        name="coffee capsules",
        demand=0.3,
        price=4.8,
        every_days=10,
        summer=0.0,
        morning=0.2,
        tags=_ROASTS,
        kinds=("Ristretto", "Lungo", "Espresso forte", "Caramel crema", "Vanilla crema"),
        sizes=("10 capsules", "20 capsules", "50 capsules"),
        brands=_ROASTERS,
    ),
    Category(
        name="iced coffee",
        demand=-0.1,
        price=2.6,
        every_days=5,
        summer=1.6,
        morning=-0.4,
        tags=("vegan", "sugar free", "decaf", "fruity", "nutty", "organic"),
        kinds=("Cold brew", "Iced latte", "Iced mocha", "Nitro cold brew", "Espresso tonic"),
        sizes=("250 ml", "330 ml", "1 l"),
        brands=_ROASTERS,
    ),
    Category(
        name="tea",
        demand=0.1,
        price=5.2,
        every_days=24,
        summer=-0.6,
        morning=0.0,
        tags=("organic", "fair trade", "single origin", "fruity", "decaf"),
        kinds=("Assam", "Sencha", "Earl Grey", "Rooibos", "Peppermint", "Darjeeling", "Chai"),
        sizes=("20 bags", "50 bags", "100 g"),
        brands=_GROCERS,
    ),
    Category(
        name="hot chocolate",
        demand=-0.6,
        price=5.5,
        every_days=30,
        summer=-1.2,
        morning=-0.3,
        tags=("organic", "fair trade", "vegan", "sugar free", "nutty"),
        kinds=("Dark drinking chocolate", "Milk drinking chocolate", "Hazelnut cocoa", "Pure cocoa"),
        sizes=("200 g", "350 g"),
        brands=_GROCERS,
    ),
    Category(
        name="pastries",
        demand=0.5,
        price=2.4,
        every_days=4,
        summer=0.0,
        morning=1.0,
        tags=("vegan", "gluten free", "local", "fruity", "nutty", "sugar free"),
        kinds=(
            "Croissant",
            "Cinnamon roll",
            "Apple turnover",
            "Almond crescent",
            "Muffin",
            "Pain au chocolat",
        ),
        sizes=("single", "box of 2", "box of 4"),
        brands=_BAKERS,
    ),
    Category(
        name="bread",
        demand=0.6,
        price=3.6,
        every_days=4,
        summer=0.0,
        morning=0.8,
        tags=("organic", "local", "gluten free", "nutty", "vegan"),
        kinds=("Sourdough", "Rye loaf", "Baguette", "Spelt loaf", "Walnut bread", "Toast"),
        sizes=("400 g", "750 g", "1 kg"),
        brands=_BAKERS,
    ),
    Category(
        name="dairy",
        demand=0.5,
        price=1.9,
        every_days=6,
        summer=0.1,
        morning=0.2,
        tags=("organic", "local", "sugar free", "fruity"),
        kinds=("Whole milk", "Barista milk", "Natural yoghurt", "Butter", "Cream", "Skyr"),
        sizes=("200 g", "500 g", "1 l"),
        brands=_FARMS,
    ),
    Category(
        name="plant drinks",
        demand=0.0,
        price=2.3,
        every_days=8,
        summer=0.2,
        morning=0.2,
        tags=("organic", "vegan", "sugar free", "gluten free", "nutty"),
        kinds=("Oat drink", "Barista oat drink", "Almond drink", "Soy drink", "Coconut drink"),
        sizes=("500 ml", "1 l", "6 x 1 l"),
        brands=_GROCERS,
    ),
    Category(
        name="fruit",
        demand=0.3,
        price=3.1,
        every_days=5,
        summer=0.7,
        morning=0.0,
        tags=("organic", "local", "fair trade", "fruity"),
        kinds=("Bananas", "Apples", "Strawberries", "Oranges", "Peaches", "Grapes", "Blueberries"),
        sizes=_PACKS,
        brands=_FARMS,
    ),
    Category(
        name="vegetables",
        demand=0.2,
        price=2.7,
        every_days=5,
        summer=0.3,
        morning=-0.1,
        tags=("organic", "local", "vegan"),
        kinds=("Tomatoes", "Carrots", "Spinach", "Courgettes", "Peppers", "Salad mix", "Pumpkin"),
        sizes=_PACKS,
        brands=_FARMS,
    ),
    Category(
        name="chocolate",
        demand=0.1,
        price=3.2,
        every_days=9,
        summer=-0.5,
        morning=-0.6,
        tags=("organic", "fair trade", "vegan", "sugar free", "single origin", "nutty", "fruity"),
        kinds=("Dark bar 70 %", "Milk bar", "White bar", "Truffles", "Nougat", "Sea salt bar"),
        sizes=("80 g", "100 g", "200 g"),
        brands=_GROCERS,
    ),
    Category(
        name="breakfast",
        demand=0.1,
        price=4.6,
        every_days=20,
        summer=-0.1,
        morning=0.5,
        tags=("organic", "local", "vegan", "sugar free", "gluten free", "fruity", "nutty"),
        kinds=("Granola", "Porridge oats", "Apricot jam", "Forest honey", "Peanut butter", "Muesli"),
        sizes=("250 g", "375 g", "750 g"),
        brands=_GROCERS,
    ),
    Category(
        name="coffee grinders",
        demand=-0.9,
        price=95.0,
        every_days=None,
        summer=-0.4,
        morning=-0.3,
        tags=("compact", "local", "fair trade"),
        kinds=("Hand grinder", "Burr grinder", "Conical grinder", "Espresso grinder"),
        sizes=("steel", "black", "walnut"),
        brands=_MAKERS,
    ),
    Category(
        name="coffee makers",
        demand=-0.8,
        price=60.0,
        every_days=None,
        summer=-0.4,
        morning=-0.3,
        tags=("compact", "local", "organic"),
        kinds=("Pour-over set", "French press", "Moka pot", "Espresso machine", "Cold brew jug"),
        sizes=("2 cups", "4 cups", "8 cups"),
        brands=_MAKERS,
    ),
)
"""Every category, in the order of the category dimensions of tastes and traits."""

CATEGORY_NAMES = tuple(category.name for category in CATEGORIES)
STYLES = (*TAGS, "price", "flavour 1", "flavour 2", "flavour 3")
"""Dimensions of style: the tags, the price relative to the category's, and three that no column shows."""
