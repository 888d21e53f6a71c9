"""The site's addresses."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from chat.accounts import ChangePassword, LogIn, signup

urlpatterns = [
    path("accounts/login/", LogIn.as_view(), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("accounts/signup/", signup, name="signup"),
    path("accounts/password/", ChangePassword.as_view(), name="password-change"),
    path("admin/", admin.site.urls),
    path("", include("inference.urls")),
    path("", include("chat.urls")),
]
