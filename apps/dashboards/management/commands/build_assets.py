"""``build_assets``: write the browser's chart bundle out of the wheel that also draws on the server."""

from importlib.metadata import version
from typing import Any

import vl_convert
from django.conf import settings
from django.core.management.base import BaseCommand

from apps.dashboards.charts import VEGA_LITE

SNIPPET = "window.vegaEmbed = vegaEmbed; document.dispatchEvent(new Event('omni:vega'));"


class Command(BaseCommand):
    """Idempotent: the bundle is written again only when the wheel changed."""

    help = "Write the scripts that come out of Python packages into the folder for static files."

    def handle(self, *args: Any, **options: Any) -> None:
        folder = settings.OMNI_STATE_DIR / "assets" / "js"
        bundle, stamp = folder / "vega.js", settings.OMNI_STATE_DIR / "vega.version"
        wanted = f"{version('vl-convert-python')} {VEGA_LITE} {SNIPPET}"
        if bundle.exists() and stamp.exists() and stamp.read_text() == wanted:
            self.say("The chart bundle is up to date.", **options)
            return
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "vega.js.part"
        part.write_text(vl_convert.javascript_bundle(SNIPPET, vl_version=VEGA_LITE))
        part.replace(bundle)
        stamp.write_text(wanted)
        self.say(f"Wrote {bundle.stat().st_size // 1000} kB to {bundle}", **options)

    def say(self, text: str, *, verbosity: int, **_: Any) -> None:
        if verbosity:
            self.stdout.write(text)
