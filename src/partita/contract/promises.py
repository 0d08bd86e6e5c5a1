"""What a verb declares beside the signature, and what is wrong with it: status, bounds, access, problems."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from partita.contract.access import Access
from partita.contract.operation import Declared, Kind
from partita.contract.problem import RESERVED, Problem
from partita.contract.problems import BUILT_IN, Internal
from partita.contract.types import default_fault, faults_of, problem_members

__all__ = ["TIMEOUT_MAX_S", "declared_faults", "problem_faults"]

TIMEOUT_MAX_S = 3600
"""The longest timeout of an operation, in seconds: what takes longer is a saga."""

_ACCESS_REMEDY = 'Use PUBLIC, USER, INTERNAL or role("...").'
_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def declared_faults(declared: Declared, kind: Kind, bodies: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Fact and remedy of each mistake in a verb's arguments. ``bodies`` names the arguments that are a body."""
    if declared.method == "GET" and bodies:
        yield f"{bodies[0]} is a body, and GET has none.", "Use scalars, which travel as the query, or @post."
    if declared.method == "DELETE" and bodies:
        fact = f"{bodies[0]} is a body, which a proxy may take from a DELETE (RFC 9110, 9.3.5)."
        yield fact, "Use scalars, which travel as the query, or @post."
    if declared.status is not None and not 200 <= declared.status <= 299:
        yield f"{declared.status} is no status of success.", "Use 200 to 299; failures are Problems."
    if declared.status in (204, 205) and kind != "nothing":
        yield f"{declared.status} has no body, and it returns one.", 'Write "-> None", or another status.'
    if not _is_number(declared.timeout) or not 0 < declared.timeout <= TIMEOUT_MAX_S:
        yield f"its timeout is {declared.timeout} s.", f"Give it more than 0, and {TIMEOUT_MAX_S} at most."
    if not _is_number(declared.body_max) or declared.body_max < 1:
        yield f"its body_max is {declared.body_max} bytes.", "Give it more than 0."
    if not isinstance(declared.access, Access):
        yield f"its access is {declared.access!r}.", _ACCESS_REMEDY
    elif declared.access == Access():
        yield "its access lets nobody in.", _ACCESS_REMEDY
    elif not all(declared.access.roles):
        yield "its access names a role without a name.", 'Write role("admin").'
    if declared.idempotency not in ("optional", "required", "none"):
        yield f"its idempotency is {declared.idempotency!r}.", 'Use "optional", "required" or "none".'
    if isinstance(declared.raises, type) or not isinstance(declared.raises, Sequence):
        name = getattr(declared.raises, "__name__", repr(declared.raises))
        yield f"raises is {name}.", f"Write a list: raises=[{name}]."
    else:
        yield from _raises_faults(declared.raises)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _raises_faults(problems: Sequence[Any]) -> Iterator[tuple[str, str]]:
    codes: dict[str, type[Problem]] = {}
    for problem in problems:
        if not (isinstance(problem, type) and issubclass(problem, Problem)) or problem is Problem:
            yield f"raises holds {getattr(problem, '__name__', repr(problem))}.", "Derive a class from Problem."
            continue
        other = codes.setdefault(problem.code, problem)
        if other is not problem:
            names = f"{other.__name__} and {problem.__name__}"
            yield f"{names} have the code {problem.code!r}.", 'Give one its own: code="...".'
        yield from problem_faults(problem)


def problem_faults(problem: type[Problem]) -> Iterator[tuple[str, str]]:
    """Fact and remedy of each mistake in a problem class."""
    name = problem.__name__
    if not (_is_number(problem.status) and 400 <= problem.status <= 599):
        yield f"{name} has the status {problem.status}.", "Give it one from 400 to 599."
    if not _CODE.fullmatch(problem.code):
        yield f"{name} has the code {problem.code!r}.", "Use lower-case letters, digits and hyphens."
    own = {**BUILT_IN, Internal.code: Internal}.get(problem.code)
    if own is not None and own is not problem:
        yield f"{name} has the code {problem.code!r}, which Partita answers with.", "Use Partita's, or another name."
    try:
        members = list(problem_members(problem))
    except NameError as error:
        remedy = "Import or define it in the problem's module: not in a function, not under TYPE_CHECKING."
        yield f"{name} names {error.name!r}, which is not defined.", remedy
        return
    for field, hint, default, given in members:
        if field in RESERVED:
            yield f"{name}.{field} has a name that RFC 9457 uses itself.", "Choose another name."
            continue
        if hasattr(Problem, field):
            yield f"{name}.{field} has a name that every Problem has.", "Choose another name."
            continue
        faults = faults_of(hint, f"{name}.{field}", secrets=False)
        for path, fact, remedy in faults:
            yield f"{path} {fact}", remedy
        if given and not faults and (why := default_fault(default, hint)):
            yield f"{name}.{field} {why}", "Change the default or the type."
