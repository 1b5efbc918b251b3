"""Showing what is of numpy and pandas: its data, bounded, and without running the code of what is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

numpy = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")

from safepickle.cli.drawing import as_json, as_text  # noqa: E402
from safepickle.cli.viewing import Bounds, view  # noqa: E402


class Armed:
    """Every hook that could run while it is shown raises."""

    def _refuse(self, *_: Any) -> Any:
        raise AssertionError("run while being shown")

    __repr__ = __str__ = __getattribute__ = __getattr__ = __iter__ = __len__ = __eq__ = __format__ = _refuse  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


NUMPY_VALUES = [
    ("numpy.arange(3)", "numpy:ndarray([0, 1, 2, <field> dtype=numpy:dtype('<i8'), <field> shape=(3,)])"),
    (
        "numpy.array([[1.5], [2.5]], '>f4')",
        "numpy:ndarray([1.5, 2.5, <field> dtype=numpy:dtype('>f4'), <field> shape=(2, 1)])",
    ),
    ("numpy.array('x')", "numpy:ndarray(['x', <field> dtype=numpy:dtype('<U1'), <field> shape=()])"),
    (
        "numpy.array([(1,)], [('n', 'i4')])",
        "numpy:ndarray([(1,), <field> dtype=numpy:dtype('|V4', names=('n',)), <field> shape=(1,)])",
    ),
    ("numpy.dtype('M8[us]')", "numpy:dtype('<M8[us]')"),
    ("numpy.int8(5)", "numpy:int8(5)"),
    ("numpy.float64(0.5)", "numpy:float64(0.5)"),
    ("numpy.str_('text')", "numpy:str_('text')"),
    ("numpy.datetime64('2020-01-02')", "numpy:datetime64(datetime.date(2020, 1, 2))"),
    ("numpy.void(b'ab')", "numpy:void(b'ab')"),
    ("numpy.longdouble(1.5)", "numpy:longdouble(1.5)"),
    # No character has such a number.
    ("numpy.frombuffer(bytes([255]) * 4, 'U1')", "<item: not shown>"),
    ("numpy.zeros(1, 'S2000000')", "<item: not shown>"),
]


@pytest.mark.parametrize(("source", "shown"), NUMPY_VALUES, ids=[source for source, _ in NUMPY_VALUES])
def test_what_is_numpy_s_own(source: str, shown: str) -> None:
    part = view(eval(source))
    text = as_text(part)
    assert "".join(text.split()) == shown.replace(" ", "") or ("not shown" in shown and shown in text)
    json.dumps(as_json(part), allow_nan=False)


def test_no_code_of_what_is_in_an_array_or_poses_as_numpy_s_runs() -> None:
    array = numpy.empty(2, object)
    array[0], array[1] = Armed.__new__(Armed), array
    assert "Armed" in as_text(view(array))
    assert "<cycle: numpy:ndarray at root>" in as_text(view(array))
    # Of classes derived from numpy's, and of those that only say that they are, nothing is asked.
    posing = type("longdouble", (Armed,), {"__module__": "numpy", "item": Armed._refuse})
    armed = dict.fromkeys(("item", "flat", "dtype", "shape", "nbytes"), property(Armed._refuse))
    derived = type("derived", (numpy.ndarray,), armed)
    scalar = type("float64", (numpy.float64,), {**armed, "__module__": "numpy", "__repr__": Armed._refuse})
    for value in (posing.__new__(posing), derived(2), scalar(1.5)):
        json.dumps(as_json(view([value])))
        as_text(view(value))


def test_arrays_are_bounded() -> None:
    wide = view(numpy.zeros((100, 100)), Bounds(items=5))
    assert as_text(wide).count("0.0,") == 5
    assert "... 9995 more" in as_text(wide)
    assert as_json(wide)["omitted"] == 9995
    many = numpy.dtype({"names": [f"f{n}" for n in range(5000)], "formats": ["i1"] * 5000, "offsets": [0] * 5000})
    assert len(as_text(view([numpy.zeros(1000, many)] * 5))) < 500_000


def test_frames_show_what_is_in_them() -> None:
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"price": [1.5, 2.5], "day": pandas.to_datetime(["2020-01-02"] * 2)})
    frame["note"] = pandas.array(["dear", None], "string[pyarrow]")
    text = as_text(view(frame))
    assert "'price'" in text
    assert "'dear', None" in text
    assert "1.5, 2.5" in text
    # Before pandas 3 they are counted in nanoseconds, which no date of Python's holds.
    assert "datetime.datetime(2020, 1, 2" in text or "1577923200000000000" in text
