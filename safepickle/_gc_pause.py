"""A counted pause of the cyclic garbage collector while data is built or written.

Rules that hold here:

* The collector would walk the growing data over and over, and find nothing. While at least one load or dump runs
  it is paused; when the last one ends it is as it was before the first one began.
* It is only ever enabled again if it was enabled before. Code that switches it off while a load or dump runs in
  another thread cannot be told from us, and finds it on again afterwards.
* A signal handler or finalizer may load while this very thread is in here: it gets in too, and leaves all as it was.
* An interrupt (Ctrl-C) at any line leaves the collector on, so what is pausing is noted before it is done. A pause that
  was never begun may be ended: at worst the collector runs while another thread still loads.
"""

from __future__ import annotations

import gc
from _thread import RLock  # as threading.RLock, which takes longer to import

_lock = RLock()
_running = 0
_paused = False


def enter() -> None:
    """Pause the collector, or note one more that needs it paused. Call it inside the ``try`` that ends with leave."""
    global _running, _paused
    with _lock:
        _running += 1
        if _running == 1 and gc.isenabled():
            _paused = True
            gc.disable()


def leave() -> None:
    """End one pause; the last one lets the collector go on."""
    global _running, _paused
    with _lock:
        if _running > 0:
            _running -= 1
        if _running == 0 and _paused:
            gc.enable()
            _paused = False
