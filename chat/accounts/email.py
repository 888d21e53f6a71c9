"""A person's e-mail address, to which links for new passwords go; only where e-mails can be sent at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from chat.accounts.guesses import check_own_password
from chat.requests import UserRequest


def needs_email(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Not found where no e-mail can be sent."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **options: object) -> HttpResponseBase:
        if not settings.CAN_SEND_EMAIL:
            raise Http404
        return view(request, *args, **options)

    return guarded


class EmailForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Asks for the password: with another address somebody could get another password."""

    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    class Meta:
        model = User
        fields = ("email",)
        labels = {"email": gettext_lazy("E-mail address")}
        help_texts = {"email": gettext_lazy("Empty: you have none here.")}

    def clean_password(self) -> None:
        check_own_password(self.instance, self.cleaned_data["password"])


@needs_email
@login_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def change_email(request: UserRequest) -> HttpResponse:
    person = User.objects.get(pk=request.user.pk)  # the page shows request.user, which a refused form leaves alone
    form = EmailForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Your e-mail address is saved."))
        return redirect("chat:settings")
    return render(request, "registration/change_email.html", {"form": form})
