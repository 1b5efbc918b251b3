"""safepickle: the whole pickle system, decoded by one machine under an allowlist policy and within limits.

The names and arguments are pickle's; ``policy=`` and ``limits=`` are added. Without them only plain data is loaded,
within default limits.

Rules that hold here:

* Nothing is done here but naming. What a name stands for is complete when it can be had: modules of the package never
  import each other in a circle, so no thread sees one that another is half through (a test holds them to that).
"""

from __future__ import annotations

import pickle as _pickle
import typing as _typing
from pickle import PickleBuffer as PickleBuffer
from pickle import PickleError as PickleError
from pickle import PicklingError as PicklingError
from pickle import UnpicklingError as UnpicklingError

from .errors import BadSignatureError as BadSignatureError
from .errors import Denial as Denial
from .errors import EmptyInputError as EmptyInputError
from .errors import EncodingError as EncodingError
from .errors import ExpiredError as ExpiredError
from .errors import FormatError as FormatError
from .errors import InternalError as InternalError
from .errors import KeyRingError as KeyRingError
from .errors import LimitError as LimitError
from .errors import NotYetValidError as NotYetValidError
from .errors import PolicyError as PolicyError
from .errors import PolicyFileError as PolicyFileError
from .errors import PolicyMismatchError as PolicyMismatchError
from .errors import ReconstructionError as ReconstructionError
from .errors import ReplayedError as ReplayedError
from .errors import RevokedKeyError as RevokedKeyError
from .errors import SafePickleError as SafePickleError
from .errors import ShapeError as ShapeError
from .errors import SignatureError as SignatureError
from .errors import StateError as StateError
from .errors import TrailingDataError as TrailingDataError
from .errors import TruncatedError as TruncatedError
from .errors import UnknownKeyError as UnknownKeyError
from .errors import UnsignedError as UnsignedError
from .limits import DEFAULT_LIMITS as DEFAULT_LIMITS
from .limits import UNLIMITED as UNLIMITED
from .limits import Limits as Limits
from .policy.rules import PLAIN as PLAIN
from .policy.rules import UNRESTRICTED as UNRESTRICTED
from .policy.rules import FindClass as FindClass
from .policy.rules import Policy as Policy
from .policy.rules import Right as Right
from .policy.rules import Rule as Rule

__version__ = "0.1.0"

#: The protocol that ``dumps`` writes when none is given: that of the running Python's pickle.
DEFAULT_PROTOCOL: int = _pickle.DEFAULT_PROTOCOL

if _typing.TYPE_CHECKING:
    from ._forms import COMPILED as COMPILED
    from .auditing import GO_ON_UNENFORCED as GO_ON_UNENFORCED
    from .auditing import AuditingCodec as AuditingCodec
    from .auditing import AuditLog as AuditLog
    from .auditing import AuditReport as AuditReport
    from .codec import Codec as Codec
    from .decoding.unpickler import Survey as Survey
    from .decoding.unpickler import Unpickler as Unpickler
    from .decoding.unpickler import load as load
    from .decoding.unpickler import loads as loads
    from .decoding.unpickler import survey as survey
    from .encoding.pickler import Pickler as Pickler
    from .encoding.pickler import dump as dump
    from .encoding.pickler import dumps as dumps
    from .inspection.tree import Tree as Tree
    from .inspection.tree import inspect as inspect
    from .signing.freshness import ReplayGuard as ReplayGuard
    from .signing.keys import Key as Key
    from .signing.keys import KeyRing as KeyRing
    from .signing.migration import AcceptUnsigned as AcceptUnsigned
    from .wire.opcodes import HIGHEST_PROTOCOL as HIGHEST_PROTOCOL

#: Names whose module is imported, whole and under the import system's locks, when they are first asked for, so that
#: ``import safepickle`` stays light. ``from safepickle import loads`` imports at once all that loading needs.
_LAZY = {
    "COMPILED": "._forms",
    **dict.fromkeys(("AuditLog", "AuditReport", "AuditingCodec", "GO_ON_UNENFORCED"), ".auditing"),
    "Codec": ".codec",
    **dict.fromkeys(("Survey", "Unpickler", "load", "loads", "survey"), ".decoding.unpickler"),
    **dict.fromkeys(("Pickler", "dump", "dumps"), ".encoding.pickler"),
    **dict.fromkeys(("Tree", "inspect"), ".inspection.tree"),
    "ReplayGuard": ".signing.freshness",
    **dict.fromkeys(("Key", "KeyRing"), ".signing.keys"),
    "AcceptUnsigned": ".signing.migration",
    "HIGHEST_PROTOCOL": ".wire.opcodes",
}


def __getattr__(name: str) -> _typing.Any:
    if name == "__all__":  # `from safepickle import *` asks for it
        return [known for known in __dir__() if not known.startswith("_")]
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(module, __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
