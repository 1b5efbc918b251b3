"""The native engine: libFuzzer guided by the branches of the compiled machine, with no instrumented Python.

    site = build()              # the package compiled by clang with counters, and the driver; kept by their sources
    natively(options)           # in a worker: run one target; libFuzzer ends the process

Rules that hold here:

* Only the functions of the hot modules are counted, not what Cython puts around them: an input is kept for what the
  machine did, and looking at the counters costs less than a load.
* Most inputs meet the target's quick check (`fuzz.quick`), one in `WHOLE` the whole one, and so does every input that
  was kept. What a quick check finds is what the whole one says of it, where it says anything.
* A build is whole or not there, and is named after all that it is made from.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz import ROOT, corpus
from fuzz.worker import bound_memory, inputs, tell

HERE = Path(__file__).resolve().parent
DRIVER = HERE / "driver.c"
#: Longest input: short ones are quick, and a machine has no states that need long ones but its limits, which are tight.
MOST = 160
#: One mutation in so many is the grammar's, by whole opcodes; the others are libFuzzer's, which cost a tenth.
STRUCTURED = 12
#: Counted are the functions that are ours.
COUNTED = "src:*\nfun:__pyx_f_*\nfun:__pyx_pf_*\n"
FLAGS = "-O2 -g0 -fsanitize-coverage=inline-8bit-counters,pc-table -Wno-everything"
#: Modules of the harness that run for every input, or for one in a few. They are compiled too, without counters.
HARNESS = ("assembly", "choices", "generator", "mutating", "oracles", "outcomes", "quick", "targets/decode")
#: Seconds between two lines of state.
TELLING = 0.5


class UnavailableError(Exception):
    """The engine cannot be built here; says why, and what would help."""


# -- building ------------------------------------------------------------------------------------------------------


def build(into: Path, say: Callable[[str], None] = lambda _text: None) -> Path:
    """Return the folder with the instrumented package and the driver, made now if they are not there.

    :raises UnavailableError: if there is no clang, or no libFuzzer to link.
    """
    compiler = shutil.which(os.environ.get("FUZZ_CLANG", "clang"))
    if compiler is None:
        raise UnavailableError("the native engine needs clang (Debian: apt install clang libclang-rt-dev)")
    runtime = _runtime(compiler)
    place = into / _digest(compiler)
    if place.exists():
        return place
    say(f"building the instrumented form in {place}, once; this takes a minute or two")
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".") as scratch:
        tree, site = Path(scratch, "tree"), Path(scratch, "site")
        tree.mkdir()
        for name in ("safepickle", "policies"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
        for path in ROOT.iterdir():
            if path.is_file() and path.suffix in (".toml", ".md", ".in", ""):
                shutil.copy(path, tree)
        _compile_package(compiler, tree, site)
        _compile_harness(compiler, Path(scratch, "harness"), site)
        _compile_driver(compiler, runtime, site)
        try:
            site.rename(place)
        except OSError:
            if not place.exists():  # somebody else was as quick
                raise
    return place


def _compile_package(compiler: str, tree: Path, site: Path) -> None:
    allowed = tree.parent / "counted"
    allowed.write_text(COUNTED, "ascii")
    isolated = importlib.util.find_spec("Cython") is None or importlib.util.find_spec("setuptools") is None
    environment = {
        **os.environ, "CC": compiler, "LDSHARED": f"{compiler} -shared", "SAFEPICKLE_BUILD": "require",
        "CFLAGS": f"{FLAGS} -fsanitize-coverage-allowlist={allowed}",
    }  # fmt: skip
    _carry_out(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", *([] if isolated else ["--no-build-isolation"]),
         "--target", str(site), "."], tree, environment,
    )  # fmt: skip


#: Carried out in a folder with copies of these modules; what is made there goes beside the package.
_CYTHONIZE = """
import sys
from Cython.Build import cythonize
from setuptools import Extension, setup
names = sys.argv.pop().split(",")
extensions = [Extension("harness." + name.replace("/", "."), ["harness/" + name + ".py"]) for name in names]
modules = cythonize(extensions, language_level=3, quiet=True, compiler_directives={"annotation_typing": False})
setup(name="harness", ext_modules=modules, script_args=["-q", "build_ext", "--inplace"])
"""


def _compile_harness(compiler: str, folder: Path, site: Path) -> None:
    """Compile what of the harness runs for every input, where there is a Cython; without it, that runs as Python."""
    if importlib.util.find_spec("Cython") is None or importlib.util.find_spec("setuptools") is None:
        return
    for name in ("", *HARNESS):
        place = folder / "harness" / (f"{name}.py" if name else "__init__.py")
        place.parent.mkdir(parents=True, exist_ok=True)
        (place.parent / "__init__.py").touch()
        if name:
            shutil.copy(HERE / f"{name}.py", place)
    environment = {**os.environ, "CC": compiler, "LDSHARED": f"{compiler} -shared", "CFLAGS": "-O2 -g0 -Wno-everything"}
    _carry_out([sys.executable, "-W", "ignore", "-c", _CYTHONIZE, ",".join(HARNESS)], folder, environment)
    for name in HARNESS:
        made = next((folder / "harness" / name).parent.glob(f"{Path(name).name}.*.so"))
        place = site / "fuzz_compiled" / Path(name).parent / made.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made, place)


def _compile_driver(compiler: str, runtime: str, site: Path) -> None:
    include = sysconfig.get_paths()["include"]
    # The driver looks at the counters too: it takes libFuzzer's place where they are registered.
    given, runtime = runtime, str(site.parent / "libfuzzer.a")
    names = "__sanitizer_cov_8bit_counters_init=libfuzzer_counters_init"
    _carry_out([_objcopy(), "--redefine-sym", names, given, runtime], site, dict(os.environ))
    _carry_out(
        [compiler, "-O2", "-shared", "-fPIC", f"-I{include}", str(DRIVER), runtime, "-lstdc++", "-lm", "-lpthread",
         "-o", str(site / "fuzz_driver.so")], site, dict(os.environ),
    )  # fmt: skip


def _carry_out(command: list[str], cwd: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout)[-1500:]}")


def _objcopy() -> str:
    for name in ("llvm-objcopy", "objcopy"):
        if found := shutil.which(name):
            return found
    raise UnavailableError("the native engine needs objcopy (Debian: apt install binutils)")


def _runtime(compiler: str) -> str:
    """Return libFuzzer as a library without a main: clang's own, or the one that atheris brings."""
    for name in (f"libclang_rt.fuzzer_no_main-{platform.machine()}.a", "libclang_rt.fuzzer_no_main.a"):
        found = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=False)
        brought = Path(sysconfig.get_paths()["platlib"], name)
        for path in (Path(found.stdout.strip()), brought):
            if path.is_absolute() and path.exists():
                return str(path)
    raise UnavailableError("clang's libFuzzer is not installed (Debian: apt install libclang-rt-dev), nor is atheris")


