"""``!command``: a shell command whose output appears in the cell while it runs.

The command gets a pseudo-terminal for its output, so that programs write line by line and with
colors, and no input: a program that asks something sees the end of input instead of waiting for
ever. It runs in a session of its own, so an interrupt reaches all of its processes; the interrupt
then ends the cell too.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import termios

READ_BYTES = 65_536
#: How often it is looked whether a command has ended that left its terminal to others, in seconds.
POLL_S = 0.1
#: How long an interrupted command has to end before it is ended, in seconds.
GRACE_S = 0.5


def run(command: str) -> int:
    """Run a shell command to its end.

    Parameters
    ----------
    command
        What the shell should run.

    Returns
    -------
    int
        The exit status, or the negative number of the signal that ended it.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted; its processes are gone then.
    """
    ours, theirs = pty.openpty()
    try:
        _keep_line_ends(theirs)
        process = subprocess.Popen(  # noqa: S602 (a shell is what it is for)
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    try:
        _show_output(process, ours)
    except KeyboardInterrupt:
        _end(process)
        raise
    finally:
        os.close(ours)
    return process.wait()


def _keep_line_ends(terminal: int) -> None:
    """Let a line end as the program writes it, not with a carriage return."""
    attributes = termios.tcgetattr(terminal)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)


def _show_output(process: subprocess.Popen[bytes], terminal: int) -> None:
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    while True:
        readable, _, _ = select.select([terminal], [], [], POLL_S)
        if not readable:
            if process.poll() is not None:
                return
            continue
        try:
            data = os.read(terminal, READ_BYTES)
        except OSError:
            return  # Linux says so when the last process has closed the terminal.
        if not data:
            return
        sys.stdout.write(decode(data))


def _end(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
            return
