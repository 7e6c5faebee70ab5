"""Settings of the soak for leaks: as local, with short lives, so that all that is temporary comes and goes many times."""

from omni.settings.local import *  # noqa: F403  (settings build on each other)

OMNI_RUN_LIFETIME_S = 120
OMNI_DOWNLOAD_TIMEOUT_S = 60
OMNI_DOWNLOAD_FETCH_S = 60
OMNI_RATES = dict.fromkeys(OMNI_RATES, "1000000/minute")  # noqa: F405  (counted as always; two people ask far more than people do)
