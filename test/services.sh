#!/usr/bin/env bash
# Private servers for the tests, one of each per checkout: `eval "$(test/services.sh start)"`, `… status`, `… stop`.
# PostgreSQL, an S3 server (versitygw), and with SECOND_S3=1 another one (MinIO), with ODD_S3=1 a third (moto); what this host lacks is left out.
# Standard output carries `export` lines only. DEPOT_TEST_DIR moves their folder; PG_PORT, S3_PORT, S3_SECOND_PORT and S3_ODD_PORT fix their ports;
# DURABLE=1 leaves PostgreSQL's fsync on; DEPOT_TEST_INSTALL=1 installs what is missing (apt, and test/tools.sh).
set -euo pipefail
exec </dev/null

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools.env
source "$checkout/test/tools.env"
tools=${DEPOT_TEST_TOOLS:-$HOME/.cache/depot-tools}
run_folder=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}
state=${DEPOT_TEST_DIR:-$run_folder/depot-test-$(printf %s "$checkout" | sha256sum | cut -c1-8)}
data=$state/pg/data
# For servers on loopback that live as long as the tests.
s3_user=depot-tests
s3_secret=depot-tests-secret

say() { echo "services: $*" >&2; }

# ours PID-FILE FOLDER: whoever has that pid now may be a stranger: ours has its folder on its command line.
ours() {
  local pid
  pid=$(head -n 1 "$1" 2>/dev/null) || return 1
  [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$2"
}

free_port() {
  node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'
}

# port_of NAME [PORT]: the port of that server, chosen once.
port_of() {
  [ -e "$state/$1/port" ] || echo "${2:-$(free_port)}" >"$state/$1/port"
  cat "$state/$1/port"
}

print_exports() {
  if pg_running; then
    echo "export DEPOT_TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:$(port_of pg)/postgres"
  fi
  local name variable
  for name in s3 s3-second s3-odd; do
    variable=DEPOT_TEST_$(echo "$name" | tr a-z- A-Z_)_URL
    if s3_running "$name"; then echo "export $variable=http://$s3_user:$s3_secret@127.0.0.1:$(port_of "$name")"; fi
  done
}

# PostgreSQL refuses root; a plain user runs it as himself.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

pg_bin() {
  local newest
  newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1) || true
  if [ -x "$newest/initdb" ]; then echo "$newest"; else dirname "$(command -v initdb || echo /)"; fi
}

pg_running() { ours "$data/postmaster.pid" "$data"; }

start_postgres() {
  pg_running && return
  if [ ! -x "$(pg_bin)/initdb" ] && [ "${DEPOT_TEST_INSTALL:-}" = 1 ]; then
    apt-get install -y --no-install-recommends postgresql >&2
  fi
  if [ ! -x "$(pg_bin)/initdb" ]; then
    say 'no PostgreSQL here (apt-get install postgresql)'
    return
  fi
  mkdir -p "$state/pg"
  local port
  port=$(port_of pg "${PG_PORT:-}")
  if [ "$(id -u)" = 0 ]; then chown -R postgres: "$state/pg"; fi
  if [ ! -e "$data/PG_VERSION" ]; then
    as_postgres "$(pg_bin)/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
  fi
  local unsafe='-c fsync=off -c synchronous_commit=off -c full_page_writes=off'
  [ "${DURABLE:-}" = 1 ] && unsafe=''
  local options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$state/pg -c max_connections=200 $unsafe"
  # Its own descriptors: whoever waits for this script's output, or for the lock, must not wait for the server.
  if ! as_postgres "$(pg_bin)/pg_ctl" -D "$data" -w -t 60 -l "$state/pg/log" -o "$options" start >&2 9>&-; then
    tail -n 5 "$state/pg/log" >&2
    exit 1
  fi
}

s3_running() { ours "$state/$1/pid" "$state/$1/"; }

# s3_program NAME VERSION [FILE]: the one that test/tools.sh installed, else one on PATH.
s3_program() {
  local program=$tools/$1-$2/${3:-$1}
  if [ ! -e "$tools/$1-$2/.installed" ] && [ "${DEPOT_TEST_INSTALL:-}" = 1 ]; then "$checkout/test/tools.sh" s3 >&2; fi
  if [ -x "$program" ]; then echo "$program"; else command -v "$1" || say "no $1 here (test/tools.sh s3 installs it)"; fi
}

