"""``python -m adasr`` is ``adasr``."""

import sys

from .cli import main

sys.exit(main())
