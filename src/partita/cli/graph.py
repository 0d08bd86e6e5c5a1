"""``partita graph``: who calls whom, and who publishes what."""

from __future__ import annotations

import json

import click

from partita.cli.screen import count, say
from partita.service.declarations import subscriptions_of
from partita.system.model import System
from partita.system.target import DEFAULT_TARGET, load_system

__all__ = ["graph"]


@click.command(
    epilog="""\b
Examples:
  partita graph examples.shop.system
  partita graph examples.shop.system --format mermaid
  partita graph --format dot | dot -Tsvg > system.svg
"""
)
@click.argument("system", default=DEFAULT_TARGET)
@click.option(
    "--format", "style", type=click.Choice(["text", "mermaid", "dot", "json"]), default="text", help="How to draw it."
)
def graph(system: str, style: str) -> None:
    """Draw SYSTEM (module[:attr] or a file): calls as arrows, events as dashed arrows."""
    found = load_system(system)
    draw = {"text": _text, "mermaid": _mermaid, "dot": _dot, "json": _json}[style]
    say(draw(found))


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
    lines = [f"{system.name}: {count(len(system.members), 'service')}, in the order of their start", ""]
    events = _events(system)
    for name in system.order():
        member = system.members[name]
        public = sum(not operation.access.is_internal for operation in member.contract.operations.values())
        facts = [f"{count(len(member.contract.operations), 'operation')}, {public} at the gateway"]
        if callees := sorted(set(member.calls.values())):
            facts.append(f"calls {', '.join(callees)}")
        if member.contract.publishes:
            facts.append(f"publishes {', '.join(event.__partita__['name'] for event in member.contract.publishes)}")
        facts += [f"reacts to {event} of {source}" for source, event, target in events if target == name]
        first, *others = facts
        lines += [f"  {name:<{width}}  {first}", *(f"  {'':<{width}}  {fact}" for fact in others)]
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
    lines = [f'digraph "{system.name}" {{', "  rankdir=LR; node [shape=box];", '  "gateway" [shape=ellipse];']
    for name, member in system.members.items():
        lines.append(f'  "{name}";')
        if any(not operation.access.is_internal for operation in member.contract.operations.values()):
            lines.append(f'  "gateway" -> "{name}";')
    lines += [f'  "{caller}" -> "{callee}";' for caller, callee in _calls(system)]
    lines += [f'  "{a}" -> "{b}" [style=dashed, label="{event}"];' for a, event, b in _events(system)]
    return "\n".join([*lines, "}"])


def _json(system: System) -> str:
    events = [{"publisher": a, "event": event, "subscriber": b} for a, event, b in _events(system)]
    calls = [{"caller": caller, "callee": callee} for caller, callee in _calls(system)]
    document = {"system": system.name, "services": list(system.members), "calls": calls, "events": events}
    return json.dumps(document, indent=2)
