"""The chat's addresses."""

from __future__ import annotations

from django.urls import path

from chat import views

app_name = "chat"
urlpatterns = [
    path("", views.home, name="home"),
    path("new/", views.new, name="conversation-new"),
    path("c/<uuid:pk>/", views.conversation, name="conversation"),
    path("c/<uuid:pk>/prompt/", views.prompt, name="conversation-prompt"),
    path("c/<uuid:pk>/act/", views.act, name="conversation-act"),
    path("c/<uuid:pk>/rename/", views.rename, name="conversation-rename"),
    path("c/<uuid:pk>/delete/", views.delete, name="conversation-delete"),
]
