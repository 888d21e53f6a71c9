# LocalAI as an image: the site, and with it vLLM for an NVIDIA GPU (default), for the CPU, or none.
#   docker build --build-arg ENGINE_BUILD=cpu -t localai:cpu .
# The same Python for which requirements/ is tested.

FROM python:3.11-slim-bookworm AS build
# gpu, cpu, or none: for ENGINE=vllm-server, which talks to vLLM elsewhere.
ARG ENGINE_BUILD=gpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
# What is installed depends on these alone: a change of the site's code does not install vLLM again.
COPY requirements/ requirements/
COPY localai_site/__init__.py localai_site/requirements.py localai_site/first_run.py localai_site/hardware.py localai_site/
# Compiled here, for nobody may write there later.
RUN python -m localai_site.requirements base && { python -m compileall -qq /venv/lib || true; }
RUN case "$ENGINE_BUILD" in \
      none) ;; \
      gpu|cpu) python -m localai_site.requirements "$ENGINE_BUILD" ;; \
      *) echo "ENGINE_BUILD is $ENGINE_BUILD; it must be gpu, cpu or none."; exit 1 ;; \
    esac
COPY . .
RUN SECRET_KEY=only-for-this-step ENGINE=vllm MODEL_NAME=demo DATABASE_URL=sqlite:////tmp/none.sqlite3 \
    python manage.py collectstatic --no-input --verbosity 0 && \
    python -m compileall -q chat inference localai_site

FROM python:3.11-slim-bookworm
# gcc: Triton compiles its launcher on the first start. numactl: vLLM's CPU build asks it for the cores.
# postgresql-client: backups of a PostgreSQL database.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends gcc libc6-dev libnuma1 numactl postgresql-client && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --gid 1000 localai && \
    useradd --uid 1000 --gid 1000 --no-create-home --home-dir /data --shell /usr/sbin/nologin localai && \
    mkdir -p /data/backups /models && chown -R 1000:1000 /data /models
COPY --from=build /venv /venv
COPY --from=build /app /app
# /data: database, backups, secret key, caches. /models: the Hugging Face cache.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    XDG_CACHE_HOME=/data/cache \
    HF_HOME=/models \
    DATABASE_URL=sqlite:////data/db.sqlite3 \
    BACKUP_FOLDER=/data/backups \
    LOG_FORMAT=json \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /app
USER 1000:1000
VOLUME ["/data", "/models"]
EXPOSE 8000
# The page is there within seconds, whatever the engine does: a restart would only make it load anew.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "/app/deploy/healthcheck.py"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/deploy/entrypoint.sh"]
CMD ["serve"]
