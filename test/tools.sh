#!/usr/bin/env bash
# Install the package clients and the S3 servers of the tests, each in a folder of its own below ~/.cache/depot-tools (DEPOT_TEST_TOOLS).
# What is there already and still runs is left alone, so a second call takes two seconds.
# `test/tools.sh peers` installs only the servers that others move from, which the benches stand beside; `test/tools.sh s3` only the S3 servers.
set -euo pipefail
exec </dev/null

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools.env
source "$here/tools.env"
tools=${DEPOT_TEST_TOOLS:-$HOME/.cache/depot-tools}
mkdir -p "$tools"
exec 9>"$tools/.lock"
flock 9

# usable DIR COMMAND...: whether DIR was installed whole, and its program still runs on this host.
usable() {
  local dir=$1
  shift
  [ -e "$dir/.installed" ] && "$@" >/dev/null 2>&1
}

# install_npm NAME VERSION [PACKAGE]: outside the project's lock file, because a mirror may lack other platforms' optional packages.
install_npm() {
  local dir=$tools/$1-$2
  usable "$dir" "$dir/node_modules/.bin/$1" --version && return
  echo "installing $1 $2" >&2
  rm -rf "$dir"
  mkdir -p "$dir"
  # Some mirror lacks the tag that a dependency of Verdaccio's asks for; Node's binary arrives by its install script.
  echo '{"private":true,"overrides":{"node-fetch":"2.7.0"},"allowScripts":{"node":true}}' >"$dir/package.json"
  npm install --prefix "$dir" --no-save --no-audit --no-fund --loglevel=error "${3:-$1}@$2" >&2
  touch "$dir/.installed"
}

# install_python NAME VERSION [REQUIREMENT...]: a virtual environment each, because their dependencies exclude one another. The
# newest pip fills them all: a pip of their own would take seconds for each.
install_python() {
  local dir=$tools/$1-$2
  usable "$dir" "$dir/bin/python" -c 'import importlib.metadata, sys; importlib.metadata.version(sys.argv[1])' "$1" && return
  echo "installing $1 $2" >&2
  rm -rf "$dir"
  local installer=$tools/pip-$PIP/bin/pip requirements=("${@:3}")
  [ "${#requirements[@]}" -gt 0 ] || requirements=("$1==$2")
  if [ "$1-$2" = "pip-$PIP" ]; then python3 -m venv "$dir"; else python3 -m venv --without-pip "$dir"; fi
  "$installer" --python "$dir/bin/python" install --quiet --disable-pip-version-check "${requirements[@]}" >&2
  touch "$dir/.installed"
}

# install_backends REQUIREMENT...: wheels in one folder, named by what was asked for.
install_backends() {
  local dir
  dir=$tools/python-backends-$(printf '%s\n' "$@" | sha256sum | head -c 12)
  usable "$dir" true && return
  echo 'downloading build backends' >&2
  rm -rf "$dir"
  mkdir -p "$dir"
  "$tools/pip-$PIP/bin/pip" download --quiet --disable-pip-version-check --only-binary :all: --dest "$dir" "$@" >&2
  touch "$dir/.installed"
}

