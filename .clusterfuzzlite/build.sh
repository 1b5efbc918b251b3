#!/bin/bash -eu
# One fuzzer for each target, with its seed corpus; the package is installed in the form that runs as Python, which is
# the one that atheris instruments.
cd "$SRC/safepickle"
SAFEPICKLE_BUILD=python python3 -m pip install --no-deps .

for name in $(python3 -c 'from fuzz.targets import NAMES; print(*NAMES)'); do
    [[ $name == forms ]] && continue # there is one form here
    cat >"$SRC/fuzz_$name.py" <<PYTHON
import sys

sys.path.insert(0, "$SRC/safepickle")
from fuzz.single import main

main("$name", sys.argv)
PYTHON
    compile_python_fuzzer "$SRC/fuzz_$name.py" --add-data "$SRC/safepickle/fuzz:fuzz" \
        --add-data "$SRC/safepickle/policies:safepickle/packs" --hidden-import "fuzz.targets.$name"
    kind=$(python3 -c "from fuzz.targets import load_target; print(load_target('$name').input)")
    if [[ -d "fuzz/corpus/$kind" ]]; then
        (cd "fuzz/corpus/$kind" && zip -qr "$OUT/fuzz_${name}_seed_corpus.zip" .)
    fi
    if [[ $kind == stream ]]; then
        cp fuzz/pickle.dict "$OUT/fuzz_$name.dict"
    elif [[ $kind == text ]]; then
        cp fuzz/policy.dict "$OUT/fuzz_$name.dict"
    fi
done
