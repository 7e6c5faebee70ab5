"""Running queries for administrators: who asks, of what, where, since when; and a way to stop them. Never what was asked."""

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.access.admin import ReadOnlyAdmin, TenantModelAdmin, TenantModelForm, actor_of
from apps.access.roles import Capability
from apps.access.sites import tenant_admin_site
from apps.queries.errors import QueryFailedError
from apps.queries.models import DownloadLimit, QueryRun
from apps.queries.running import ENDED
from apps.queries.services import cancel_somebodys

MOST_CANCELLED = 200


class ActiveFilter(admin.SimpleListFilter):
    """What waits and runs, unless one wants to see what has ended in the last minutes too."""

    title = "which"
    parameter_name = "which"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("all", "ended ones too")]

    def choices(self, changelist: Any) -> Any:
        for value, label in ((None, "waiting and running"), ("all", "ended ones too")):
            query = changelist.get_query_string({self.parameter_name: value} if value else {}, [self.parameter_name])
            yield {"selected": self.value() == value, "query_string": query, "display": label}

    def queryset(self, request: HttpRequest, queryset: QuerySet[QueryRun]) -> QuerySet[QueryRun]:
        return queryset if self.value() == "all" else queryset.exclude(state__in=ENDED)


@admin.register(QueryRun, site=tenant_admin_site)
class QueryRunAdmin(ReadOnlyAdmin):
    """The question is sealed, and is not opened here."""

    nothing_yet = "Nothing runs or waits at the moment."
    search_fields = ("actor_label", "dataset__name", "dataset__data_model__connection__name")
    search_help_text = "who asks, data set or connection"

    capability = Capability.MANAGE_CONNECTIONS

    list_display = ("who", "of_dataset", "connection", "state", "waited", "ran", "priority_name", "attempts")
    list_filter = (ActiveFilter,)
    list_per_page = 50
    ordering = ("-created_at",)
    actions = ("cancel_selected",)
    fields = (
        "who",
        "of_dataset",
        "connection",
        "state",
        "created_at",
        "started_at",
        "finished_at",
        "row_count",
        "error_text",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[QueryRun]:
        found: QuerySet[QueryRun] = super().get_queryset(request)
        return (
            found.filter(expires_at__gt=timezone.now())
            .select_related("dataset__data_model__connection")
            .defer("sealed_query")
        )

    @admin.display(description="who", ordering="actor_label")
    def who(self, run: QueryRun) -> str:
        return run.actor_label

    @admin.display(description="data set", ordering="dataset__name")
    def of_dataset(self, run: QueryRun) -> str:
        return run.dataset.name

    @admin.display(description="connection")
    def connection(self, run: QueryRun) -> str:
        return run.dataset.data_model.connection.name

    @admin.display(description="asked")
    def waited(self, run: QueryRun) -> str:
        return f"{_said(timezone.now() - run.created_at)} ago"

    @admin.display(description="running for")
    def ran(self, run: QueryRun) -> str:
        return _said((run.finished_at or timezone.now()) - run.started_at) if run.started_at else "–"

    @admin.display(description="priority")
    def priority_name(self, run: QueryRun) -> str:
        return "background" if run.priority else "interactive"

    @admin.action(description="Cancel the selected queries, at their sources too", permissions=["view"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[QueryRun]) -> None:
        """Stop them; who waits for one that somebody else led asks anew by themselves."""
        keys = list(queryset.order_by("pk").values_list("pk", flat=True)[:MOST_CANCELLED])
        try:
            number = cancel_somebodys(keys, by=actor_of(request), now=timezone.now())
        except QueryFailedError as error:
            messages.error(request, error.message)
            return
        messages.success(request, f"{number} queries cancelled." if number != 1 else "1 query cancelled.")


class DownloadLimitForm(TenantModelForm):
    """Its fields have a prefix: the theme takes every form with a field ``dataset`` for one of its own and saves nothing."""

    prefix = "limit"


@admin.register(DownloadLimit, site=tenant_admin_site)
class DownloadLimitAdmin(TenantModelAdmin):
    """Fewer rows for the downloads of a data set, or none."""

    nothing_yet = "Downloads have the limits that the operator has set. Set lower ones here."

    capability = Capability.MANAGE_MODELS
    form = DownloadLimitForm
    list_display = ("dataset", "max_rows")
    ordering = ("dataset__name",)
    fields = ("dataset", "max_rows")


def _said(length: timedelta) -> str:
    seconds = max(0, int(length.total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
