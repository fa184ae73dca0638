#!/usr/bin/env bash
# A private PostgreSQL for the tests, one per checkout: `eval "$(test/services.sh start)"`, `… status`, `… stop`.
# Standard output carries `export` lines only. DEPOT_TEST_DIR moves its folder, PG_PORT fixes its port, DURABLE=1 leaves
# fsync on, DEPOT_TEST_INSTALL=1 installs what is missing (apt).
set -euo pipefail
exec </dev/null

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
run_folder=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}
state=${DEPOT_TEST_DIR:-$run_folder/depot-test-$(printf %s "$checkout" | sha256sum | cut -c1-8)}
data=$state/pg/data

say() { echo "services: $*" >&2; }

# PostgreSQL refuses root; a plain user runs it as himself.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

pg_bin() {
  local newest
  newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1) || true
  if [ -x "$newest/initdb" ]; then echo "$newest"; else dirname "$(command -v initdb || echo /)"; fi
}

# Whoever listens may be a stranger: ours has its data folder on its command line.
running() {
  local pid
  pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) || return 1
  [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$data"
}

free_port() {
  node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'
}

print_exports() {
  echo "export DEPOT_TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:$(cat "$state/pg/port")/postgres"
}

start() {
  if running; then
    print_exports
    return
  fi
  if [ ! -x "$(pg_bin)/initdb" ] && [ "${DEPOT_TEST_INSTALL:-}" = 1 ]; then
    apt-get install -y --no-install-recommends postgresql >&2
  fi
  if [ ! -x "$(pg_bin)/initdb" ]; then
    say 'no PostgreSQL here (apt-get install postgresql)'
    return
  fi
  create_cluster
  local unsafe='-c fsync=off -c synchronous_commit=off -c full_page_writes=off'
  [ "${DURABLE:-}" = 1 ] && unsafe=''
  local options="-p $(cat "$state/pg/port") -c listen_addresses=127.0.0.1 -c unix_socket_directories=$state/pg -c max_connections=200 $unsafe"
  # Its own descriptors: whoever waits for this script's output, or for the lock, must not wait for the server.
  if ! as_postgres "$(pg_bin)/pg_ctl" -D "$data" -w -t 60 -l "$state/pg/log" -o "$options" start >&2 9>&-; then
    tail -n 5 "$state/pg/log" >&2
    exit 1
  fi
  print_exports
}

create_cluster() {
  [ -e "$state/pg/port" ] || echo "${PG_PORT:-$(free_port)}" >"$state/pg/port"
  [ "$(id -u)" = 0 ] && chown -R postgres: "$state/pg"
  [ -e "$data/PG_VERSION" ] && return
  as_postgres "$(pg_bin)/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
}

stop() {
  if running; then as_postgres "$(pg_bin)/pg_ctl" -D "$data" -m immediate -w stop >&2; fi
  # Only a folder that this script made.
  if [ -e "$state/.made-by-services" ]; then rm -rf "$state"; fi
}

prepare_state() {
  if [ ! -d "$state" ]; then
    mkdir -p "$state"
    touch "$state/.made-by-services"
  fi
  chmod 0711 "$state"
  mkdir -p "$state/pg"
}

case "${1:-}" in
  start)
    prepare_state
    exec 9>"$state/lock"
    flock 9
    start
    ;;
  stop) stop ;;
  status)
    if ! running; then
      say 'stopped'
      exit 3
    fi
    print_exports
    ;;
  *)
    say 'usage: test/services.sh start|stop|status'
    exit 2
    ;;
esac
