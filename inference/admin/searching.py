"""The search field above all lists of the administrators: not more words than a database can look for at once."""

from __future__ import annotations

from django import forms
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList, ChangeListSearchForm

MOST_CHARACTERS = 200


class SearchForm(ChangeListSearchForm):
    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]  # a form's
        self.fields = {SEARCH_VAR: forms.CharField(required=False, strip=False, max_length=MOST_CHARACTERS)}


ChangeList.search_form_class = SearchForm
