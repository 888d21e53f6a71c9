"""LaTeX as MathML; LaTeX that cannot be shown as a formula is shown as it was written."""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from xml.etree.ElementTree import Element, tostring

from django.utils.html import escape
from latex2mathml import exceptions
from latex2mathml.converter import convert_to_element

from chat.markdown.sanitiser import MATH_ATTRIBUTES, MATH_TAGS

MAX_LATEX = 2_000
"""Characters. No formula of an answer is that long, and the converter's time grows faster than its input."""

_DEFINES = re.compile(r"\\(?:re)?newcommand|\\def\b|\\providecommand|\\DeclareMathOperator|\\let\b")
"""Macros may grow without bound when they are expanded."""

_UNKNOWN_ENVIRONMENTS = {"aligned": "split", "alignedat": "split", "gathered": "split", "smallmatrix": "matrix"}
_ENVIRONMENT = re.compile(rf"\\(begin|end)\{{({'|'.join(_UNKNOWN_ENVIRONMENTS)})\}}")

_HUGE = re.compile(r"(?<![\d.])(?:\d{4}|\d{3}(?![\d.]*(?:px|pt|mu|%)))")
"""A length that no formula needs: a space of a thousand lines would push the conversation off the page."""

_CHILDREN = {
    **dict.fromkeys(("mfrac", "mover", "mroot", "msub", "msup", "munder"), 2),
    **dict.fromkeys(("msubsup", "munderover"), 3),
}

_CONVERTER_ERRORS: tuple[type[Exception], ...] = (
    *(error for error in vars(exceptions).values() if isinstance(error, type) and issubclass(error, Exception)),
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,  # RecursionError, and StopIteration within a generator
    StopIteration,
    TypeError,
    ValueError,
)


@lru_cache(maxsize=512)
def formula(latex: str, *, is_display: bool) -> str:
    element = _converted(latex.strip(), "block" if is_display else "inline")
    return source(latex) if element is None else tostring(element, encoding="unicode")


def source(latex: str) -> str:
    return f'<code class="formula">{escape(latex.strip())}</code>'


def _converted(latex: str, display: str) -> Element | None:
    if not latex or len(latex) > MAX_LATEX or _DEFINES.search(latex):
        return None
    known = _ENVIRONMENT.sub(lambda match: rf"\{match[1]}{{{_UNKNOWN_ENVIRONMENTS[match[2]]}}}", latex)
    try:
        element = convert_to_element(known, display=display)
        for part in element.iter():
            _clean(part)
    except _CONVERTER_ERRORS:  # the model's LaTeX is at fault
        return None
    return element


def _clean(part: Element) -> None:
    """Keep what the page allows. ValueError: the converter did not understand the LaTeX."""
    if part.tag not in MATH_TAGS or len(part) != _CHILDREN.get(part.tag, len(part)):
        raise ValueError(part.tag)
    for name in set(part.attrib) - MATH_ATTRIBUTES:
        del part.attrib[name]
    if any(_HUGE.search(value) for value in part.attrib.values()):
        raise ValueError(part.attrib)
    # The converter writes characters as references and leaves it to its serialiser to make them whole.
    part.text = unescape(part.text) if part.text else part.text
    if part.tag != "mtext" and part.text and (part.text == "&" or re.match(r"\\[A-Za-z]", part.text)):
        raise ValueError(part.text)
