"""Draws a system as SVG: ``python docs/images/draw.py examples.shop.system > docs/images/shop.svg``.

Services stand in columns, each to the right of those that call it. A call that skips a column keeps a place of its own
there, so that its arrow crosses no box.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from partita.runtime.tables import tables_of
from partita.system.model import System
from partita.system.target import load_system

__all__ = ["draw"]

WIDTH, HEIGHT, GAP_X, GAP_Y, LANE = 168, 60, 72, 26, 8
LEFT, TOP = 130, 56
STYLE = """
  text { font-family: ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1c2733 }
  .name { font-size: 16px; font-weight: 600 } .small { font-size: 11px; fill: #5b6b7b }
  .box { fill: #f4f7fb; stroke: #51677d; stroke-width: 1.3 } .data { fill: #dbe6f3; stroke: #51677d; stroke-width: 1.1 }
  .call { fill: none; stroke: #2f6fb1; stroke-width: 1.6 } .tip { fill: #2f6fb1 }
  .gate { fill: #2b3a4a } .light { fill: #ffffff }
  .on-gate { fill: #ffffff; font-size: 14px; text-anchor: middle }
  .enter { fill: none; stroke: #2b3a4a; stroke-width: 1.6 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9fb0c0 }
    .box { fill: #1b2530; stroke: #7f95aa } .data { fill: #2c3d4f; stroke: #7f95aa }
    .call { stroke: #6cb0f0 } .tip { fill: #6cb0f0 } .enter { stroke: #9fb0c0 }
    .gate { fill: #3a4c5f } .light { fill: #0f161d }
  }
"""


@dataclass
class Spot:
    """A place in a column: a service's, or that of a call which passes by (``via``)."""

    name: str
    depth: int
    via: bool = False
    callees: list[Spot] = field(default_factory=list)
    x: float = 0
    y: float = 0

    @property
    def height(self) -> int:
        """Pixels."""
        return LANE if self.via else HEIGHT


def _depths(system: System) -> dict[str, int]:
    """How many calls lie at most between a service and the first of its callers."""
    depths = dict.fromkeys(system.members, 0)
    for name in reversed(system.order()):  # callers come before those that they call
        for callee in system.members[name].calls.values():
            depths[callee] = max(depths[callee], depths[name] + 1)
    return depths


def _columns(system: System) -> list[list[Spot]]:
    depths = _depths(system)
    spots = {name: Spot(name, depths[name]) for name in system.members}
    columns: list[list[Spot]] = [[] for _ in range(max(depths.values()) + 1)]
    for name in sorted(spots, key=lambda name: len(set(system.members[name].calls.values()))):
        columns[depths[name]].append(spots[name])
    for name, spot in spots.items():
        for callee in sorted(set(system.members[name].calls.values())):
            before = spot
            for depth in range(spot.depth + 1, depths[callee]):
                lane = Spot(callee, depth, via=True)
                columns[depth].append(lane)
                before.callees.append(lane)
                before = lane
            before.callees.append(spots[callee])
    for left, right in pairwise(columns):
        rank = {id(spot): number for number, spot in enumerate(left)}

        def middle(spot: Spot, left: list[Spot] = left, rank: dict[int, int] = rank) -> tuple[float, str]:
            above = [rank[id(each)] for each in left if spot in each.callees]
            return sum(above) / len(above) if above else len(left), spot.name

        right.sort(key=middle)
    return columns


def _place(columns: list[list[Spot]]) -> float:
    """Give each spot its coordinates; return the height of the highest column."""
    heights = [sum(spot.height for spot in column) + GAP_Y * (len(column) - 1) for column in columns]
    for number, (column, height) in enumerate(zip(columns, heights, strict=True)):
        y = TOP + (max(heights) - height) / 2
        for spot in column:
            spot.x, spot.y = LEFT + number * (WIDTH + GAP_X), y
            y += spot.height + GAP_Y
    return max(heights)


def _service(system: System, spot: Spot) -> list[str]:
    member = system.members[spot.name]
    operations = member.contract.operations.values()
    public = sum(not each.access.is_internal for each in operations)
    counts = f"{public} public, {len(operations) - public} internal"
    x, y = spot.x, spot.y
    lines = [
        f'<g class="service" data-service="{escape(spot.name)}">',
        f'<rect class="box" x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="9"/>',
        f'<text class="name" x="{x + 14:g}" y="{y + 26:g}">{escape(spot.name)}</text>',
        f'<text class="small" x="{x + 14:g}" y="{y + 44:g}">{counts}</text>',
    ]
    if tables_of(member.cls) is not None:
        a, b, c = x + WIDTH - 34, y + 18, 22
        lines += [
            f'<path class="data" d="M{a:g} {b:g} v{c} a11 4 0 0 0 22 0 v-{c} a11 4 0 0 0 -22 0 a11 4 0 0 0 22 0"/>',
        ]
    return [*lines, "</g>"]


def _calls(spot: Spot) -> list[str]:
    lines = []
    for callee in spot.callees:
        x, y = spot.x + WIDTH, spot.y + spot.height / 2
        to, at = callee.x, callee.y + callee.height / 2
        bend = (to - x) / 2
        straight = f" H{to + WIDTH:g}" if callee.via else ""
        tip = "" if callee.via else ' marker-end="url(#tip)"'
        last = callee.name
        caller = f' data-caller="{escape(spot.name)}"' if not spot.via else ""
        lines.append(
            f'<path class="call"{caller} data-callee="{escape(last)}" d="M{x:g} {y:g} C{x + bend:g} {y:g} '
            f'{to - bend:g} {at:g} {to:g} {at:g}{straight}"{tip}/>'
        )
    return lines


def draw(system: System) -> str:
    """The picture of ``system``."""
    columns = _columns(system)
    height = _place(columns)
    width = LEFT + len(columns) * (WIDTH + GAP_X) - GAP_X + 24
    spots = [spot for column in columns for spot in column]
    bottom = TOP + height
    head = f"{escape(system.name)}: who calls whom. Each service is a process with a database of its own."
    foot = "The gateway lets outside calls through to public operations; internal ones are for services only."
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 56:g}" role="img">',
        f"<title>{escape(system.name)}: {len(system.members)} services, and who calls whom</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">',
        '<path class="tip" d="M0 0 L10 5 L0 10 z"/></marker></defs>',
        f'<rect class="light" width="{width}" height="{bottom + 56:g}" rx="12"/>',
        f'<rect class="gate" x="24" y="{TOP}" width="42" height="{height:g}" rx="10"/>',
        f'<text class="on-gate" transform="translate(50 {TOP + height / 2:g}) rotate(-90)">gateway</text>',
        f'<path class="enter" d="M66 {TOP + height / 2:g} H{LEFT - 20}"/>',
        f'<path class="enter" d="M{LEFT - 12} {TOP - 14} h-8 V{bottom + 14:g} h8"/>',
        f'<text class="small" x="24" y="30">{head}</text>',
        f'<text class="small" x="24" y="{bottom + 40:g}">{foot}</text>',
    ]
    for spot in spots:
        lines += _calls(spot)
    for spot in spots:
        if not spot.via:
            lines += _service(system, spot)
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(draw(load_system(sys.argv[1])))
