"""``partita openapi``: the OpenAPI document of a system or of one of its services."""

from __future__ import annotations

import json

import click

from partita.cli.screen import say
from partita.cli.values import meant
from partita.contract.openapi import openapi as document_of
from partita.core.errors import StartFailed
from partita.system.target import DEFAULT_TARGET, load_system

__all__ = ["openapi"]


@click.command(
    epilog="""\b
Examples:
  partita openapi examples.shop.system > openapi.json
  partita openapi examples.shop.system --service orders --all
"""
)
@click.argument("system", default=DEFAULT_TARGET)
@click.option("--service", help="Just this service.")
@click.option("--all", "everything", is_flag=True, help="Internal operations too.")
def openapi(system: str, service: str | None, everything: bool) -> None:
    """Print the OpenAPI 3.1 document of SYSTEM (module[:attr] or a file), as the gateway shows it."""
    found = load_system(system)
    if service is not None and service not in found.members:
        raise StartFailed(f"{found.name} has no service {service}. {meant(service, found.members)}")
    contracts = [member.contract for name, member in found.members.items() if service in (None, name)]
    document = document_of(contracts, title=service or found.name, public_only=not everything)
    say(json.dumps(document, indent=2, ensure_ascii=False))
