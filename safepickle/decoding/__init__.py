"""Decoding: the machine that carries out opcodes, its budget, and the gate through which every global goes."""
