#!/usr/bin/env bash
# Builds the extension modules with AddressSanitizer and UndefinedBehaviorSanitizer, replays the corpus on them and fuzzes
# them for a bounded time. Anything that a sanitizer reports ends the worker, which makes it a finding.
#
#   fuzz/sanitize.sh [--minutes N] [--seed N] [--python PYTHON]
#
# Needs gcc or clang with its sanitizer runtimes, and an interpreter whose `pip install .` compiles this package.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

minutes=2 seed=1 python=${PYTHON:-python3} isolation=
while (($#)); do
    case "$1" in
        --minutes) minutes=$2; shift 2 ;;
        --seed) seed=$2; shift 2 ;;
        --python) python=$2; shift 2 ;;
        --no-build-isolation) isolation=--no-build-isolation; shift ;;
        *) sed -n '2,8p' "$0"; exit 2 ;;
    esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work/tree"

compiler=${CC:-gcc}
flags="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
echo "building with $compiler $flags" >&2
(
    cd "$work/tree"
    CC=$compiler CFLAGS=$flags LDFLAGS="-fsanitize=address,undefined" SAFEPICKLE_BUILD=require \
        "$python" -m pip install -q $isolation --no-deps --target "$work/site" . >"$work/log" 2>&1 ||
        { tail -n 30 "$work/log" >&2; exit 3; }
)
runtime() { "$compiler" -print-file-name="$1"; }
if [[ $("$compiler" --version) == *clang* ]]; then
    preload=$(runtime libclang_rt.asan-x86_64.so)
else
    preload="$(runtime libasan.so) $(runtime libubsan.so) $(runtime libstdc++.so)"
fi
export LD_PRELOAD=$preload
# The interpreter keeps memory until it ends; leaks are the target `leaks`. pymalloc would hide overruns.
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:handle_segv=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:abort_on_error=1
export PYTHONMALLOC=malloc PYTHONPATH="$work/site:$PWD" PYTHONDONTWRITEBYTECODE=1
cd "$work"
"$python" -c 'import safepickle; assert safepickle.COMPILED; print(safepickle.__file__)'
targets=$(printf -- " --target %s" decode programs differential roundtrip symmetry looking files guards signing hooks within forms)
# shellcheck disable=SC2086
"$python" -m fuzz replay --form compiled --unbounded $targets
# shellcheck disable=SC2086
"$python" -m fuzz run --engine plain --form compiled --minutes "$minutes" --seed "$seed" --unbounded --no-save $targets
