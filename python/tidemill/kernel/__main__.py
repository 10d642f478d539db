"""``python -m tidemill.kernel -f CONNECTION_FILE``: what the kernelspec starts."""

from __future__ import annotations

import os
import sys

# A notebook's folder may hold files named like modules of the standard library: it comes back,
# as "" like in any interactive Python, when everything of ours is loaded.
if sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 (pathlib is slow to load)
    del sys.path[0]

from tidemill.kernel.app import main

main()