# install_nix VERSION: Debian trixie's, from the mirror that apt is configured with. Its packages are only unpacked, and it runs on
# the C library that came with them: the host's packages stay as they are.
install_nix() {
  local dir=$tools/nix-$1
  usable "$dir" "$dir/nix" --version && return
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  if [ ! -e "$keyring" ] || [ "$(dpkg --print-architecture)" != amd64 ]; then
    echo "no Debian on x86-64: nix $1 is left out" >&2
    return
  fi
  echo "installing nix $1" >&2
  rm -rf "$dir"
  mkdir -p "$dir/apt/lists/partial" "$dir/apt/archives/partial"
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -m 1 '/debian/$' || echo http://deb.debian.org/debian/)
  echo "deb [signed-by=$keyring] $mirror trixie main" >"$dir/apt/sources.list"
  touch "$dir/apt/status"
  cat >"$dir/apt/apt.conf" <<EOF
Dir::State "$dir/apt";
Dir::State::Lists "$dir/apt/lists";
Dir::State::status "$dir/apt/status";
Dir::Cache "$dir/apt";
Dir::Cache::Archives "$dir/apt/archives";
Dir::Etc::SourceList "$dir/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
EOF
  APT_CONFIG=$dir/apt/apt.conf apt-get -qq update >&2
  APT_CONFIG=$dir/apt/apt.conf apt-get -qq -y --download-only install nix-bin >&2
  local package
  for package in "$dir"/apt/archives/{nix-bin,lib,zlib}*.deb; do dpkg-deb -x "$package" "$dir"; done
  rm -rf "$dir/apt"
  # Without a build hook: it would be this program again, started without its libraries.
  cat >"$dir/nix" <<EOF
#!/bin/sh
NIX_CONFIG="build-hook =
\${NIX_CONFIG-}"
export NIX_CONFIG
exec "$dir/usr/lib64/ld-linux-x86-64.so.2" --argv0 nix --library-path "$dir/usr/lib/x86_64-linux-gnu" "$dir/usr/bin/nix" "\$@"
EOF
  chmod +x "$dir/nix"
  if ! "$dir/nix" --version | grep -F " $1" >&2; then
    echo "Debian trixie has another nix than $1: change test/tools.env" >&2
    return 1
  fi
  touch "$dir/.installed"
}

# install_go NAME VERSION PACKAGE: a program that is built from its sources, for some minutes, and yields to everything else meanwhile.
install_go() {
  local dir=$tools/$1-$2 PATH=$PATH:/usr/local/go/bin
  usable "$dir" "$dir/$1" --version && return
  if ! command -v go >/dev/null; then
    echo "no go on PATH (https://go.dev/dl, 1.25 or newer): $1 is left out" >&2
    return
  fi
  echo "building $1 $2" >&2
  rm -rf "$dir"
  mkdir -p "$dir"
  GOBIN=$dir nice -n 19 go install -ldflags='-s -w' "$3@v$2" >&2
  "$dir/$1" --version >&2
  touch "$dir/.installed"
}

install_s3_servers() {
  install_go versitygw "$VERSITYGW" github.com/versity/versitygw/cmd/versitygw
  install_go minio "$MINIO" github.com/minio/minio
}

# A third server, whose oddities are others'. Without its extra `server`, which brings what the other services of AWS need.
install_moto() {
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "no python3 with venv (apt-get install python3-venv): moto $MOTO is left out" >&2
    return
  fi
  install_python pip "$PIP"
  install_python moto "$MOTO" "moto[s3]==$MOTO" flask flask-cors
}

if [ "${1:-}" = s3 ]; then
  install_s3_servers
  install_moto
  exit 0
fi

# Compilers and downloads wait for different things.
if [ "${1:-}" != peers ]; then
  install_s3_servers &
  s3_servers=$!
fi

# What others move from, and what the benches stand beside.
install_npm verdaccio "$VERDACCIO"
install_python pip "$PIP"
install_python devpi-server "$DEVPI"
install_python pypiserver "$PYPISERVER"
[ "${1:-}" != peers ] || exit 0

install_npm node "$NODE_26"
install_npm npm "$NPM_10"
install_npm npm "$NPM_11"
install_npm npm "$NPM_12"
install_npm pnpm "$PNPM"
install_npm pnpm "$PNPM_OLD"
install_npm yarn "$YARN_1"
install_npm yarn "$YARN_BERRY" @yarnpkg/cli-dist
install_npm bun "$BUN"
for version in "$PIP" "$PIP_25" "$PIP_24" "$PIP_23_2" "$PIP_23_0" "$PIP_22" "$PIP_OLD" "$PIP_19"; do
  install_python pip "$version"
done
install_python uv "$UV"
install_python twine "$TWINE"
install_python poetry "$POETRY"
# A plain pdm breaks on newer releases of what it depends on.
install_python pdm "$PDM" "pdm[locked]==$PDM"
install_python pipenv "$PIPENV"
# pip-compile and pip-sync drive the pip beside them.
install_python pip-tools "$PIP_TOOLS" "pip-tools==$PIP_TOOLS" "pip==$PIP"
install_python hatch "$HATCH"
install_python flit "$FLIT"
# shellcheck disable=SC2086 # a list
install_backends $BACKENDS
install_nix "$NIX_NEW"
install_moto
wait "$s3_servers"
