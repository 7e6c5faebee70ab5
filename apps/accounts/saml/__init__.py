"""SAML 2.0: what the library checks (python3-saml through django-allauth), and what is checked here before and after (ADR 10)."""
