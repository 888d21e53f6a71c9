"""The addresses of the HTTP API and of the engine's health."""

from __future__ import annotations

from django.urls import path, re_path

from inference import health, scrape
from inference.api import models
from inference.api.chat_completions import chat_completions
from inference.api.docs import docs
from inference.api.endpoint import unknown_address
from inference.api.generate import generate
from inference.api.openapi import openapi
from inference.api.responses.views import responses, stored_response

urlpatterns = [
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", scrape.metrics, name="metrics"),
    path("api/generate", generate, name="api-generate"),
    path("v1/chat/completions", chat_completions, name="api-chat-completions"),
    path("v1/models", models.models, name="api-models"),
    path("v1/models/<path:name>", models.model, name="api-model"),
    path("v1/responses", responses, name="api-responses"),
    path("v1/responses/<str:response_id>", stored_response, name="api-response"),
    path("api/openapi.json", openapi, name="api-openapi"),
    path("api/docs", docs, name="api-docs"),
    re_path(r"^(?:api|v1)/", unknown_address),
]
