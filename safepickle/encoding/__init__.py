"""Encoding: the encoder, the reduce protocol, and the gate on the writing side."""
