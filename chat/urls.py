"""The chat's addresses."""

from __future__ import annotations

from django.urls import path

from chat import api_keys, conversation_settings, feedback, history, preferences, views
from chat.context import views as context_views
from chat.search import views as search_views
from chat.transfer import views as transfer_views

app_name = "chat"
urlpatterns = [
    path("", views.home, name="home"),
    path("new/", views.new, name="conversation-new"),
    path("c/<uuid:pk>/", views.conversation, name="conversation"),
    path("c/<uuid:pk>/meter/", context_views.meter, name="conversation-meter"),
    path("c/<uuid:pk>/context/<int:message>/", context_views.told, name="message-context"),
    path("c/<uuid:pk>/context/<int:message>/prompt.txt", context_views.prompt_text, name="message-prompt"),
    path("c/<uuid:pk>/prompt/", views.prompt, name="conversation-prompt"),
    path("c/<uuid:pk>/act/", views.act, name="conversation-act"),
    path("c/<uuid:pk>/feedback/<int:message>/", feedback.message_feedback, name="message-feedback"),
    path("c/<uuid:pk>/item/", history.item, name="conversation-item"),
    path("c/<uuid:pk>/export/<str:form>/", transfer_views.export, name="conversation-export"),
    path("c/<uuid:pk>/rename/", history.rename, name="conversation-rename"),
    path("c/<uuid:pk>/mark/", history.mark, name="conversation-mark"),
    path("c/<uuid:pk>/delete/", history.delete, name="conversation-delete"),
    path("c/<uuid:pk>/restore/", history.restore, name="conversation-restore"),
    path("older/<str:place>/", history.older, name="older"),
    path("archived/", history.archived, name="archived"),
    path("notice/", history.notice, name="notice"),
    path("search/", search_views.results, name="search"),
    path("export/", transfer_views.export_all, name="export"),
    path("import/", transfer_views.import_file, name="import"),
    path("c/<uuid:pk>/settings/", conversation_settings.conversation_settings, name="conversation-settings"),
    path("settings/", preferences.preferences, name="settings"),
    path("settings/api-keys/", api_keys.api_keys, name="api-keys"),
    path("settings/api-keys/<int:pk>/revoke/", api_keys.revoke, name="settings-api-key-revoke"),
    path("settings/theme/", preferences.theme, name="settings-theme"),
    path("settings/presets/", preferences.preset, name="settings-preset-new"),
    path("settings/presets/<int:pk>/", preferences.preset, name="settings-preset"),
    path("settings/presets/<int:pk>/delete/", preferences.delete_preset, name="settings-preset-delete"),
]
