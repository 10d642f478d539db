"""What programs for PyFlink take from ``py4j``: the names of its exceptions, and no gateway.

Under ``tidemill run`` the name ``py4j`` means this package, as ``pyflink`` means ``tidemill``.
"""
