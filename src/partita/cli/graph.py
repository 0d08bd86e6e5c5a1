"""``partita graph``: who calls whom, and who publishes what."""

from __future__ import annotations

import json

import click

from partita.service.declarations import subscriptions_of
from partita.system.model import System
from partita.system.target import DEFAULT_TARGET, load_system

__all__ = ["graph"]


@click.command()
@click.argument("system", default=DEFAULT_TARGET)
@click.option(
    "--format", "style", type=click.Choice(["text", "mermaid", "dot", "json"]), default="text", help="How to draw it."
)
def graph(system: str, style: str) -> None:
    """Draw SYSTEM (module[:attr] or a file): calls as arrows, events as dashed arrows."""
    found = load_system(system)
    draw = {"text": _text, "mermaid": _mermaid, "dot": _dot, "json": _json}[style]
    click.echo(draw(found))


def _calls(system: System) -> list[tuple[str, str]]:
    return [(name, callee) for name, member in system.members.items() for callee in sorted(set(member.calls.values()))]


def _events(system: System) -> list[tuple[str, str, str]]:
    """(publisher, event, subscriber) for each event that another service reacts to."""
    publisher = {event: name for name, member in system.members.items() for event in member.contract.publishes}
    return [
        (publisher[each.event], each.event.__partita__["name"], name)
        for name, member in system.members.items()
        for each in subscriptions_of(member.cls)
        if each.event in publisher
    ]


def _text(system: System) -> str:
    width = max(len(name) for name in system.members)
    lines = [f"{system.name}: {len(system.members)} services, in the order of their start", ""]
    events = _events(system)
    for name in system.order():
        member = system.members[name]
        calls = ", ".join(sorted(set(member.calls.values()))) or "-"
        publishes = ", ".join(event.__partita__["name"] for event in member.contract.publishes)
        lines.append(f"  {name:<{width}}  calls {calls}" + (f"; publishes {publishes}" if publishes else ""))
        lines += [
            f"  {'':<{width}}  reacts to {event} of {source}" for source, event, target in events if target == name
        ]
    return "\n".join(lines)


def _mermaid(system: System) -> str:
    lines = ["graph LR", "  gateway([gateway])"]
    for name, member in system.members.items():
        lines.append(f"  {name}[{name}]")
        if any(not operation.access.is_internal for operation in member.contract.operations.values()):
            lines.append(f"  gateway --> {name}")
    lines += [f"  {caller} --> {callee}" for caller, callee in _calls(system)]
    lines += [f"  {source} -. {event} .-> {target}" for source, event, target in _events(system)]
    return "\n".join(lines)


def _dot(system: System) -> str:
    lines = [f'digraph "{system.name}" {{', "  rankdir=LR; node [shape=box];"]
    lines += [f'  "{name}";' for name in system.members]
    lines += [f'  "{caller}" -> "{callee}";' for caller, callee in _calls(system)]
    lines += [f'  "{a}" -> "{b}" [style=dashed, label="{event}"];' for a, event, b in _events(system)]
    return "\n".join([*lines, "}"])


def _json(system: System) -> str:
    events = [{"publisher": a, "event": event, "subscriber": b} for a, event, b in _events(system)]
    calls = [{"caller": caller, "callee": callee} for caller, callee in _calls(system)]
    document = {"system": system.name, "services": list(system.members), "calls": calls, "events": events}
    return json.dumps(document, indent=2)
