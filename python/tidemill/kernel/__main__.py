"""``python -m tidemill.kernel -f CONNECTION_FILE``: what the kernelspec starts."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # "-m" puts the working directory first, and a notebook's folder may hold files named like
    # modules of the standard library. It comes back, as in any interactive Python, when
    # everything of ours is loaded.
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]

    from tidemill.kernel.app import main

    main()
