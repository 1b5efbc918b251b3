"""Tells what a load did besides making data: imports, opened files, processes, sockets, canaries.

    with watched() as acts:
        ...
    assert acts == []

What holds here: - One audit hook is installed for the life of the process (hooks cannot be removed); it
looks only while armed, and   only at the thread that armed it. - New entries in `sys.modules` count as acts
too, and so does every line in the canaries' record. - Modules of safepickle itself are free: each form
loads some of its own lazily.
"""

from __future__ import annotations

import codecs
import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from attacks import canary

import safepickle
from safepickle import _forms

#: Audit events that no load of data causes, by their first words.
EVENTS = (
    "import",
    "open",
    "exec",
    "compile",
    "code.__new__",
    "function.__new__",
    "marshal.",
    "subprocess.",
    "os.",
    "pty.",
    "socket.",
    "ctypes.",
    "shutil.",
    "sqlite3.",
    "urllib.",
    "webbrowser.",
    "ftplib.",
    "smtplib.",
    "tempfile.",
    "builtins.input",
    "gc.get_objects",
    "gc.get_referrers",
    "signal.",
    "sys.settrace",
    "sys.setprofile",
    "sys._getframe",
)

#: The threads that are being watched (one, at most), and what they did.
_armed: list[int] = []
_seen: list[str] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _armed or not event.startswith(EVENTS) or threading.get_ident() not in _armed:
        return
    if event == "sys._getframemodulename":
        return  # isinstance() with a Protocol, from Python 3.12 on
    subject = str(arguments[0])[:200] if arguments else ""
    if "safepickle" not in subject:
        _seen.append(f"{event} {subject}")


sys.addaudithook(_hook)

# The first use of a codec imports its module; that is Python's doing, not a stream's.
for _codec in ("ascii", "latin-1", "utf-8", "raw_unicode_escape", "unicode_escape"):
    codecs.lookup(_codec)


# Looking at a refusal imports safepickle's inspection; compiling a source is an act that does not say of what.
for _package in {safepickle.__name__, _forms.python_form().__name__}:
    for _module in ("inspection.locating", "inspection.documents", "inspection.needs"):
        importlib.import_module(f"{_package}.{_module}")


@contextmanager
def watched() -> Iterator[list[str]]:
    """Watch the block; the list is filled in when it ends."""
    acts: list[str] = []
    canary.RECORD.clear()
    _seen.clear()
    modules = set(sys.modules)
    _armed.append(threading.get_ident())
    try:
        yield acts
    finally:
        _armed.clear()
        acts += _seen
        acts += [f"new module {name}" for name in set(sys.modules) - modules if "safepickle" not in name]
        acts += canary.RECORD
