"""``python -m safepickle`` is the command ``safepickle``."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
