"""Write docs/limits.md from the table of limits: ``python docs/make_limits.py``.

A test holds the page to the table.
"""

from __future__ import annotations

from pathlib import Path

from safepickle.limits import LIMITS, Limit

PAGE = Path(__file__).with_name("limits.md")

HEAD = """# Limits

Made from the table in `safepickle/limits.py` by `docs/make_limits.py`.

All are on by default. Each is checked before the work is done or the memory is taken; a `LimitError` says which limit,
its bound, what was asked and where. Change one with `Limits(max_bytes="64 MiB")`, `--limits max_bytes=64MiB` or the
`[limits]` table of a policy file; `None` takes a bound away. Where a policy and a caller both give limits, the smaller
bounds hold.

| limit | default | unit | what it bounds | precedent |
| --- | --- | --- | --- | --- |
"""

TAIL = """
Notes

- `max_memory` is an estimate for CPython on 64-bit machines. It counts what a load allocates and gives nothing back: a
  value that the stream drops was allocated all the same.
- `max_depth` counts containers and instances inside each other, as they are built; dates, times and Decimals are
  leaves, like numbers. A stream that adds to a container which it fetched from the memo, which no pickler does, is
  counted more strictly than it deserves.
- `max_hash_work` is about keys: a few bytes can ask for 2**30 visits when nested tuples are hashed. A key nested beyond
  200 levels, and more than 64 keys of one hash in one container, are refused under the same name. Keys of one hash pay
  for comparing them, too. Large numbers and long texts count for more elements than one, where they are hashed or
  compared anew. An object that is a key already may be given no state that changes its hash: an OrderedDict
  that is walked would come to no end.
- `max_seconds` is looked at between opcodes and within long containers. A call that the policy allows is not
  interrupted.
- Writing is held to the same bounds as reading, so that what `dumps` writes `loads` reads under the same limits.
"""


def _default(row: Limit) -> str:
    value = row.default
    if row.unit == "bytes":
        return f"{int(value) // 2**20} MiB"
    return f"{value:,.0f}".replace(",", " ")


def page() -> str:
    """Return the page."""
    rows = "".join(
        f"| `{row.name}` | {_default(row)} | {row.unit} | {row.meaning} | {row.precedent} |\n" for row in LIMITS
    )
    return HEAD + rows + TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
