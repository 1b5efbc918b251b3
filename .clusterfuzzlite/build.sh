#!/bin/bash -eu
# One fuzzer for each target, with its seed corpus; the package is installed in the form that runs as Python, which is
# the one that atheris instruments.
#
# FUZZ_TARGETS names the targets to build; without it, all there are. Outside the image, compile_python_fuzzer has to be
# on PATH, and SRC, OUT and SANITIZER set.
cd "$SRC/safepickle"
SAFEPICKLE_BUILD=python python3 -m pip install --no-deps .
export PYTHONPATH=$SRC/safepickle

say() { python3 -c "$1"; }
# What the policies of the targets name is imported when they are loaded, which PyInstaller cannot see.
hidden=$(say '
from fuzz.terms import BOTH
for module in sorted({module for module, _ in BOTH.rules}):
    print(f"--hidden-import={module}")
')
for name in ${FUZZ_TARGETS:-$(say 'from fuzz.targets import NAMES; print(*NAMES)')}; do
    [[ $name == forms ]] && continue # there is one form here
    cat >"$SRC/fuzz_$name.py" <<PYTHON
import sys

from fuzz.single import main

main("$name", sys.argv)
PYTHON
    # shellcheck disable=SC2086
    compile_python_fuzzer "$SRC/fuzz_$name.py" --paths "$SRC/safepickle" --collect-submodules fuzz \
        --collect-submodules safepickle --add-data "$SRC/safepickle/policies:safepickle/packs" $hidden
    kind=$(say "from fuzz.targets import load_target; print(load_target('$name').input)")
    if [[ -d "fuzz/corpus/$kind" ]]; then
        (cd "fuzz/corpus/$kind" && zip -qr "$OUT/fuzz_${name}_seed_corpus.zip" .)
    fi
    if [[ $kind == stream ]]; then
        cp fuzz/pickle.dict "$OUT/fuzz_$name.dict"
    elif [[ $kind == text ]]; then
        cp fuzz/policy.dict "$OUT/fuzz_$name.dict"
    fi
done
