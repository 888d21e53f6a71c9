"""Regular expressions in JSON schemas: those that xgrammar turns into strings of JSON, and soon.

It writes a quote, a backslash or a line end of a pattern into the JSON as it is. It takes no notice of what (?…) asks
for, nor of ^ and $ inside. Repetitions it writes out, and a few dozen of characters of any kind take it minutes.
"""

from __future__ import annotations

import re

CLASS = r"\\[dws]"
SIGN = r"""\\(?![\\"])[!-/:-@\[-`{-~]"""
"""A sign that means itself."""
PIECE = re.compile(
    rf"""
    {SIGN} | [^\[\](){{}}*+?|^$.\\"\x00-\x1f]
    | \( (?: \?: | (?! \? ) ) | \) (?! [*+{{] )
    | (?P<step> {CLASS} | \[ (?! \^ ) (?: {CLASS} | {SIGN} | [\ !\#-\[^-~] )+ \] | \| )
    | (?P<loop> (?<! [*+?}}] ) [*+?] )
    | (?P<count> (?<! [*+?}}] ) \{{ (?P<least> \d{{1,2}} ) (?: , (?P<most> \d{{0,2}} ) )? \}} )
    """,
    re.VERBOSE,
)
LOOP_WEIGHT = 3


def pattern_weight(pattern: str) -> int:
    """Return how much work it makes: its classes and alternatives, and how often they are repeated.

    Raises ValueError for a pattern that cannot be relied on.
    """
    position, weight = int(pattern.startswith("^")), 0
    end = len(pattern) - (pattern.endswith("$") and not pattern.endswith(r"\$"))
    while position < end:
        piece = PIECE.match(pattern, position, end)
        if piece is None:
            raise ValueError(f"this is not supported in a pattern: {pattern[position:][:20]}")
        weight += bool(piece["step"]) + LOOP_WEIGHT * bool(piece["loop"])
        weight += max(int(piece["least"] or 0), int(piece["most"] or 0))
        position = piece.end()
    return weight


def checked_pattern(pattern: str) -> str:
    """Raises ValueError for a pattern that cannot be relied on."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError) as error:  # the caller: no regular expression
        raise ValueError(f"this is no pattern: {error}") from error
    pattern_weight(pattern)
    return pattern
