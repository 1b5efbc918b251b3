"""A module that nothing imports: if it is in `sys.modules`, a stream made somebody import it (R08)."""

from attacks.canary import RECORD

RECORD.append("landmine imported")


class Thing:
    """What the stream asks for."""
