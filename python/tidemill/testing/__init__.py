"""Bases of tests, with the names of ``pyflink.testing``."""
