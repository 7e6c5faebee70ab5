"""Addresses under /accounts/: all there is for people who have not signed in."""

from django.urls import path

from apps.accounts import views
from apps.accounts.models import IdentityProvider
from apps.accounts.saml import views as saml

app_name = "accounts"
urlpatterns = [
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-out/", views.sign_out, name="sign_out"),
    path("confirm/", views.confirm, name="confirm"),
    path("recover/<str:secret>/", views.recover, name="recover"),
    path("oidc/<slug:slug>/login/", views.start, {"protocol": IdentityProvider.Protocol.OIDC}, name="oidc_start"),
    path("oidc/<slug:slug>/callback/", views.callback, name="callback"),
    path("saml/<slug:slug>/login/", views.start, {"protocol": IdentityProvider.Protocol.SAML}, name="saml_start"),
    path("saml/<slug:slug>/acs/", saml.acs, name="saml_acs"),
    path("saml/<slug:slug>/finish/", saml.finish, name="saml_finish"),
]
