"""Older ways into the package: the name pyflink, and files of the older SQL client."""
