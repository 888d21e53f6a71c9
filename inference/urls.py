"""The addresses of the engine's health."""

from __future__ import annotations

from django.urls import path

from inference import health

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
]
