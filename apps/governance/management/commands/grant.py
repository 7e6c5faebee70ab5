"""Grant an object permission."""

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import Permission
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import models

from apps.access.services import grant_permission
from apps.accounts.models import User, UserGroup
from apps.audit.types import SYSTEM
from apps.tenants.commands import tenant_of

NAME_FIELDS = ("name", "slug", "title")


class Command(BaseCommand):
    help = "Grant a permission on one object, e.g. `grant acme --group Analysts query_dataset Sales`."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--user", metavar="EMAIL")
        who.add_argument("--group", metavar="NAME")
        parser.add_argument("permission")
        parser.add_argument("object")

    def handle(self, *args: Any, **options: Any) -> None:
        with tenant_of(options["slug"]):
            user = User.objects.filter(email__iexact=options["user"]).first() if options["user"] else None
            group = UserGroup.objects.filter(name=options["group"]).first() if options["group"] else None
            if user is None and group is None:
                raise CommandError(f"nobody here is called {options['user'] or options['group']!r}")
            obj = self.find(options["permission"], options["object"])
            grant_permission(
                user=user, group=group, permission=options["permission"], obj=obj, by=SYSTEM, now=datetime.now(UTC)
            )
        self.stdout.write(f"{user or group} may {options['permission']} {obj}")

    def find(self, codename: str, name: str) -> models.Model:
        """Find the object by whatever its kind is named by."""
        permission = Permission.objects.select_related("content_type").filter(codename=codename).first()
        model = permission.content_type.model_class() if permission else None
        if model is None or not model.__module__.startswith("apps."):
            raise CommandError(f"no permission {codename!r}")
        fields = {field.name for field in model._meta.fields}
        for field in NAME_FIELDS:
            if field in fields and (found := model._default_manager.filter(**{field: name}).first()):
                return found
        raise CommandError(f"no {model._meta.verbose_name} {name!r}")
