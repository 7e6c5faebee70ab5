"""Addresses of the pages that end users see."""

from django.urls import path

from apps.dashboards import downloading, view_as, views

app_name = "dashboards"
urlpatterns = [
    path("", views.dashboard_list, name="dashboard_list"),
    path("dashboards/<slug:slug>/", views.dashboard_detail, name="dashboard_detail"),
    path("dashboards/<slug:slug>/refresh/", views.dashboard_refresh, name="dashboard_refresh"),
    path("dashboards/<slug:slug>/tiles/<uuid:tile_id>/", views.tile_detail, name="tile"),
    path("dashboards/<slug:slug>/tiles/<uuid:tile_id>/chart.svg", views.tile_svg, name="tile_svg"),
    path("dashboards/<slug:slug>/tiles/<uuid:tile_id>/why/", views.tile_why, name="tile_why"),
    path("dashboards/<slug:slug>/tiles/<uuid:tile_id>/download/", downloading.tile_download, name="tile_download"),
    path("downloads/<uuid:run_id>/", downloading.download_page, name="download"),
    path("dashboards/<slug:slug>/filters/<slug:key>/options/", views.filter_options, name="filter_options"),
    path("runs/<uuid:run_id>/progress/", views.run_progress, name="run_progress"),
    path("runs/<uuid:run_id>/cancel/", views.cancel_run, name="cancel_run"),
    path("view-as/", view_as.people, name="view_as"),
    path("view-as/start/", view_as.start, name="start_view"),
    path("view-as/end/", view_as.end, name="end_view"),
]
