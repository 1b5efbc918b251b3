"""The grammar, the mutator and the engine: what they write is what they say, and the same for the same seed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("resource", reason="the harness bounds memory as POSIX systems do")

from fuzz import corpus, planting, samples, terms
from fuzz.assembly import op, pickled, split
from fuzz.choices import ByteChoices, Choices
from fuzz.engine import Engine
from fuzz.generator import ROWS, Generator
from fuzz.idioms import ATTACKS, ORDINARY
from fuzz.mutating import MUTATIONS, generate, mutate
from fuzz.targets import NAMES, load_target
from safepickle.errors import SafePickleError
from safepickle.wire.opcodes import OPCODES

ROOT = Path(__file__).resolve().parent.parent.parent


@given(st.binary(max_size=80))
def test_split_loses_nothing(data: bytes) -> None:
    assert b"".join(split(data)) == data


def test_split_gives_opcodes_back() -> None:
    pieces = [op("BININT1", 5), op("SHORT_BINUNICODE", "ab"), op("GLOBAL", "a", "b"), op("FRAME", 3), b"."]
    assert split(b"".join(pieces)) == pieces


def test_the_grammar_knows_every_opcode() -> None:
    written: set[int] = set()
    for seed in range(3000):
        written |= {piece[0] for piece in split(generate(Choices(seed)))}
    assert {row.code for row in OPCODES} <= written
    assert len(ROWS) == len(OPCODES) - 3


@given(st.binary(max_size=60))
def test_a_program_without_carelessness_is_well_typed(data: bytes) -> None:
    load_target("programs").check(data)


def test_what_picklers_write_loads() -> None:
    for body in ORDINARY:
        if b"functools\npartial" in body:
            continue  # what pickle writes below protocol 4 for arguments by keyword: a known gadget
        terms.load(pickled(body, proto=2), terms.TERMS[1]._replace(policy=terms.BOTH))


def test_no_attack_acts() -> None:
    check = load_target("decode").check
    for protocol in (0, 2, 4):
        for body in ATTACKS.values():
            check(pickled(body, proto=protocol or None))


def test_attacks_are_refused_under_plain() -> None:
    refused = 0
    for body in ATTACKS.values():
        try:
            terms.load(pickled(body), terms.TERMS[0])
        except SafePickleError:
            refused += 1
    # The others are ordinary after all: an extension code that is allowed names nothing but a canary, and so on.
    assert refused >= 0.9 * len(ATTACKS)


@given(st.integers(0, 2**32), st.sampled_from(range(len(MUTATIONS))))
def test_mutations_take_anything(seed: int, number: int) -> None:
    draw = Choices(seed)
    data = generate(draw)
    changed = b"".join(MUTATIONS[number](split(data), draw, [data, b"\x80\x04N."]))
    assert isinstance(changed, bytes)


def test_the_same_seed_gives_the_same_inputs() -> None:
    target = load_target("decode")
    runs = [Engine(target, seed) for seed in (1, 1, 2)]
    inputs = []
    for engine in runs:
        seen: list[bytes] = []
        engine.target = target._replace(check=lambda data, seen=seen: seen.append(data) or len(seen) % 7)
        engine.fuzz(executions=60)
        inputs.append(seen)
    assert inputs[0] == inputs[1] != inputs[2]
    assert mutate(b"N.", Choices(3), [b"]."]) == mutate(b"N.", Choices(3), [b"]."])


def test_bytes_that_run_out_give_zeros() -> None:
    draw = ByteChoices(b"\x05")
    assert [draw.below(4), draw.below(4), draw.below(70000), draw.blob(3)] == [1, 0, 0, b""]


def test_programs_end() -> None:
    assert Generator(ByteChoices(b"")).run(10**6).endswith(b".")


@pytest.mark.parametrize("name", NAMES)
def test_every_target_is_headed_by_its_invariant(name: str) -> None:
    target = load_target(name)
    assert target.invariant.endswith((".", "."))
    assert target.invariant.count(". ") == 0
    assert target.input in corpus.KINDS
    target.check(b"")


def test_planted_faults_are_in_the_sources() -> None:
    faults = planting.faults()
    assert len(faults) >= 20
    for fault in faults:
        assert fault.code in (ROOT / "safepickle" / fault.file).read_text("utf-8"), fault.name
        assert fault.code != fault.instead


def test_the_corpus_is_small_and_named_after_its_content() -> None:
    assert 0 < corpus.size() < corpus.MOST_BYTES
    for kind in corpus.KINDS:
        for path in (corpus.HERE / kind).glob("*"):
            assert path.name == corpus.file_name(path.read_bytes())


def test_canaries_name_what_there_is() -> None:
    for name in (*samples.RIGHTS, *samples.DENIED):
        target = samples
        for part in name.split("."):
            target = getattr(target, part)


# -- the command line ----------------------------------------------------------------------------------------------


def _fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


def test_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"\x80\x04N.")
    assert _fuzz("replay", "--target", "decode", str(tmp_path / "input")).returncode == 0
    assert _fuzz("replay", "--corpus", str(tmp_path), "--target", "decode").returncode == 3
    assert _fuzz("run", "--target", "nothing").returncode == 2
    plain = ("run", "--engine", "plain", "--no-save", "--no-corpus")
    done = _fuzz(*plain, "--runs", "20", "--target", "decode", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert '"executions": 20' in done.stdout


def test_a_finding_is_exit_code_1(tmp_path: Path) -> None:
    # A copy with a check out: the replay of one input must find it.
    import shutil

    for name in ("safepickle", "policies", "fuzz"):
        left_out = shutil.ignore_patterns("*.so", "work", "corpus", "__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    fault = next(fault for fault in planting.faults() if fault.name == "right to appear")
    source = tmp_path / "safepickle" / fault.file
    text = source.read_text("utf-8")
    source.write_text(text.replace(fault.code, fault.instead), "utf-8")
    data = tmp_path / "input"
    data.write_bytes(pickled(op("SHORT_BINUNICODE", "fuzz.samples") + op("SHORT_BINUNICODE", "Slotted") + b"\x93"))
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", "replay", "--target", "decode", "--form", "python", str(data)],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "PATH": "", "SAFEPICKLE_FUZZ_TREE": "1"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FOUND" in done.stdout


def test_the_dictionary_is_the_one_of_the_opcode_table() -> None:
    from fuzz.make_dictionary import HERE, dictionary

    assert (HERE / "pickle.dict").read_text("ascii") == dictionary()
