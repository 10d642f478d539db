"""Types of the extension module."""

from tidemill._native import kernel as kernel
