"""One machine: embedded services, generated keys, plain HTTP on localhost."""

from omni.settings import env
from omni.settings.base import *

SECRET_KEY = env.generated("OMNI_SECRET_KEY", "secret_key")
OMNI_MASTER_KEY = env.generated("OMNI_MASTER_KEY", "master_key")
CRYPTOGRAPHY_KEY = OMNI_MASTER_KEY
OMNI_WORKER_PRIVATE_KEY_FILE = env.text("OMNI_WORKER_PRIVATE_KEY_FILE") or str(
    env.state_dir() / "keys" / "worker_private_key"
)
OMNI_WORKER_PUBLIC_KEY_FILE = env.text("OMNI_WORKER_PUBLIC_KEY_FILE") or str(
    env.state_dir() / "keys" / "worker_public_key"
)
OMNI_CERTIFICATE_KEY_FILE = env.text("OMNI_CERTIFICATE_KEY_FILE") or str(env.state_dir() / "keys" / "certificate_key")
OMNI_CERTIFICATE_PUBLIC_KEY_FILE = env.text("OMNI_CERTIFICATE_PUBLIC_KEY_FILE") or str(
    env.state_dir() / "keys" / "certificate_public_key"
)
OMNI_IS_LOCAL = True
OMNI_ALLOWED_NETWORKS = [*OMNI_ALLOWED_NETWORKS, "*local*"]
OMNI_ALLOWED_PROVIDERS = [*OMNI_ALLOWED_PROVIDERS, "*local*"]
