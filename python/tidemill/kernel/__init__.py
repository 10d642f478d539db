"""The Python half of the kernel: IPython's shell on the main thread.

.. code-block:: text

    Rust (tidemill._native.kernel)                     Python (this package)
    sockets · queue · status · batching ──tasks──►  loop.py ──► cells.py ──► shell.py (IPython)
          ▲                                                        │
          └──────── streams.py · displays.py · comms.py · stdin.py ┘

The Rust half answers everything that needs no Python, on threads of its own. A request that does
becomes a task, which wakes the asyncio loop of the main thread. All cells run there, in one
context, so that context variables, signals and GUI libraries behave as in a script. What a cell
prints and shows carries the request of that cell (``output.py``), also from threads and later.

This page imports nothing, so that the sockets are bound before IPython is loaded.
"""

from __future__ import annotations
