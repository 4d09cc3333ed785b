"""The product's settings, with a known key, quick passwords and files in a temporary folder."""

import os
import tempfile

os.environ.setdefault("SECRET_KEY", "tests-only")
os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="tocsin-tests-"))
os.environ.setdefault("LOG_LEVEL", "CRITICAL")

from config.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEMO_TRANSPORTS = True
