"""The one exception a user is meant to read."""

from __future__ import annotations


class InputError(Exception):
    """Input that cannot be used as it is.

    The message is one sentence for the microscopist: what is wrong and what to do about it.
    The command line prints it alone and exits with 2; the window shows it as a notification.
    """
