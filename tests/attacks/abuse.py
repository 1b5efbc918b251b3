"""Calls everything that `stdlib` allows with arguments that no pickler writes, and reports what that cost.

Run as a script in a process of its own (`test_resources.py` does): a callable that takes a number for a size,
reads a lazy range to its end or parses a text of any length would end it. Prints one JSON line for each call
that took memory or raised anything but the package's own errors, and one for the call that is being made.

    python tests/attacks/abuse.py compiled|python
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from attacks.asm import LIST, call, dict_of, list_of, name, new, number, op, pickled, text
from attacks.costly import ADDRESS_SPACE, peak_over

LAZY = call(name("builtins", "range"), number(10**8))
HUGE = number(10**12)
LONG_TEXT, LONG_BYTES = op("BINUNICODE", "9" * 200_000), op("BINBYTES", b"\1" * 200_000)

#: Argument lists by title.
ARGUMENTS: dict[str, tuple[bytes, ...]] = {
    "nothing": (),
    "a lazy range": (LAZY,),
    "two lazy ranges": (LAZY, LAZY),
    "a type code and a lazy range": (text("b"), LAZY),
    "a list with a lazy range": (list_of(LAZY),),
    "a huge int": (HUGE,),
    "three huge ints": (HUGE, HUGE, HUGE),
    "a list and a huge int": (LIST, HUGE),
    "a long text": (LONG_TEXT,),
    "two long texts": (LONG_TEXT, LONG_TEXT),
    "a type code and a long text": (text("b"), LONG_TEXT),
    "long bytes": (LONG_BYTES,),
    "a huge exponent": (text("1e100000000"),),
    "a huge float": (op("BINFLOAT", 1e308),),
    "three huge floats": (op("BINFLOAT", 1e308),) * 3,
    "a list of ints": (list_of(*(number(n) for n in range(10))),),
    "a dict": (dict_of(text("a"), number(1)),),
    "a path upwards": (text("../../../etc/passwd"), number(1)),
    "an array of long bytes": (name("array", "array"), text("b"), number(8), LONG_BYTES),
    "an array of a huge code": (name("array", "array"), text("d"), HUGE, LONG_BYTES),
}

MEGABYTES = 20.0


def main(form: str) -> None:
    """Make all the calls."""
    import safepickle

    sp: Any = safepickle
    if form == "python":
        from safepickle._forms import python_form

        sp = python_form()
    policy = sp.Policy.packs("stdlib")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for (module, qualname), rule in policy.rules.items():
        for title, arguments in ARGUMENTS.items():
            for right, make in ((sp.Right.CALL, call), (sp.Right.NEW, new)):
                if not rule.rights & right:
                    continue
                data = pickled(make(name(module, qualname), *arguments))
                sys.stdout.write(json.dumps({"trying": f"{module}:{qualname} with {title}"}) + "\n")
                sys.stdout.flush()
                problem, megabytes = "", 0.0
                with peak_over() as peak:
                    try:
                        sp.loads(data, policy=policy)
                    except sp.SafePickleError:
                        pass
                    except BaseException as error:  # noqa: BLE001  whatever it is, it is the outcome
                        problem = type(error).__name__
                megabytes = peak[0]
                if problem or megabytes > MEGABYTES:
                    sys.stdout.write(json.dumps({"problem": problem, "MB": megabytes}) + "\n")
    sys.stdout.write('{"trying": ""}\n')


if __name__ == "__main__":
    main(*sys.argv[1:])