# launch NAME COMMAND...: start it, and leave it to itself.
launch() {
  local folder=$state/$1
  shift
  setsid "$@" >"$folder/log" 2>&1 9>&- &
  echo $! >"$folder/pid"
}

launch_s3() {
  local program
  program=$(s3_program versitygw "$VERSITYGW")
  if [ -n "$program" ] && ! s3_running s3; then
    mkdir -p "$state"/s3/{data,sidecar}
    # What belongs to an object lies beside it: not every file system has extended attributes.
    ROOT_ACCESS_KEY=$s3_user ROOT_SECRET_KEY=$s3_secret launch s3 "$program" --quiet --health /health \
      --port "127.0.0.1:$(port_of s3 "${S3_PORT:-}")" posix --sidecar "$state/s3/sidecar" "$state/s3/data"
  fi
  if [ "${SECOND_S3:-}" = 1 ]; then launch_minio; fi
  if [ "${ODD_S3:-}" = 1 ]; then launch_moto; fi
}

launch_minio() {
  local program
  program=$(s3_program minio "$MINIO")
  if [ -n "$program" ] && ! s3_running s3-second; then
    mkdir -p "$state/s3-second/data"
    MINIO_ROOT_USER=$s3_user MINIO_ROOT_PASSWORD=$s3_secret MINIO_BROWSER=off MINIO_SCANNER_SPEED=slowest launch s3-second "$program" \
      server --quiet --address "127.0.0.1:$(port_of s3-second "${S3_SECOND_PORT:-}")" "$state/s3-second/data"
  fi
}

# It lets everybody in, and keeps what it is given in memory and in temporary files.
launch_moto() {
  local python
  python=$(s3_program moto "$MOTO" bin/python)
  if [ -n "$python" ] && ! s3_running s3-odd; then
    mkdir -p "$state/s3-odd"
    # The option says nothing to Python: it has the folder on the command line.
    TMPDIR=$state/s3-odd launch s3-odd "$python" -X "folder=$state/s3-odd/" -m moto.server -H 127.0.0.1 \
      -p "$(port_of s3-odd "${S3_ODD_PORT:-}")"
  fi
}

# until_ready NAME PATH: wait until that S3 server says that it is, if it was started.
until_ready() {
  [ -e "$state/$1/pid" ] || return 0
  local url
  url=http://127.0.0.1:$(port_of "$1")$2
  # A stranger on that port may answer too: ours has ended then.
  if ! node -e '
    const [url, pid] = process.argv.slice(1)
    const deadline = Date.now() + 60_000
    const again = () => process.kill(pid, 0) && Date.now() < deadline ? setTimeout(ask, 50) : process.exit(1)
    const ask = () => fetch(url).then((answer) => answer.ok || again()).catch(again)
    ask()' "$url" "$(cat "$state/$1/pid")" 2>/dev/null || ! s3_running "$1"; then
    say "$1 does not answer at $url"
    tail -n 5 "$state/$1/log" >&2
    exit 1
  fi
}

start() {
  # They start while the other does.
  launch_s3
  start_postgres
  until_ready s3 /health
  until_ready s3-second /minio/health/ready
  until_ready s3-odd /moto-api/
  print_exports
}

stop() {
  local name
  if pg_running; then as_postgres "$(pg_bin)/pg_ctl" -D "$data" -m immediate -w stop >&2; fi
  for name in s3 s3-second s3-odd; do
    if s3_running "$name"; then kill -KILL "$(cat "$state/$name/pid")"; fi
    while s3_running "$name"; do sleep 0.05; done
  done
  # Only a folder that this script made.
  if [ -e "$state/.made-by-services" ]; then rm -rf "$state"; fi
}

prepare_state() {
  if [ ! -d "$state" ]; then
    mkdir -p "$state"
    touch "$state/.made-by-services"
  fi
  chmod 0711 "$state"
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
    exports=$(print_exports)
    if [ -z "$exports" ]; then
      say 'stopped'
      exit 3
    fi
    echo "$exports"
    ;;
  *)
    say 'usage: test/services.sh start|stop|status'
    exit 2
    ;;
esac
