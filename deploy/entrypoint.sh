#!/bin/sh
# What the container runs: `serve` (prepares the database first, unless MIGRATE=no), `prepare`, or any command of manage.py.
set -eu
cd "$(dirname "$0")/.."

# A secret key is made once and kept with the data; several containers share it through SECRET_KEY, a file, or the volume.
if [ -z "${SECRET_KEY:-}${SECRET_KEY_FILE:-}" ]; then
    key=${DATA_FOLDER:-/data}/secret_key
    if [ ! -s "$key" ]; then
        (umask 077 && python -c 'import secrets; print(secrets.token_urlsafe(50))' >"$key.new" && mv "$key.new" "$key") || {
            echo "LocalAI cannot start: $key cannot be written. Give the user $(id -u) the folder, or set SECRET_KEY." >&2
            exit 1
        }
    fi
    export SECRET_KEY_FILE="$key"
fi

if [ -n "${HF_HOME:-}" ] && [ ! -w "$HF_HOME" ]; then
    echo "LocalAI cannot write to $HF_HOME, so no model can be downloaded. Give the user $(id -u) the folder that is mounted there." >&2
fi

prepare() {
    python manage.py migrate --no-input --verbosity 0
    python manage.py create_first_admin
}

case "${1:-serve}" in
serve)
    [ "${MIGRATE:-yes}" = no ] || prepare
    # exec: SIGTERM reaches the server itself, which saves what it writes and ends the engine.
    exec python -m daphne -b "${HOST:-0.0.0.0}" -p "${PORT:-8000}" localai_site.asgi:application
    ;;
prepare)
    prepare
    ;;
*)
    exec python manage.py "$@"
    ;;
esac
