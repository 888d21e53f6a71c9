"""The site's addresses."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from inference.admin import engine, usage
from localai_site import policy

urlpatterns = [
    path("accounts/", include("chat.accounts.urls")),
    path("admin/engine/", admin.site.admin_view(engine.engine), name="admin-engine"),
    path("admin/engine/<str:name>/", admin.site.admin_view(engine.engine_order), name="admin-engine-order"),
    path("admin/usage/", admin.site.admin_view(usage.usage), name="admin-usage"),
    path("admin/usage/csv/", admin.site.admin_view(usage.usage_csv), name="admin-usage-csv"),
    path("admin/", admin.site.urls),
    path("", include("inference.urls")),
    path("", include("chat.urls")),
]
if settings.DEBUG:
    urlpatterns.append(path("policy/report/", policy.report, name="policy-report"))

handler400 = "localai_site.errors.bad_request"
handler500 = "localai_site.errors.broken"
