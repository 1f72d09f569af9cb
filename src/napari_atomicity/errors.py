"""The one exception a user is meant to read."""

from __future__ import annotations


class InputError(Exception):
    """Input that cannot be used as it is.

    The message is one sentence for the microscopist: what is wrong and what to do about it. Whoever talks to the person
    shows it alone, without a traceback.
    """
