"""Types of the extension module."""

from tidemill._native import engine as engine
