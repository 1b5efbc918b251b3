"""Terms: the policies and limits that the targets load under, the package's forms, and what the policies allow.

Rules that hold here:

* Everything is made once, when the first target is loaded; every module that a policy names is imported then, so that
  an import during a load is a finding.
* No limit is so wide that one input takes seconds.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, NamedTuple

import safepickle
from fuzz import samples
from safepickle import _forms
from safepickle.limits import Limits
from safepickle.policy.rules import PLAIN, Policy, Right, Rule

SAMPLES = samples.__name__

APP = Policy(
    name="app",
    rules=[
        *[Rule(module=SAMPLES, name=name, rights=Right.parse(rights.split())) for name,
        rights in samples.RIGHTS.items()],
        *[Rule(module=m, name=n, rights=Right.REFER | Right.CALL | Right.NEW) for m, n in samples.LISTED_GADGETS],
    ],
)
STDLIB = Policy.packs("stdlib")
BOTH = STDLIB | APP

#: Enough for every input that a fuzzer writes, and no more.
LIMITS = Limits(
    max_bytes="1 MiB", max_opcodes=100_000, max_objects=50_000, max_items=50_000, max_calls=2_000,
    max_memory="16 MiB", max_hash_work=100_000, max_seconds=20,
)  # fmt: skip
#: So little that programs of ordinary size meet every one of them.
TIGHT = Limits(
    max_bytes=400, max_opcodes=60, max_depth=6, max_memo=8, max_objects=12, max_items=5, max_string=20,
    max_int_bits=40, max_calls=3, max_memory=6_000, max_hash_work=30,
)  # fmt: skip


class Terms(NamedTuple):
    """What one load is given beside its data."""

    title: str
    policy: Policy
    options: dict[str, Any]


def buffers() -> list[Any]:
    """Return out-of-band buffers, fresh ones."""
    return [b"frozen", bytearray(b"open"), b"", bytearray(3)]


TERMS = (
    Terms("plain", PLAIN, {}),
    Terms("stdlib", STDLIB, {"encoding": "latin1"}),
    Terms("app", BOTH, {"encoding": "bytes", "fix_imports": False, "buffers": buffers}),
)

#: The package in each form there is, compiled first.
FORMS: dict[str, ModuleType] = {"python": _forms.python_form()}
if safepickle.COMPILED:
    FORMS = {"compiled": safepickle, **FORMS}

#: The form that targets which need only one look at: what is installed.
package: Any = safepickle


def use_form(form: str) -> None:
    """Have all targets look at this form of the package."""
    global package  # noqa: PLW0603  one choice for the process, made when it starts
    package = FORMS[form]


def options_of(terms: Terms) -> dict[str, Any]:
    """Return the keyword arguments of one load, with fresh buffers."""
    options = dict(terms.options)
    if "buffers" in options:
        options["buffers"] = options["buffers"]()
    return {"policy": terms.policy, **options}


def load(data: Any, terms: Terms, limits: Limits = LIMITS, form: Any = None) -> Any:
    """Load *data* under some terms."""
    return (form or package).loads(data, limits=limits, **options_of(terms))


def warm_up() -> None:
    """Import what the policies name and what loads of the package import late."""
    samples.register_extensions()
    for module, _ in BOTH.rules:
        with suppress(ImportError):
            import_module(module)
    for name in ("encodings.ascii", "encodings.latin_1", "encodings.utf_8", "encodings.raw_unicode_escape",
                 "encodings.unicode_escape", "encodings.utf_8_sig", "encodings.utf_16", "encodings.utf_16_le",
                 "encodings.utf_16_be",
                 "encodings.utf_32", "encodings.utf_32_le", "encodings.utf_32_be", "zoneinfo._common",
                 "importlib.resources", "copy",
                 "_strptime"):  # fmt: skip
        import_module(name)
    with suppress(ImportError):
        import_module("tzdata")
    for form in FORMS.values():
        # Some modules of the package are loaded when they are first needed, in the middle of a load.
        for room in ("decoding", "encoding", "wire", "policy", "signing", "inspection"):
            place = import_module(f"{form.__name__}.{room}")
            for found in iter_modules(place.__path__):
                import_module(f"{place.__name__}.{found.name}")
    sys.modules.pop("fuzz.landmine", None)


warm_up()
