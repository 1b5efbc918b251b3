"""Policies: which globals a stream may name, and what it may do with each. Knows nothing of bytes."""
