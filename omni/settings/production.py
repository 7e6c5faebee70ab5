"""Production: every key is given, everything travels over TLS; a missing value stops the start."""

from omni.settings import env
from omni.settings.base import *

SECRET_KEY = env.required("OMNI_SECRET_KEY")
OMNI_MASTER_KEY = env.required("OMNI_MASTER_KEY")
CRYPTOGRAPHY_KEY = OMNI_MASTER_KEY
OMNI_WORKER_PRIVATE_KEY_FILE = env.text("OMNI_WORKER_PRIVATE_KEY_FILE")
OMNI_WORKER_PUBLIC_KEY_FILE = env.required("OMNI_WORKER_PUBLIC_KEY_FILE")
OMNI_CERTIFICATE_KEY_FILE = env.text("OMNI_CERTIFICATE_KEY_FILE")
OMNI_CERTIFICATE_PUBLIC_KEY_FILE = env.text("OMNI_CERTIFICATE_PUBLIC_KEY_FILE")
OMNI_IS_LOCAL = False
for _name, _value in (("OMNI_SECRET_KEY", SECRET_KEY), ("OMNI_MASTER_KEY", OMNI_MASTER_KEY)):
    if len(_value) < 32 or "sample" in _value.lower() or "change" in _value.lower():
        raise env.SettingError(f"{_name} is too short or a sample value; see docs/settings.md")
if SECRET_KEY == OMNI_MASTER_KEY:
    raise env.SettingError("OMNI_SECRET_KEY and OMNI_MASTER_KEY must differ")

SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-omni_session"
CSRF_COOKIE_NAME = "__Host-omni_csrf"
