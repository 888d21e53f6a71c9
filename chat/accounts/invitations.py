"""Where an invitation's link leads: whoever has it makes one account and is logged in. Also its letter."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from chat.accounts.entering import enter
from chat.accounts.signup import SignupForm
from chat.models import Invitation


def link_of(request: HttpRequest, invitation: Invitation) -> str:
    """Of one that was made just now."""
    return request.build_absolute_uri(reverse("invitation", args=[invitation.secret]))


def send_letter(invitation: Invitation, link: str) -> None:
    """Raises OSError where the mail server does not take it."""
    text = render_to_string("registration/invitation_letter.txt", {"invitation": invitation, "link": link})
    send_mail(_("Your invitation to LocalAI"), text, None, [invitation.email])


@never_cache  # the address is a secret
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def accept(request: HttpRequest, secret: str) -> HttpResponse:
    invitation = Invitation.objects.with_secret(secret).first()
    if invitation is None or not invitation.is_open:
        return _void(request, invitation)
    if request.user.is_authenticated:
        return render(request, "registration/invitation_of_another.html")
    form = SignupForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            user = _make_account(invitation, form)
        except IntegrityError:  # somebody else took the name just now
            form.add_error("username", _("A user with that username already exists."))
        else:
            if user is None:
                return _void(request, Invitation.objects.get(pk=invitation.pk))
            enter(request, user)
            return redirect("chat:home")
    return render(request, "registration/invitation.html", {"form": form, "invitation": invitation})


def _make_account(invitation: Invitation, form: SignupForm) -> User | None:
    """None for whoever comes second."""
    with transaction.atomic():
        if not invitation.claim():
            return None
        form.instance.email = invitation.email
        user: User = form.save()
        Invitation.objects.filter(pk=invitation.pk).update(used_by=user)
    return user


def _void(request: HttpRequest, invitation: Invitation | None) -> HttpResponse:
    return render(request, "registration/invitation_void.html", {"invitation": invitation}, status=404)
