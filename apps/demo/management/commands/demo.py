"""What ``make demo`` runs."""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from apps.demo import processes as children
from apps.demo.people import IDP_PORT, STAFF, TENANTS
from apps.demo.seeding import seed
from apps.embedded.services import release


class Command(BaseCommand):
    help = "Start everything on this machine, with two tenants on real data."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--reset", action="store_true", help="throw the demo's state away and start over")

    def handle(self, *args: Any, **options: Any) -> None:
        self.refuse_production()
        port: int = options["port"]
        if options["reset"]:
            self.start_over(port)
        started = time.monotonic()
        settings.OMNI_PUBLIC_PORT = port
        group = children.Processes(settings.OMNI_STATE_DIR / "log")
        children.interrupt_on_terminate()
        try:
            self.start(group, port)
            self.print_page(port, time.monotonic() - started)
            self.watch(group)
        except KeyboardInterrupt:
            self.stdout.write("\nStopping …")
        except (children.PortTakenError, RuntimeError) as error:
            raise CommandError(str(error)) from None
        finally:
            connections.close_all()
            group.stop()

    def refuse_production(self) -> None:
        if not settings.OMNI_IS_LOCAL:
            raise CommandError("the demo's people and data do not belong in production")
        if not os.environ.get("OMNI_DATABASE_ADMIN_URL"):
            raise CommandError("the demo uses the embedded services: unset OMNI_DATABASE_URL and OMNI_REDIS_URL")

    def start_over(self, port: int) -> None:
        state: Path = settings.OMNI_STATE_DIR
        connections.close_all()
        release(state / "embedded", os.getpid())
        if (state / "embedded" / "postgres" / "postmaster.pid").exists():
            raise CommandError("another process uses the services; stop it first")
        shutil.rmtree(state)
        for name in ("OMNI_DATABASE_URL", "OMNI_DATABASE_OWNER_URL", "OMNI_DATABASE_ADMIN_URL", "OMNI_REDIS_URL"):
            os.environ.pop(name, None)
        given = sys.orig_argv[1 : sys.orig_argv.index(sys.argv[0]) + 1]  # the interpreter's own options, and manage.py
        os.execv(sys.executable, [sys.executable, *given, "demo", "--port", str(port)])  # noqa: S606  # ourselves, with arguments of our own

    def start(self, group: children.Processes, port: int) -> None:
        children.require_port(port, "web")
        children.require_port(IDP_PORT, "identity provider")
        marker: Path = settings.OMNI_STATE_DIR / "demo.ready"
        begun: Path = settings.OMNI_STATE_DIR / "demo.begun"
        if begun.exists() and not marker.exists():
            self.stdout.write("The last set-up was interrupted; starting over …")
            self.start_over(port)
        call_command("migrate", verbosity=0)
        children.start_worker(group)
        children.start_identity_provider(group)
        call_command("build_assets", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        if not marker.exists():
            begun.touch()
            children.wait_for(f"http://localhost:{IDP_PORT}/.well-known/openid-configuration", group)
            seed(self.stdout.write)
            marker.touch()
        children.start_web(group, port)
        children.wait_for(f"http://127.0.0.1:{port}/healthz", group)
        children.wait_for(f"http://localhost:{IDP_PORT}/.well-known/openid-configuration", group)

    def watch(self, group: children.Processes) -> None:
        while (name := group.ended()) is None:
            time.sleep(0.5)
        raise CommandError(f"the {name} process ended; see {group.log_dir / name}.log")

    def print_page(self, port: int, seconds: float) -> None:
        write, bold = self.stdout.write, self.style.MIGRATE_HEADING
        write(f"\n{bold('Omni is running')}  (ready in {seconds:.1f} s; Ctrl-C stops everything)\n")
        for tenant in TENANTS:
            write(f"\n{bold(tenant.name)}")
            write(f"  http://{tenant.slug}.localhost:{port}/dashboards/{tenant.dashboard}/")
            for person in tenant.people:
                write(f"    {person.email:<26} {person.story}")
            write(f"  administration  http://{tenant.slug}.localhost:{port}/admin/")
        write(f"\n{bold('Platform staff')}")
        write(f"  http://localhost:{port}/support/   http://localhost:{port}/admin/")
        write(f"    {STAFF.email:<26} {STAFF.story}")
        write(f"\nEveryone signs in through the local identity provider at http://localhost:{IDP_PORT}: choose")
        write("a person there. There are no passwords.\n")
