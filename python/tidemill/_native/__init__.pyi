"""Types of the extension module."""

from tidemill._native import engine as engine
from tidemill._native import kernel as kernel
