"""Forms for people's own pages."""

from typing import Any

from django import forms
from django.core.validators import MaxValueValidator

from apps.accounts.models import ApiToken, User
from apps.accounts.services import may_hold_admin_token

SHORT_DAYS = 30
"""so long one's own token may live without a fresh sign-in; what a new one is given unless one chooses otherwise"""


class TokenForm(forms.Form):
    """What a new token is for, what it may do and how long."""

    name = forms.CharField(max_length=80, help_text="what it is for: you will recognize it by this when you revoke it")
    scope = forms.ChoiceField(label="May", initial=ApiToken.Scope.QUERY)
    days = forms.IntegerField(label="Days", min_value=1)

    def __init__(self, user: User, longest_days: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = [choice for choice in ApiToken.Scope.choices if may_hold_admin_token(user) or choice[0] != "admin"]
        self.fields["scope"].choices = scopes  # type: ignore[attr-defined]  # of this kind of field
        self.fields["scope"].help_text = "Give it no more than it needs. It never does more than its holder may."
        days = self.fields["days"]
        days.max_value, days.initial = longest_days, min(SHORT_DAYS, longest_days)  # type: ignore[attr-defined]  # of this kind of field
        days.validators.append(MaxValueValidator(longest_days))
        days.help_text = f"at most {longest_days}; more than {SHORT_DAYS} need a fresh sign-in"
