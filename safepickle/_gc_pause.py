# cython: annotation_typing=False
"""A counted pause of the cyclic garbage collector while data is built or written.

Rules that hold here:

* The collector would walk the growing data over and over, and find nothing. While at least one load or dump runs
  it is paused; when the last one ends it is as it was before the first one began.
* It is only ever enabled again if it was enabled before. Code that switches it off while a load or dump runs in
  another thread cannot be told from us, and finds it on again afterwards.
* A signal handler or finalizer may load while this very thread is in here: it gets in too, and leaves all as it was.
  Compiled, nothing in here runs Python, so that nobody comes between and there is nothing to lock.
* An interrupt (Ctrl-C) at any line leaves the collector on, so what is pausing is noted before it is done. It is most
  likely where a pause ends, at the call itself: while compiled code runs nobody looks for one. So whoever pauses says
  who it is, may end its pause any number of times, and does so again where ending it was interrupted.
"""

from __future__ import annotations

COMPILING = False
if COMPILING:
    import cython
else:
    from ._form import cython

if not cython.compiled:
    from _thread import RLock  # as threading.RLock, which takes longer to import
    from gc import disable, enable, isenabled

    _lock = RLock()

#: By id, whoever needs the collector paused: it is there until its pause ends.
_running: set[int] = set()
_paused = False


def enter(owner: object) -> None:
    """Pause the collector, or note one more that needs it paused.

    Call it inside a ``try`` that ends with :func:`leave`, and with leave once more where that is interrupted.
    """
    if cython.compiled:
        _enter(id(owner))
    else:
        with _lock:
            _enter(id(owner))


def leave(owner: object) -> None:
    """End a pause, if it has not ended; the last one lets the collector go on."""
    if cython.compiled:
        _leave(id(owner))
    else:
        with _lock:
            _leave(id(owner))


def _enter(owner: int) -> None:
    global _paused
    _running.add(owner)
    if not _paused and isenabled():
        _paused = True
        disable()


def _leave(owner: int) -> None:
    global _paused
    _running.discard(owner)
    if not _running and _paused:
        enable()
        _paused = False
