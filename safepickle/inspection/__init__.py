"""Looks at pickles without loading them: the inert tree, and pickletools' functions for hostile input."""

from .assembly import dis, genops, optimize
from .tree import Buffer, Call, Global, Operation, PersistentId, Tree, inspect

__all__ = ["Buffer", "Call", "Global", "Operation", "PersistentId", "Tree", "dis", "genops", "inspect", "optimize"]
