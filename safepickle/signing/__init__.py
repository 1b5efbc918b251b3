"""Signing: key rings, the signed envelope, and the signed stream. Specified byte by byte in docs/envelope.md."""
