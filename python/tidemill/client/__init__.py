"""The commands that run programs and statements: ``tidemill run``, ``shell`` and ``sql``."""
