"""Errors are read in the language of who reads them, wherever they were made."""

from __future__ import annotations

from django.utils import translation

from inference.errors import EngineFailedError, PromptTooLongError


def test_an_error_is_translated_where_it_is_read() -> None:
    with translation.override("en"):
        error = PromptTooLongError(12_345, 2000, instructions_tokens=1000)
        assert "needs 12,345 tokens, 1,000 of them for the instructions, and at most 2,000 fit" in str(error)
    with translation.override("de"):
        assert "braucht 12.345 Token, davon 1.000 für die Anweisungen, und höchstens 2.000 passen" in str(error)


def test_what_failed_and_what_helps_make_one_text() -> None:
    assert str(EngineFailedError("It broke.", "Mend it.")) == "It broke. Mend it."
    assert str(EngineFailedError("It broke.")) == "It broke."
