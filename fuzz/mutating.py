"""The custom mutator: changes streams by whole opcodes, so that what comes of it is still nearly a pickle.

Rules that hold here:

* A mutation is a function of the pieces of a stream, the choices and a pool of other streams; `MUTATIONS` is the table.
* Every decision comes from the choices: the same seed gives the same stream.
* `mutate` gives at most *most* bytes, and never the input itself if it can help it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fuzz.assembly import COUNTS, op, split
from fuzz.choices import Choices
from fuzz.generator import CLAIMS, HOSTILE, INDEXES, INTS, LONG_INDEXES, NAMES, ROWS, Generator, frames, global_of
from fuzz.idioms import IDIOMS
from fuzz.idioms import PLAIN as SHAPES
from safepickle.wire.opcodes import ARGUMENTS, BY_BYTE, OPCODES

Pieces = list[bytes]
Mutation = Callable[[Pieces, Choices, Sequence[bytes]], Pieces]


def _place(pieces: Pieces, draw: Choices) -> int:
    # Rarely behind STOP or before PROTO: the inside is what matters.
    return draw.below(len(pieces) + 1) if draw.chance(8) else 1 + draw.below(max(1, len(pieces) - 1))


def _insert_opcode(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    row = draw.pick(ROWS)
    piece = op(row.name, *Generator(draw, careless=3).argument(row))
    at = _place(pieces, draw)
    return [*pieces[:at], piece, *pieces[at:]]


def _insert_idiom(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    at = _place(pieces, draw)
    # Dropped again, or joined with what was there.
    after = draw.pick((b"0", b"\x86", b"a", b"b", b"R", b"s", b""))
    return [*pieces[:at], draw.pick(IDIOMS), after, *pieces[at:]]


def _insert_global(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    at = _place(pieces, draw)
    return [*pieces[:at], global_of(draw), draw.pick((b")R", b")\x81", b"0", b"", b"\x85", b"}b")), *pieces[at:]]


def _insert_program(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    at = _place(pieces, draw)
    generator = Generator(draw, careless=draw.pick((0, 0, 9)))
    for _ in range(1 + draw.below(8)):
        generator.step()
    return [*pieces[:at], *generator.pieces, *pieces[at:]]


def _replace(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    """Put another opcode of the same stack effect in the place of one."""
    at = draw.below(len(pieces))
    row = BY_BYTE.get(pieces[at][0])
    if row is None:
        return pieces
    alike = [other for other in ROWS if other.before == row.before and other.memo == row.memo] or list(ROWS)
    other = draw.pick(alike)
    return [*pieces[:at], op(other.name, *Generator(draw, careless=3).argument(other)), *pieces[at + 1 :]]


def _argument(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    """Write another argument."""
    at = draw.below(len(pieces))
    row = BY_BYTE.get(pieces[at][0])
    if row is None or row.argument == "none":
        return pieces
    if ARGUMENTS[row.argument].shape == "counted" and draw.below(2):
        width = ARGUMENTS[row.argument].width
        payload = pieces[at][1 + width :]
        claim = draw.pick((*CLAIMS, len(payload) + 1, max(0, len(payload) - 1)))
        return [*pieces[:at], op(row.name, payload, claim=claim & (256**width - 1)), *pieces[at + 1 :]]
    if row.name in ("FRAME", "PROTO"):
        number = draw.pick(CLAIMS) if row.name == "FRAME" else draw.below(8)
        return [*pieces[:at], op(row.name, number), *pieces[at + 1 :]]
    if row.memo and row.argument != "index_line":
        number = draw.pick(INDEXES if row.argument == "uint1" else (*INDEXES, *LONG_INDEXES))
        return [*pieces[:at], op(row.name, number), *pieces[at + 1 :]]
    return [*pieces[:at], op(row.name, *Generator(draw, careless=3).argument(row)), *pieces[at + 1 :]]


def _delete(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    at = draw.below(len(pieces))
    return [*pieces[:at], *pieces[at + 1 + draw.below(3) :]]


def _repeat(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    at = draw.below(len(pieces))
    stop = min(len(pieces), at + 1 + draw.below(4))
    return [*pieces[:stop], *pieces[at:stop] * (1 + draw.below(9)), *pieces[stop:]]


def _swap(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    changed = list(pieces)
    one, two = draw.below(len(pieces)), draw.below(len(pieces))
    changed[one], changed[two] = changed[two], changed[one]
    return changed


def _splice(pieces: Pieces, draw: Choices, pool: Sequence[bytes]) -> Pieces:
    """Go on with the rest of another stream, or put a part of it in."""
    if not pool:
        return pieces
    other = split(draw.pick(pool))
    if not other:
        return pieces
    start = draw.below(len(other))
    at = _place(pieces, draw)
    if draw.below(2):
        return [*pieces[:at], *other[start:]]
    return [*pieces[:at], *other[start : start + 1 + draw.below(12)], *pieces[at:]]


def _reframe(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    bare = [piece for piece in pieces if piece[0] not in (0x80, 0x95)]
    return [op("PROTO", 4), frames(bare, draw, wild=True)] if bare else pieces


def _protocol(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    rest = pieces[1:] if pieces[0][0] == 0x80 else pieces
    return [op("PROTO", draw.below(7)), *rest] if draw.below(4) else list(rest)


def _truncate(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    data = b"".join(pieces)
    return [data[: draw.below(len(data) + 1)]]


def _trail(pieces: Pieces, draw: Choices, pool: Sequence[bytes]) -> Pieces:
    return [*pieces, draw.pick(pool) if pool and draw.below(2) else draw.blob(6)]


def _bytes(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    data = bytearray(b"".join(pieces))
    for _ in range(1 + draw.below(3)):
        at = draw.below(len(data))
        how = draw.below(4)
        if how == 0:
            data[at] ^= 1 << draw.below(8)
        elif how == 1:
            data[at] = draw.below(256)
        elif how == 2:
            data[at:at] = bytes([draw.pick(OPCODES).code])
        else:
            data[at : at + 4] = (draw.pick(INTS) & 0xFFFFFFFF).to_bytes(4, "little")
        if not data:
            break
    return [bytes(data)]


def _names(pieces: Pieces, draw: Choices, _pool: Sequence[bytes]) -> Pieces:
    """Name another global."""
    at = draw.below(len(pieces))
    row = BY_BYTE.get(pieces[at][0])
    if row is None or row.argument not in ("name_lines", "utf8_1"):
        return pieces
    module, qualname = draw.pick(NAMES)
    if row.argument == "name_lines":
        return [*pieces[:at], op(row.name, module, qualname), *pieces[at + 1 :]]
    return [*pieces[:at], op(row.name, draw.pick((module, qualname))), *pieces[at + 1 :]]


MUTATIONS: tuple[Mutation, ...] = (
    _insert_opcode, _insert_idiom, _insert_idiom, _insert_global, _insert_program, _replace, _argument, _argument,
    _delete,
    _repeat, _swap, _splice, _splice, _reframe, _protocol, _truncate, _trail, _bytes, _names,
)  # fmt: skip


def mutate(data: bytes, draw: Choices, pool: Sequence[bytes], most: int = 4096) -> bytes:
    """Return a stream made from *data* by a few mutations."""
    changed = data
    for _ in range(1 + draw.below(3)):
        pieces = split(changed)
        if not pieces:
            return generate(draw)[:most]
        changed = b"".join(draw.pick(MUTATIONS)(pieces, draw, pool))
        if changed == data:
            changed = b"".join(_bytes(pieces, draw, pool))
    return changed[:most]


def openings(draw: Choices) -> list[bytes]:
    """Return every attack and shape of the grammar alone, in any order: where an engine without a corpus begins."""
    bodies = list(dict.fromkeys((*HOSTILE, *SHAPES)))
    for index in range(len(bodies) - 1, 0, -1):
        other = draw.below(index + 1)
        bodies[index], bodies[other] = bodies[other], bodies[index]
    return [op("PROTO", draw.pick((2, 4, 5))) + body + b"." for body in bodies]


def generate(draw: Choices) -> bytes:
    """Return a stream of the grammar: well-typed, nearly so, or plain."""
    kind = draw.below(6)
    if kind > 3:
        # One attack, in a stream that nothing else is wrong with; or two, one after another.
        bodies = [draw.pick(HOSTILE) for _ in range(kind - 3)]
        return op("PROTO", draw.pick((2, 4, 5))) + b"0".join(bodies) + b"."
    careless = (0, 30, 8, 0)[kind]
    return Generator(draw, careless=careless, plain=kind == 3).run(2 + draw.below(24))


def mutate_bytes(data: bytes, draw: Choices, pool: Sequence[bytes], most: int = 4096) -> bytes:
    """Change an input that is no stream: bytes of choices, signed data."""
    changed = bytearray(data)
    for _ in range(1 + draw.below(4)):
        how = draw.below(6)
        at = draw.below(len(changed) + 1)
        if how == 0 or not changed:
            changed[at:at] = draw.blob(8)
        elif how == 1:
            del changed[at : at + 1 + draw.below(8)]
        elif how == 2 and pool:
            other = draw.pick(pool)
            start = draw.below(len(other) + 1)
            changed[at:] = other[start:]
        elif how == 3:
            changed[at:at] = changed[at : at + 1 + draw.below(16)]
        else:
            at = min(at, len(changed) - 1)
            changed[at] = draw.below(256) if how == 4 else changed[at] ^ (1 << draw.below(8))
    return bytes(changed[:most])


def generate_bytes(draw: Choices) -> bytes:
    """Return bytes of any kind."""
    return draw.blob(draw.pick((8, 40, 200)))


#: For engines that hold a dictionary against: widths of lengths.
LENGTHS = tuple(COUNTS)
