"""The program's own settings with an environment of the tests' own: data folder, prefix and servers of this run.

Ports are chosen here but nothing is started: `tests/services.py` starts a server when the first test needs it, so
that the pure tests need none.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from imweb.opensearch.node import free_port

# mypy reads these settings too, and needs no folder of its own.
_folder = Path(tempfile.mkdtemp(prefix="imtest-") if "PYTEST_VERSION" in os.environ else "var").absolute()
_owner = os.getpid() if "PYTEST_VERSION" in os.environ else 0
if _owner:
    # WhiteNoise warns when there are no collected files; these pages take theirs from `static/` itself.
    (_folder / "static").mkdir()


@atexit.register
def _forget() -> None:
    # A child made by fork runs the parent's exit handlers too, and must not take its folder away.
    if os.getpid() == _owner:
        shutil.rmtree(_folder, ignore_errors=True)


# A node of the tests lives for minutes and meets each query a few times: the compiler that is quick to work, and not
# the one whose work is quick, saves a fifth of the whole run.
os.environ.setdefault("IM_OPENSEARCH_JVM", "-XX:TieredStopAtLevel=1")
# Everything goes through the environment, so that the processes a test starts work on the same servers.
OWN_SERVERS = {name for name in ("OPENSEARCH_URL", "REDIS_URL") if not os.environ.get(name)}
RUN_ID = f"imtest-{secrets.token_hex(4)}"
if "OPENSEARCH_URL" in OWN_SERVERS:
    os.environ["OPENSEARCH_URL"] = f"http://127.0.0.1:{free_port()}"
if "REDIS_URL" in OWN_SERVERS:
    os.environ["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
os.environ.setdefault("DATABASE_URL", f"sqlite:///{_folder / 'test.sqlite3'}")
os.environ |= {
    "IM_DATA_DIR": str(_folder),
    "IM_INDEX_PREFIX": RUN_ID,
    "IM_REDIS_PREFIX": RUN_ID,
    "IM_INSECURE": "1",
    "IM_SECRET_KEY": secrets.token_urlsafe(50),
    "IM_PLAIN_STATIC": "1",
    "IM_LOG_LEVEL": "WARNING",
    "IM_LOG_FORMAT": "console",
}

from imweb.settings import *  # noqa: E402, F403
from imweb.settings import DATABASES  # noqa: E402

TEST_FOLDER = _folder
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not memory: the live server's threads and the processes a test starts share it.
    DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}
# Hashing slowly by design would be most of the suite's time.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# A thread of the live server must not hold on to a database that the test drops.
DATABASES["default"]["CONN_MAX_AGE"] = 0
