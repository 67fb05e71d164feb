# The program alone, for web, worker and beat; docker-compose.yml starts it. Nothing runs as root.
FROM python:3.11-slim-bookworm AS packages
COPY requirements/run.lock /tmp/run.lock
RUN python -m venv /venv \
 && /venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/run.lock

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=imweb.settings \
    IM_DATA_DIR=/tmp/incident-manager \
    IM_STATIC_ROOT=/app/collected
# The number is that of the OpenSearch image's user too, who reads the keys made by deploy/certificates.py.
RUN groupadd --gid 1000 im && useradd --uid 1000 --gid im --no-create-home --shell /usr/sbin/nologin im
COPY --from=packages /venv /venv
WORKDIR /app
COPY manage.py pyproject.toml LICENSE ./
COPY imweb imweb
COPY templates templates
COPY static static
COPY deploy/certificates.py deploy/healthcheck.py deploy/
# A key for this one command; it signs nothing that is kept.
RUN IM_SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
    python manage.py collectstatic --no-input --verbosity 0 \
 && python -m compileall -q imweb
USER im
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "deploy/healthcheck.py", "live"]
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", \
     "--blocking-threads", "8", "--no-ws", "imweb.wsgi:application"]
