"""Names of modules and globals: which a rule can name, and the line of a policy file that would name one.

Rules that hold here:

* Names are exact: no globs, no prefixes, no dunder names (S2).
* What is suggested is one line and TOML whatever the names hold, because names come from the input.
"""

from __future__ import annotations

from collections.abc import Iterable

from .gadgets import gadget_reason

__all__ = ["KNOWN_GADGET", "is_dunder", "module_problem", "name_problem", "suggestion"]

#: What stands among the rights of a ``[globals]`` line where a known gadget is allowed all the same.
KNOWN_GADGET = "known-gadget"

#: Longest module name, and longest qualified name, in a rule.
NAME_LIMIT = 200

#: Modules with a dunder name that classes of real pickles do come from.
_MAIN_MODULES = frozenset({"__main__", "__mp_main__"})


def module_problem(module: str) -> str | None:
    """Return why a rule cannot name this module, or None where it can."""
    parts = module.split(".")
    if not module:
        return "a module's name cannot be empty"
    if "*" in module:
        return "no globs and no prefixes: name the one module, and every global in it that the data needs"
    if len(module) > NAME_LIMIT or not all(map(_is_module_part, parts)):
        return "not a module's name: write it as in `import a.b`"
    if "__builtin__" in parts:
        return "this is Python 2's name; rules use Python 3's: builtins"
    if module not in _MAIN_MODULES and any(map(is_dunder, parts)):
        return "dunder modules cannot be listed, but for __main__ and __mp_main__"
    return None


def name_problem(name: str) -> str | None:
    """Return why a rule cannot name a global of this qualified name, or None where it can."""
    parts = name.split(".")
    if not name:
        return "a global's name cannot be empty"
    if "*" in name:
        return "no globs and no prefixes: list each global that the data needs by its own name"
    if any(map(is_dunder, parts)):
        return "dunder names cannot be listed: they lead from data to the interpreter's insides"
    if len(name) > NAME_LIMIT or not all(part.isidentifier() for part in parts):
        return "not a qualified name: write it as in `class Outer: class Inner`, Outer.Inner"
    return None


def is_dunder(part: str) -> bool:
    """Say whether a name is one of the interpreter's own."""
    return part.startswith("__") and part.endswith("__")


def _is_module_part(part: str) -> bool:
    # Files such as `my-script.py` are modules too (runpy, importlib), hence the hyphen.
    return part.replace("-", "_").replace("_", "a").isalnum() and part.isprintable()


def suggestion(module: str, name: str, rights: str | Iterable[str]) -> str:
    """Return the line of a policy file's ``[globals]`` that would allow a global; loud for a known gadget.

    It is one line and TOML whatever the names hold, because names come from the input. For names that no rule
    can list it is empty.
    """
    if module_problem(module) or name_problem(name):
        return ""
    words = [rights] if isinstance(rights, str) else [*rights]
    if gadget_reason(module, name) is not None:
        words.append(KNOWN_GADGET)
    return f"{_toml(f'{module}:{name}')} = [{', '.join(map(_toml, words))}]"


def _toml(text: str) -> str:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'  # as nearly all names are: a refusal is made for every stream that is refused
    body = "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08X}" for c in text)
    return f'"{body}"'