def _digest(compiler: str) -> str:
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout
    digest = hashlib.sha256(f"{sys.version}\n{version}\n{FLAGS}\n{COUNTED}".encode())
    sources = [*(ROOT / "safepickle").rglob("*.py"), *(ROOT / "safepickle").rglob("*.pxd"), *ROOT.glob("policies/*")]
    sources += [HERE / f"{name}.py" for name in HARNESS]
    for path in sorted([*sources, ROOT / "pyproject.toml", DRIVER]):
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


# -- the worker ----------------------------------------------------------------------------------------------------


def load_driver() -> Any:
    """Import the driver, if it is there; the instrumented modules find libFuzzer among the symbols of the process."""
    spec = importlib.util.find_spec("fuzz_driver")
    if spec is None:
        return None
    import fuzz
    from fuzz import targets

    # What is found here first is imported in the place of the harness's own sources, which it was made from.
    compiled = Path(spec.origin or "").parent / "fuzz_compiled"
    fuzz.__path__.insert(0, str(compiled))
    targets.__path__.insert(0, str(compiled / "targets"))
    before = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
    try:
        return importlib.import_module("fuzz_driver")
    finally:
        sys.setdlopenflags(before)


def natively(options: Any) -> int:
    """Run one target; the process ends in here."""
    driver = load_driver()
    import safepickle
    from fuzz.targets import load_target

    if driver is None or not safepickle.COMPILED:
        tell(problem="the instrumented form was not found: PYTHONPATH does not begin with it")
        return 3
    target = load_target(options.target)
    if not options.unbounded:
        bound_memory()
    most = options.most or MOST
    folder = Path(options.folder, target.input)
    folder.mkdir(parents=True, exist_ok=True)
    pool = [data for data in inputs(target.input, options.corpus) if len(data) <= most]
    for data in pool:
        (folder / corpus.file_name(data)).write_bytes(data)
    tell(kind=target.input, given=len(pool))
    from fuzz.quick import Watch

    # Whatever it imports is imported before the tripwire is armed.
    mutator = _mutator(pool, options.seed) if target.input == "stream" else None
    dictionary = {"stream": "pickle.dict", "text": "policy.dict"}.get(target.input)
    if options.variants:
        driver.vary(
            count=options.variants, words=_words(dictionary), pool=pool, folder=str(folder), most=most,
            seed=options.seed,
        )  # fmt: skip
    watch = Watch(target)
    started, worked = time.monotonic(), time.process_time()

    def state(*, done: bool = False) -> None:
        executions, skipped, distinct = driver.counts()
        tell(
            executions=executions, skipped=skipped, distinct=min(distinct, executions), whole=watch.whole,
            seconds=time.monotonic() - started, processor=time.process_time() - worked, new=0,
            kinds=watch.values, done=done, findings=watch.rows(),
        )  # fmt: skip

    watch.every(TELLING, state)
    arguments = [
        "fuzz", str(folder), f"-seed={options.seed or 1}", f"-max_len={most}", "-timeout=300", "-rss_limit_mb=6000",
        "-entropic=0", "-use_counters=0", f"-reload={3 if options.variants else 0}", "-verbosity=1",
        f"-artifact_prefix={folder.parent}/crash-",
    ]  # fmt: skip
    if options.seconds:
        arguments.append(f"-max_total_time={max(1, int(options.seconds))}")
    if options.runs:
        arguments.append(f"-runs={options.runs}")
    if dictionary is not None:
        arguments.append(f"-dict={HERE / dictionary}")
    driver.run(
        arguments, watch.one, lambda: state(done=True), mutate=mutator, mutate_one_in=STRUCTURED,
        last=options.last,
    )  # fmt: skip
    return 0


def _words(dictionary: str | None) -> list[bytes]:
    """Return the words of a dictionary of libFuzzer's."""
    if dictionary is None:
        return []
    lines = (HERE / dictionary).read_text("ascii").splitlines()
    quoted = [line[line.index('"') + 1 : line.rindex('"')] for line in lines if line.count('"') > 1]
    return [word.encode("ascii").decode("unicode_escape").encode("latin-1") for word in quoted]


def _mutator(pool: list[bytes], seed: int) -> Callable[[bytes, int, int], bytes]:
    from fuzz.choices import Choices
    from fuzz.mutating import mutate

    # One series of choices for the run: a seed for each input would cost as much as some of the mutations.
    draw = Choices(seed)

    def mutator(data: bytes, most: int, _seed: int) -> bytes:
        return mutate(data, draw, pool, most)

    return mutator
