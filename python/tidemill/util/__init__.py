"""Helpers that every API layer uses."""
