"""The addresses of accounts. Django knows some of them by name, so they have no namespace."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from chat.accounts.email import change_email, needs_email
from chat.accounts.invitations import accept
from chat.accounts.login import LogIn, login_code
from chat.accounts.passwords import ChangePassword, ForgottenPassword, NewPassword, SentLetter
from chat.accounts.signup import signup
from chat.accounts.two_factor import picture, two_factor

urlpatterns = [
    path("login/", LogIn.as_view(), name="login"),
    path("login/code/", login_code, name="login-code"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("signup/", signup, name="signup"),
    path("invitation/<str:secret>/", accept, name="invitation"),
    path("email/", change_email, name="email-change"),
    path("two-factor/", two_factor, name="two-factor"),
    path("two-factor/picture.svg", picture, name="two-factor-picture"),
    path("password/", ChangePassword.as_view(), name="password-change"),
    path("password/forgotten/", needs_email(ForgottenPassword.as_view()), name="password-forgotten"),
    path("password/forgotten/sent/", needs_email(SentLetter.as_view()), name="password-forgotten-sent"),
    path("password/new/<uidb64>/<token>/", NewPassword.as_view(), name="password-new"),
]
