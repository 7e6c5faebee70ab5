"""What people type into the support pages."""

from typing import Any

from django import forms

from apps.datamodels.models import Dataset
from apps.support.models import SupportRequest
from apps.support.selectors import choosable_datasets
from apps.support.services import MAX_MINUTES, MIN_MINUTES


class AccessRequestForm(forms.Form):
    """Our staff ask. Which data sets is left to the customer: staff need not know what there is."""

    tenant = forms.SlugField(max_length=40, label="Tenant", help_text="its short name, as in its address")
    reason = forms.ChoiceField(choices=SupportRequest.Reason.choices)
    reason_text = forms.CharField(
        max_length=1000, label="What for", help_text="the customer reads this",
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip
    ticket = forms.CharField(max_length=80, required=False)
    minutes = forms.IntegerField(min_value=MIN_MINUTES, max_value=MAX_MINUTES, initial=60)
    asks_values = forms.BooleanField(
        required=False, label="See values", help_text="without it only structure is shown: names, no data"
    )


class ApprovalForm(forms.Form):
    """The customer narrows and approves."""

    minutes = forms.IntegerField(min_value=1)
    datasets: "forms.ModelMultipleChoiceField[Dataset]" = forms.ModelMultipleChoiceField(
        queryset=None, label="Data sets", widget=forms.CheckboxSelectMultiple
    )
    grants_values = forms.BooleanField(required=False, label="Allow them to see values")

    def __init__(self, request: SupportRequest, data: Any = None) -> None:
        super().__init__(data)
        minutes, datasets = self.fields["minutes"], self.fields["datasets"]
        minutes.initial = request.asked_minutes
        minutes.widget.attrs["max"] = request.asked_minutes
        datasets.queryset = choosable_datasets(request)  # type: ignore[attr-defined]  # of this kind of field
        if not request.asks_values:
            del self.fields["grants_values"]
