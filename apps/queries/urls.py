"""Addresses under /api/v1/."""

from django.urls import path, re_path

from apps.queries import views

app_name = "api"
urlpatterns = [
    path("datasets", views.datasets, name="datasets"),
    path("datasets/<str:name>", views.dataset, name="dataset"),
    path("query", views.query, name="query"),
    path("runs/<uuid:run_id>", views.run, name="run"),
    path("downloads", views.begin_download, name="begin_download"),
    path("downloads/<uuid:run_id>", views.download, name="download"),
    path("explain", views.explain_query, name="explain"),
    re_path(r"^(?P<rest>.*)$", views.nothing),
]
