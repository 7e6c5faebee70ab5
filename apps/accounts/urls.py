"""Addresses under /accounts/: all there is for people who have not signed in."""

from django.urls import path

from apps.accounts import views

app_name = "accounts"
urlpatterns = [
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("confirm/", views.confirm, name="confirm"),
    path("recover/<str:secret>/", views.recover, name="recover"),
    path("oidc/<slug:slug>/login/", views.start, name="start"),
    path("oidc/<slug:slug>/callback/", views.callback, name="callback"),
]
