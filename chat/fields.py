"""Fields of several forms: instructions for the model, and the length of its answers."""

from __future__ import annotations

from django import forms
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from chat.forms import max_prompt_characters
from inference.harmony import count_tokens
from inference.limits import context_tokens, longest_answer_tokens
from inference.vocabulary import without_lone_surrogates

SHORTEST_ANSWER_TOKENS = 16


def cleaned_text(text: str) -> str:
    """As it is kept: lines end with LF, and nothing is in it that UTF-8 or a database refuses."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return without_lone_surrogates(text)


class InstructionsField(forms.CharField):
    """They stay in every prompt, so at most half of the context is theirs. May be empty unless `required`."""

    widget = forms.Textarea(attrs={"rows": 6})

    def __init__(self, *, required: bool = False, **options: object) -> None:
        super().__init__(required=required, **options)  # type: ignore[arg-type]

    def to_python(self, value: object) -> str:
        return str(super().to_python(cleaned_text(str(value or ""))))

    def validate(self, value: str) -> None:
        super().validate(value)
        tokens = count_tokens(value) if len(value) <= max_prompt_characters() else None
        limit = context_tokens() // 2
        if tokens is None:
            raise forms.ValidationError(
                _("These instructions are too long: they have %(count)s characters, at most %(limit)s are read.")
                % {"count": _number(len(value)), "limit": _number(max_prompt_characters())}
            )
        if tokens > limit:
            raise forms.ValidationError(
                _(
                    "These instructions are too long: they have %(count)s tokens and at most %(limit)s fit, "
                    "half of the model's context. Shorten them."
                )
                % {"count": _number(tokens), "limit": _number(limit)}
            )


class MaxTokensField(forms.IntegerField):
    """Empty: the default. The bounds are the engine's, as it runs now."""

    def __init__(self, **options: object) -> None:
        super().__init__(required=False, **options)  # type: ignore[arg-type]

    def to_python(self, value: object) -> int | None:
        try:
            return super().to_python(value)
        except forms.ValidationError as error:
            raise self._refusal() from error

    def validate(self, value: int | None) -> None:
        super().validate(value)
        if value is not None and not SHORTEST_ANSWER_TOKENS <= value <= longest_answer_tokens():
            raise self._refusal()

    def _refusal(self) -> forms.ValidationError:
        return forms.ValidationError(
            _("The longest answer must have between %(least)s and %(most)s tokens.") % bounds_of_length()
        )


def bounds_of_length() -> dict[str, str]:
    """Of answers, in tokens, as a person reads them."""
    return {"least": _number(SHORTEST_ANSWER_TOKENS), "most": _number(longest_answer_tokens())}


def _number(value: int) -> str:
    return number_format(value, force_grouping=True)
