"""A new password: by the old one, by a link in an e-mail, or by one that an administrator made."""

from __future__ import annotations

from contextvars import copy_context
from threading import Thread

from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.auth.views import PasswordChangeView, PasswordResetConfirmView, PasswordResetView
from django.contrib.messages.views import SuccessMessageMixin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse, reverse_lazy
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext_lazy
from django.views.generic import TemplateView

from chat.accounts import second_factor, throttle
from chat.accounts.guesses import ChangePasswordForm
from chat.accounts.throttle import HOUR_SECONDS, Limit

LETTERS_FROM = Limit("letters-from", 20, HOUR_SECONDS)
"""Asked for from one address of the network."""
LETTERS_TO = Limit("letters-to", 3, HOUR_SECONDS)
"""To one e-mail address, whether it is known or not."""


class ChangePassword(SuccessMessageMixin, PasswordChangeView):  # type: ignore[type-arg]  # not generic at run time
    template_name = "registration/change_password.html"
    success_url = reverse_lazy("chat:settings")
    success_message = gettext_lazy("Your password is changed.")
    form_class = ChangePasswordForm


class ForgottenForm(PasswordResetForm):
    def send_mail(self, *letter: object, **options: object) -> None:
        """In a thread of its own: how long the answer takes must not tell whether anybody has the address."""
        send = (super().send_mail, *letter)
        Thread(target=copy_context().run, args=send, kwargs=options, name="letter").start()


class ForgottenPassword(PasswordResetView):
    """The same answer whether the address is known or not."""

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        email = form.cleaned_data["email"].casefold()
        tallies = [LETTERS_FROM.of(throttle.address_of(self.request)), LETTERS_TO.of(email)]
        try:
            throttle.take(tallies)
        except ValidationError as error:
            form.add_error(None, error)
            return self.form_invalid(form)
        return super().form_valid(form)

    form_class = ForgottenForm
    template_name = "registration/forgotten_password.html"
    subject_template_name = "registration/new_password_subject.txt"
    email_template_name = "registration/new_password_letter.txt"
    success_url = reverse_lazy("password-forgotten-sent")


class SentLetter(TemplateView):
    template_name = "registration/sent_letter.html"


class NewPassword(PasswordResetConfirmView):
    """Where the links lead. They are void once used, and after any other log-in or change of the password."""

    template_name = "registration/new_password.html"
    success_url = reverse_lazy("chat:home")

    @property
    def post_reset_login(self) -> bool:  # type: ignore[override]  # Django reads it from the view
        """A link stands for the password alone."""
        return self.user is None or not second_factor.is_on(self.user)

    def get_user(self, uidb64: str) -> User | None:
        user = super().get_user(uidb64)
        return user if isinstance(user, User) and user.is_active else None


def new_password_link(request: HttpRequest, user: User) -> str:
    """Lets whoever opens it choose the person's next password, once, within PASSWORD_RESET_TIMEOUT."""
    names = [urlsafe_base64_encode(force_bytes(user.pk)), default_token_generator.make_token(user)]
    return request.build_absolute_uri(reverse("password-new", args=names))
