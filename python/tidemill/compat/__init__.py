"""The older generations of the API: string expressions, descriptors, names that were removed."""
