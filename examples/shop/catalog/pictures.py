"""Pictures of products, drawn from their number: a background, a shadow, and the sign of the category."""

from __future__ import annotations

import colorsys
import random

__all__ = ["colour", "picture_of"]

# Each drawn in a square of 100, with {main}, {dark} and {light} for colours.
SIGNS = {
    "kitchen": (
        '<path d="M20 45h60v20a14 14 0 0 1-14 14H34a14 14 0 0 1-14-14z" fill="{main}"/>'
        '<rect x="78" y="47" width="18" height="6" rx="3" fill="{dark}"/>'
        '<rect x="17" y="38" width="66" height="7" rx="3" fill="{light}"/>'
    ),
    "tableware": (
        '<path d="M25 32h44v30a16 16 0 0 1-16 16H41a16 16 0 0 1-16-16z" fill="{main}"/>'
        '<path d="M69 40h6a9 9 0 0 1 0 20h-6" fill="none" stroke="{dark}" stroke-width="5"/>'
        '<ellipse cx="47" cy="32" rx="22" ry="5" fill="{light}"/>'
    ),
    "lighting": (
        '<path d="M35 22h30l14 30H21z" fill="{main}"/>'
        '<rect x="47" y="52" width="6" height="26" fill="{dark}"/>'
        '<rect x="33" y="77" width="34" height="5" rx="2" fill="{dark}"/>'
        '<circle cx="50" cy="56" r="6" fill="{light}"/>'
    ),
    "textiles": (
        '<rect x="22" y="28" width="56" height="50" rx="9" fill="{main}"/>'
        '<path d="M22 42h56M22 53h56M22 64h56" stroke="{light}" stroke-width="4"/>'
        '<path d="M36 28v50" stroke="{dark}" stroke-width="3"/>'
    ),
    "garden": (
        '<path d="M30 54h40l-6 26H36z" fill="{dark}"/>'
        '<path d="M50 54V28" stroke="{main}" stroke-width="4"/>'
        '<path d="M50 40c-16 0-20-10-20-18 14 0 20 8 20 18z" fill="{main}"/>'
        '<path d="M50 46c14 0 19-8 19-17-13 0-19 7-19 17z" fill="{light}"/>'
    ),
    "stationery": (
        '<rect x="28" y="22" width="44" height="58" rx="4" fill="{main}"/>'
        '<rect x="34" y="22" width="4" height="58" fill="{dark}"/>'
        '<path d="M45 38h20M45 47h20M45 56h13" stroke="{light}" stroke-width="3"/>'
    ),
    "toys": (
        '<rect x="24" y="54" width="24" height="24" rx="3" fill="{main}"/>'
        '<rect x="52" y="54" width="24" height="24" rx="3" fill="{dark}"/>'
        '<path d="M50 24l15 27H35z" fill="{light}"/>'
    ),
    "bags": (
        '<path d="M26 42h48l5 38H21z" fill="{main}"/>'
        '<path d="M38 44v-8a12 12 0 0 1 24 0v8" fill="none" stroke="{dark}" stroke-width="5"/>'
        '<rect x="40" y="56" width="20" height="12" rx="3" fill="{light}"/>'
    ),
    "outdoors": (
        '<path d="M14 78l24-44 14 24 9-14 25 34z" fill="{main}"/>'
        '<path d="M38 34l8 14-8 5-8-5z" fill="{light}"/>'
        '<circle cx="74" cy="28" r="8" fill="{dark}"/>'
    ),
    "bath": (
        '<rect x="24" y="50" width="52" height="26" rx="13" fill="{main}"/>'
        '<circle cx="36" cy="36" r="8" fill="{light}"/>'
        '<circle cx="52" cy="29" r="5" fill="{light}"/>'
        '<circle cx="63" cy="39" r="6" fill="{dark}"/>'
    ),
    "tools": (
        '<rect x="45" y="36" width="10" height="46" rx="4" fill="{dark}"/>'
        '<path d="M26 22h40l10 9-10 7H26z" fill="{main}"/>'
        '<rect x="45" y="46" width="10" height="5" fill="{light}"/>'
    ),
    "music": (
        '<path d="M42 26l32-6v42" fill="none" stroke="{main}" stroke-width="6"/>'
        '<path d="M42 26v44" stroke="{main}" stroke-width="6"/>'
        '<ellipse cx="34" cy="71" rx="11" ry="8" fill="{dark}"/>'
        '<ellipse cx="66" cy="63" rx="11" ry="8" fill="{light}"/>'
    ),
}


def picture_of(sku: str, category: str) -> str:
    """An SVG picture, the same whenever it is asked for."""
    chance = random.Random(sku)
    hue = chance.randrange(360)
    beside = (hue + chance.choice((40, 150, 180, 210))) % 360
    sign = SIGNS.get(category, SIGNS["toys"]).format(
        main=colour(hue, 0.55, 0.52), dark=colour(hue, 0.45, 0.32), light=colour(beside, 0.65, 0.74)
    )
    size = chance.uniform(0.9, 1.1)
    turn = chance.uniform(-7, 7)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="400" height="400" role="img">'
        f'<rect width="100" height="100" fill="{colour(beside, 0.40, 0.93)}"/>'
        f'<circle cx="{chance.uniform(25, 75):.1f}" cy="{chance.uniform(20, 50):.1f}" r="{chance.uniform(22, 38):.1f}" '
        f'fill="{colour(beside, 0.45, 0.87)}"/>'
        '<ellipse cx="50" cy="84" rx="30" ry="4" fill="#000" fill-opacity="0.13"/>'
        f'<g transform="translate(50 50) rotate({turn:.1f}) scale({size:.2f}) translate(-50 -50)">{sign}</g>'
        "</svg>\n"
    )


def colour(hue: int, saturation: float, lightness: float) -> str:
    """A colour as every program that shows SVG reads it. ``hue`` is in degrees."""
    red, green, blue = colorsys.hls_to_rgb(hue % 360 / 360, lightness, saturation)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
