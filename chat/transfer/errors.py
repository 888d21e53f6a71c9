"""What can be wrong with a file that somebody wants to import; the texts are for this person.

UnreadableError             one conversation: the others of the file are imported
└── UnreadableFileError     the whole file: nothing of it is saved
    └── FullError           there is no room for all of it; what came first is saved
"""

from __future__ import annotations


class UnreadableError(Exception):
    """`str(error)` says what is wrong, and in the case of a file what to do."""


class UnreadableFileError(UnreadableError):
    """The file as a whole is of no use."""


class FullError(UnreadableFileError):
    """The person may not keep so much."""
