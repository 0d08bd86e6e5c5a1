"""Partita: systems made of microservices, written once, run in one process, as an ensemble, or on Kubernetes.

Everything that a team writes services with is here. The names are loaded when they are first used, so that
``pip install partita`` alone is enough for contracts and the client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from partita.adapters.http.connect import connect as connect
    from partita.contract.access import INTERNAL as INTERNAL
    from partita.contract.access import PUBLIC as PUBLIC
    from partita.contract.access import USER as USER
    from partita.contract.access import Access as Access
    from partita.contract.access import role as role
    from partita.contract.contract import Contract as Contract
    from partita.contract.message import Event as Event
    from partita.contract.message import Message as Message
    from partita.contract.money import Money as Money
    from partita.contract.operation import delete as delete
    from partita.contract.operation import get as get
    from partita.contract.operation import patch as patch
    from partita.contract.operation import post as post
    from partita.contract.operation import put as put
    from partita.contract.page import Page as Page
    from partita.contract.page import pages as pages
    from partita.contract.parameters import Cookie as Cookie
    from partita.contract.parameters import Download as Download
    from partita.contract.parameters import Header as Header
    from partita.contract.parameters import Raw as Raw
    from partita.contract.parameters import Upload as Upload
    from partita.contract.problem import Problem as Problem
    from partita.contract.problems import BodyTooLarge as BodyTooLarge
    from partita.contract.problems import Busy as Busy
    from partita.contract.problems import FieldError as FieldError
    from partita.contract.problems import Forbidden as Forbidden
    from partita.contract.problems import Invalid as Invalid
    from partita.contract.problems import Malformed as Malformed
    from partita.contract.problems import MethodNotAllowed as MethodNotAllowed
    from partita.contract.problems import NotAcceptable as NotAcceptable
    from partita.contract.problems import NotFound as NotFound
    from partita.contract.problems import Unauthenticated as Unauthenticated
    from partita.contract.problems import UnsupportedMediaType as UnsupportedMediaType
    from partita.core.blocking import Blocking as Blocking
    from partita.core.call import Call as Call
    from partita.core.call import User as User
    from partita.core.clock import Clock as Clock
    from partita.core.errors import BadResponse as BadResponse
    from partita.core.errors import BlockingFull as BlockingFull
    from partita.core.errors import CallFailed as CallFailed
    from partita.core.errors import CallInsideTransaction as CallInsideTransaction
    from partita.core.errors import CommitForbidden as CommitForbidden
    from partita.core.errors import CommitUnknown as CommitUnknown
    from partita.core.errors import ConnectionLost as ConnectionLost
    from partita.core.errors import Contended as Contended
    from partita.core.errors import ContractRefused as ContractRefused
    from partita.core.errors import DatabaseUnavailable as DatabaseUnavailable
    from partita.core.errors import DeadlineExceeded as DeadlineExceeded
    from partita.core.errors import Misuse as Misuse
    from partita.core.errors import NoUnit as NoUnit
    from partita.core.errors import PartitaError as PartitaError
    from partita.core.errors import Refused as Refused
    from partita.core.errors import SerializationFailure as SerializationFailure
    from partita.core.errors import ServiceRefused as ServiceRefused
    from partita.core.errors import SettingsRefused as SettingsRefused
    from partita.core.errors import StartFailed as StartFailed
    from partita.core.errors import SystemRefused as SystemRefused
    from partita.core.errors import TooManyCalls as TooManyCalls
    from partita.core.errors import TransactionAborted as TransactionAborted
    from partita.core.errors import Unavailable as Unavailable
    from partita.core.errors import UnitEnded as UnitEnded
    from partita.core.errors import UnitShared as UnitShared
    from partita.core.ids import Ids as Ids
    from partita.core.secret import Secret as Secret
    from partita.core.settings import Settings as Settings
    from partita.data.database import Database as Database
    from partita.data.types import UtcDateTime as UtcDateTime
    from partita.service.declarations import Steps as Steps
    from partita.service.declarations import every as every
    from partita.service.declarations import on as on
    from partita.service.declarations import saga as saga
    from partita.service.service import Adapter as Adapter
    from partita.service.service import Service as Service
    from partita.system.member import UserIdentity as UserIdentity
    from partita.system.model import System as System
    from partita.testing.running import running as running

__all__ = [
    "INTERNAL",
    "PUBLIC",
    "USER",
    "Access",
    "Adapter",
    "BadResponse",
    "Blocking",
    "BlockingFull",
    "BodyTooLarge",
    "Busy",
    "Call",
    "CallFailed",
    "CallInsideTransaction",
    "Clock",
    "CommitForbidden",
    "CommitUnknown",
    "ConnectionLost",
    "Contended",
    "Contract",
    "ContractRefused",
    "Cookie",
    "Database",
    "DatabaseUnavailable",
    "DeadlineExceeded",
    "Download",
    "Event",
    "FieldError",
    "Forbidden",
    "Header",
    "Ids",
    "Invalid",
    "Malformed",
    "Message",
    "MethodNotAllowed",
    "Misuse",
    "Money",
    "NoUnit",
    "NotAcceptable",
    "NotFound",
    "Page",
    "PartitaError",
    "Problem",
    "Raw",
    "Refused",
    "Secret",
    "SerializationFailure",
    "Service",
    "ServiceRefused",
    "Settings",
    "SettingsRefused",
    "StartFailed",
    "Steps",
    "System",
    "SystemRefused",
    "TooManyCalls",
    "TransactionAborted",
    "Unauthenticated",
    "Unavailable",
    "UnitEnded",
    "UnitShared",
    "UnsupportedMediaType",
    "Upload",
    "User",
    "UserIdentity",
    "UtcDateTime",
    "connect",
    "delete",
    "every",
    "get",
    "on",
    "pages",
    "patch",
    "post",
    "put",
    "role",
    "running",
    "saga",
]

_HOMES = {
    "adapters.http.connect": "connect",
    "contract.access": "INTERNAL PUBLIC USER Access role",
    "contract.contract": "Contract",
    "contract.message": "Event Message",
    "contract.money": "Money",
    "contract.operation": "delete get patch post put",
    "contract.page": "Page pages",
    "contract.parameters": "Cookie Download Header Raw Upload",
    "contract.problem": "Problem",
    "contract.problems": (
        "BodyTooLarge Busy FieldError Forbidden Invalid Malformed MethodNotAllowed NotAcceptable NotFound "
        "Unauthenticated UnsupportedMediaType"
    ),
    "core.blocking": "Blocking",
    "core.call": "Call User",
    "core.clock": "Clock",
    "core.errors": (
        "BadResponse BlockingFull CallFailed CallInsideTransaction CommitForbidden CommitUnknown ConnectionLost "
        "Contended ContractRefused DatabaseUnavailable DeadlineExceeded Misuse NoUnit PartitaError Refused "
        "SerializationFailure ServiceRefused SettingsRefused StartFailed SystemRefused TooManyCalls "
        "TransactionAborted Unavailable UnitEnded UnitShared"
    ),
    "core.ids": "Ids",
    "core.secret": "Secret",
    "core.settings": "Settings",
    "data.database": "Database",
    "data.types": "UtcDateTime",
    "service.declarations": "Steps every on saga",
    "service.service": "Adapter Service",
    "system.member": "UserIdentity",
    "system.model": "System",
    "testing.running": "running",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


if not TYPE_CHECKING:  # a checker that saw this would believe every name

    def __getattr__(name: str) -> Any:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module 'partita' has no attribute {name!r}")
        value = getattr(import_module(f"partita.{home}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
