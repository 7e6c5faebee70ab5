"""Reads: which providers there are for somebody who wants to sign in."""

from apps.accounts.models import EmailDomain, IdentityProvider


def enabled_providers() -> list[IdentityProvider]:
    """Return the bound tenant's providers by which people may sign in."""
    return list(IdentityProvider.objects.filter(is_enabled=True).order_by("name"))


def domain_of(email: str) -> str:
    """Return the domain of an address in small letters, or "" where there is none that could be listed."""
    name, _, domain = email.strip().rpartition("@")
    return domain.lower() if name and domain.isascii() else ""


def provider_for(email: str) -> IdentityProvider | None:
    """Return the enabled provider that an address leads to by its domain. Nobody is looked up."""
    found = EmailDomain.objects.filter(domain=domain_of(email), provider__is_enabled=True).select_related("provider")
    return next((row.provider for row in found), None)


def domains_of(provider: IdentityProvider) -> set[str]:
    """Return the domains that are listed for a provider."""
    return set(EmailDomain.objects.filter(provider=provider).values_list("domain", flat=True))


def belongs_elsewhere(email: str, provider: IdentityProvider) -> bool:
    """Say whether an address is of a domain that is listed for another provider of the tenant."""
    return EmailDomain.objects.filter(domain=domain_of(email)).exclude(provider=provider).exists()
