"""Classes whose instances the vectors hold, importable by Python 2.7 and by every Python 3.

Rules: plain data in, plain data out, no side effects; the module is called `vector_classes` wherever
it is imported, because that name is in the pickles. `Old` and its kind are old-style classes under
Python 2 (INST and OBJ in the stream) and ordinary ones under Python 3.
"""
# ruff: noqa: UP004, UP025, UP008  (the file must run on Python 2.7)


class Old:
    def __init__(self, x=0):
        self.x = x


class OldWithArguments:
    """Old-style with __getinitargs__: INST and OBJ carry arguments."""

    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __getinitargs__(self):
        return (self.x, self.y)


class OldWithState:
    def __init__(self, x=0):
        self.x = x

    def __getstate__(self):
        return ["state", self.x]

    def __setstate__(self, state):
        self.x = state[1]


class New(object):
    def __init__(self, x=0):
        self.x = x


class Slotted(object):
    __slots__ = ("x", "y")


class SlottedWithDict(Slotted):
    """Two-part state: (dict, slots)."""


class WithState(object):
    def __init__(self, x=0):
        self.x = x

    def __getstate__(self):
        return ("state", self.x)

    def __setstate__(self, state):
        self.x = state[1]


class WithNewArguments(object):
    def __new__(cls, *arguments):
        self = object.__new__(cls)
        self.arguments = arguments
        return self

    def __getnewargs__(self):
        return self.arguments


class WithKeywords(object):
    """NEWOBJ_EX from protocol 4, a functools.partial below (Python 3 only)."""

    def __new__(cls, *arguments, **keywords):
        self = object.__new__(cls)
        self.arguments = arguments
        self.keywords = keywords
        return self

    def __getnewargs_ex__(self):
        return self.arguments, self.keywords


class Reducing(object):
    """All that a reduce tuple of five items can say."""

    def __init__(self, x=0):
        self.x = x
        self.items = []
        self.pairs = {}

    def __reduce__(self):
        return Reducing, (self.x,), {"note": "state"}, iter(self.items), iter(sorted(self.pairs.items()))

    def append(self, item):
        self.items.append(item)

    def extend(self, items):
        self.items.extend(items)

    def __setitem__(self, key, value):
        self.pairs[key] = value


class MyList(list):
    pass


class MyDict(dict):
    pass


class MySet(set):
    pass


class MyInt(int):
    pass


class MyText(type(u"")):
    pass


class MyTuple(tuple):
    pass


class MyFloat(float):
    pass


class MyError(Exception):
    def __init__(self, message, code):
        Exception.__init__(self, message, code)
        self.code = code


class Outer(object):
    class Inner(object):
        def __init__(self, x=0):
            self.x = x

        class Deeper(object):
            pass


class Extension1(object):
    """Registered under a one-byte extension code by whoever writes or reads it."""


class Extension2(object):
    pass


class Extension4(object):
    pass


EXTENSIONS = (
    ("vector_classes", "Extension1", 0xF1),
    ("vector_classes", "Extension2", 0xF1F2),
    ("vector_classes", "Extension4", 0x0F1F2F3F),
)


def a_function():
    return None
