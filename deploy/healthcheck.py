"""`python deploy/healthcheck.py live|ready`: ask this container's web server, as the host name that it answers to."""

from __future__ import annotations

import os
import sys
import urllib.request


def main(check: str) -> int:
    """Return 0 when the check answers 200."""
    host = os.environ.get("IM_ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".")
    request = urllib.request.Request(f"http://127.0.0.1:8000/healthz/{check}", headers={"Host": host})
    # No proxy of the environment stands between a container and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=4) as answer:
            return 0 if answer.status == 200 else 1
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
