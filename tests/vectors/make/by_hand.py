"""Writes ../data/by_hand.jsonl: a few streams written by hand after the published source of PyPy.

    python make/by_hand.py

PyPy has no C pickler: its `pickle` is the pure-Python one, and its Python 2 `cPickle` the same with the memo counted from
one. Its streams of plain data are therefore those of the `python` writers in the other files. What differs are
the types it can pickle and CPython cannot: an iterator is written as a call of a function of PyPy's own module
`_pickle_support`. Nobody but PyPy can import that, so a reader elsewhere must refuse it by name.
"""

from __future__ import annotations

from typing import Any

from merge import DATA, encoded, write_group

NAME = "_pickle_support", "seqiter_new"
STREAMS: tuple[tuple[str, int, bytes], ...] = (
    ("pypy/list_iterator", 0, b"c_pickle_support\nseqiter_new\np0\n((lp1\nI1\naI2\naI1\ntp2\nRp3\n."),
    ("pypy/list_iterator", 1, b"c_pickle_support\nseqiter_new\nq\x00(]q\x01(K\x01K\x02eK\x01tq\x02Rq\x03."),
    ("pypy/list_iterator", 2, b"\x80\x02c_pickle_support\nseqiter_new\nq\x00]q\x01(K\x01K\x02eK\x01\x86q\x02Rq\x03."),
    (
        "pypy/list_iterator", 4,
        b"\x80\x04\x95\x2f\x00\x00\x00\x00\x00\x00\x00\x8c\x0f_pickle_support\x94\x8c\x0bseqiter_new\x94\x93\x94"
        b"]\x94(K\x01K\x02eK\x01\x86\x94R\x94.",
    ),
    # PyPy2's cPickle: as CPython's, the first memo slot is 1
    ("pypy/cpickle_list", 0, b"(lp1\nS'a'\np2\naV\\u20ac\np3\nag2\na."),
    ("pypy/cpickle_list", 2, b"\x80\x02]q\x01(U\x01aq\x02X\x03\x00\x00\x00\xe2\x82\xacq\x03h\x02e."),
)


def main() -> None:
    records: list[dict[str, Any]] = [
        {"name": name, "protocol": protocol, "repr": "", "writers": [f"by hand {protocol}"], **encoded(data)}
        for name, protocol, data in STREAMS
    ]
    write_group(DATA / "by_hand.jsonl", {"made_by": "make/by_hand.py", "after": "the published source of PyPy"}, records)


if __name__ == "__main__":
    main()
