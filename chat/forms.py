"""What people may send, from page and socket alike."""

from __future__ import annotations

from django import forms
from django.conf import settings

from chat.models import Conversation, EffortChoice
from inference.harmony import Effort
from inference.vocabulary import without_lone_surrogates

CHARACTERS_PER_CONTEXT_TOKEN = 32


class PromptForm(forms.Form):
    """A prompt and the effort to answer it with.

    The length in characters is only a bound on work: the exact one, in tokens, is Harmony's.
    """

    prompt = forms.CharField(
        strip=False,
        error_messages={"required": "Write something first."},
    )
    effort = forms.TypedChoiceField(
        choices=EffortChoice.choices,
        coerce=Effort,
        required=False,
        empty_value=None,
        error_messages={"invalid_choice": "The effort is %(value)r; it must be low, medium or high."},
    )

    def clean_prompt(self) -> str:
        prompt = without_lone_surrogates(self.cleaned_data["prompt"].replace("\r\n", "\n"))
        limit = max(64_000, CHARACTERS_PER_CONTEXT_TOKEN * settings.MAX_CONTEXT_TOKENS)
        if not prompt.strip():
            raise forms.ValidationError("Write something first.")
        if len(prompt) > limit:
            raise forms.ValidationError(
                f"This prompt is too long: it has {len(prompt):,} characters, at most {limit:,} are read. Shorten it."
            )
        return prompt

    def clean_effort(self) -> Effort:
        return self.cleaned_data["effort"] or Effort(settings.DEFAULT_REASONING_EFFORT)

    def error_text(self) -> str:
        return " ".join(str(error) for errors in self.errors.values() for error in errors)


class RenameForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    class Meta:
        model = Conversation
        fields = ("title",)
        error_messages = {"title": {"max_length": "A title has at most 200 characters."}}
