"""Looks at pickles without loading them: pickletools' functions, for hostile input."""

from .assembly import dis, genops, optimize

__all__ = ["dis", "genops", "optimize"]
