"""Texts that end an answer: nothing from the first of them on is shown."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Reads an answer in pieces; holds back what may be the beginning of a stop string."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.is_found = False
        self._stops = [stop for stop in stops if stop]
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what can be shown now."""
        if self.is_found:
            return ""
        text = self._held + text
        found = [index for index in (text.find(stop) for stop in self._stops) if index >= 0]
        if found:
            self.is_found, self._held = True, ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """Return what was held back; the answer is over."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the text's end the stop string begins with."""
    longest = min(len(text), len(stop) - 1)
    return next((length for length in range(longest, 0, -1) if text.endswith(stop[:length])), 0)
