"""How a call of the command line becomes the request of a command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Final, NoReturn, TypeVar

from napari_atomicity.cli.console import Console
from napari_atomicity.errors import InputError

Request = TypeVar("Request")

#: a word of a call that is longer is not repeated in full
_LONGEST_WORD: Final = 200


def _with_options(
    kind: type[Request], run: Callable[[Request, Console], None], options: argparse.Namespace
) -> Callable[[Console], None]:
    """`run` with the request that the options of its command make."""
    request = kind(**{field.name: getattr(options, field.name) for field in fields(kind)})  # type: ignore[arg-type]
    return partial(run, request)


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Say so in the words of the program.

        Raises
        ------
        InputError
            Always.
        """
        words = (word if len(word) <= _LONGEST_WORD else f"{word[:_LONGEST_WORD]}…" for word in message.split(" "))
        raise InputError(f"{' '.join(words)} (see {self.prog} --help)")


class Commands:
    """The commands of one level, and what each of them runs."""

    def __init__(self, parsers: argparse._SubParsersAction[Parser]) -> None:
        self._parsers = parsers

    def add(
        self, name: str, kind: type[Request], run: Callable[[Request, Console], None], text: str
    ) -> argparse.ArgumentParser:
        """A command; its options are still to be added.

        Parameters
        ----------
        name
            As it is called.
        kind
            Of its requests, whose fields its options fill.
        run
            What runs with such a request.
        text
            What it does, in a few words.
        """
        added = self._parsers.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        added.set_defaults(command=partial(_with_options, kind, run))
        return added
