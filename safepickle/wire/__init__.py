"""The wire: bytes and opcodes. Knows no policy."""
