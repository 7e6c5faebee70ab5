"""Forms for values of attributes, of people and of groups."""

from typing import Any

from django import forms
from unfold.forms import PaginationInlineFormSet

from apps.access.admin.base import TenantModelForm
from apps.accounts.claims import typed_values
from apps.accounts.errors import AttributeTypeError
from apps.accounts.models import AttributeDefinition, GroupAttribute, UserAttribute


class LinesField(forms.CharField):
    """Text of several lines; browsers end them in another way than we write them, which is no change."""

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


class ValuesForm(TenantModelForm):
    """Values one per line, checked against the attribute's type."""

    text = LinesField(label="values", widget=forms.Textarea(attrs={"rows": 2}), help_text="one per line", required=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.values:
            self.fields["text"].initial = "\n".join(_written(value) for value in self.instance.values)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        definition: AttributeDefinition | None = cleaned.get("definition")
        lines = [line.strip() for line in cleaned.get("text", "").splitlines() if line.strip()]
        if definition is not None:
            try:
                self.instance.values = typed_values([_parsed(line, definition) for line in lines], definition)
            except AttributeTypeError as error:
                self.add_error("text", str(error))
        return cleaned


class OnceFormSet(PaginationInlineFormSet):  # type: ignore[misc]  # the base has no types
    """Rows set by hand, of which each names something else: an error on the page, not one of the database."""

    is_giving = True
    once: str

    def clean(self) -> None:
        super().clean()
        kept = [form for form in self.forms if form.cleaned_data.get(self.once) and not form.cleaned_data.get("DELETE")]
        named = [form.cleaned_data[self.once] for form in kept]
        others = self.get_queryset().exclude(pk__in=[form.instance.pk for form in self.forms])
        if len(set(named)) < len(named) or others.filter(**{f"{self.once}__in": named}).exists():
            raise forms.ValidationError("The same thing stands here twice.")


class AttributeOnceFormSet(OnceFormSet):
    once = "definition"


class GroupOnceFormSet(OnceFormSet):
    once = "group"


class PersonOnceFormSet(OnceFormSet):
    once = "user"


class UserAttributeForm(ValuesForm):
    """What an administrator says of a person."""

    class Meta:
        model = UserAttribute
        fields = ("definition",)

    def clean(self) -> dict[str, Any]:
        self.instance.source = UserAttribute.Source.ADMINISTRATOR
        return super().clean()


class GroupAttributeForm(ValuesForm):
    """What the members of a group have."""

    class Meta:
        model = GroupAttribute
        fields = ("definition",)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parsed(line: str, definition: AttributeDefinition) -> str | int | float | bool:
    if definition.type == AttributeDefinition.Type.BOOLEAN and line.lower() in ("true", "false"):
        return line.lower() == "true"
    if definition.type == AttributeDefinition.Type.NUMBER:
        try:
            return float(line) if "." in line else int(line)
        except ValueError:
            return line
    return line
