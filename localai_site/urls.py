"""The site's addresses."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from chat.accounts import signup

login = auth.LoginView.as_view(redirect_authenticated_user=True, extra_context={"allow_signup": settings.ALLOW_SIGNUP})

urlpatterns = [
    path("accounts/login/", login, name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("accounts/signup/", signup, name="signup"),
    path("admin/", admin.site.urls),
    path("", include("inference.urls")),
    path("", include("chat.urls")),
]
