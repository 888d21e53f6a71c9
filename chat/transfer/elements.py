"""The conversations of a JSON text one by one, so that only one is in memory, however many there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from django.utils.translation import gettext as _

from chat.transfer.draft import MAX_CHARACTERS
from chat.transfer.errors import UnreadableFileError

CHUNK_CHARACTERS = 1 << 20
BLANKS = " \t\r\n"

_decoder = json.JSONDecoder()


def elements(read: Callable[[int], str]) -> Iterator[object]:
    """The elements of a list, or the one object that the text is; `read` gives about so many more characters.

    Raises UnreadableFileError.
    """
    text = _Window(read)
    is_list = text.next_sign() == "["
    text.skip("[" if is_list else "")
    if not (is_list and text.next_sign() == "]"):
        yield text.value()
    while is_list and text.next_sign() == ",":
        text.skip(",")
        yield text.value()
    text.skip("]" if is_list else "")
    if text.next_sign():
        raise _not_json()


class _Window:
    """The part of a text that is being read."""

    def __init__(self, read: Callable[[int], str]) -> None:
        self._read = read
        self._text = ""
        self._position = 0
        self._is_over = False

    def next_sign(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self._position < len(self._text):
                if self._text[self._position] not in BLANKS:
                    return self._text[self._position]
                self._position += 1
            if self._is_over:
                return ""
            self._more()

    def skip(self, sign: str) -> None:
        if sign and self.next_sign() != sign:
            raise _not_json()
        self._position += len(sign)

    def value(self) -> object:
        self.next_sign()
        while True:
            try:
                value, end = _decoder.raw_decode(self._text, self._position)
            except RecursionError as error:  # brackets within brackets without end
                raise _not_json() from error
            except ValueError as error:  # the file's fault, or more of it is needed
                if self._is_over:
                    raise _not_json() from error
            else:
                if end < len(self._text) or self._is_over:
                    self._position = end
                    return value
            if len(self._text) - self._position > MAX_CHARACTERS:
                raise UnreadableFileError(_("One conversation in this file is too long to be read."))
            self._more()

    def _more(self) -> None:
        """Twice as much each time, so that a long conversation is not looked at too often."""
        rest = self._text[self._position :]
        try:
            chunk = self._read(max(CHUNK_CHARACTERS, len(rest)))
        except UnicodeDecodeError as error:
            raise _not_json() from error
        self._text, self._position, self._is_over = rest + chunk, 0, not chunk


def _not_json() -> UnreadableFileError:
    return UnreadableFileError(
        _("This file cannot be read: it is damaged, or not an export. Choose the .json or .zip file as you got it.")
    )
