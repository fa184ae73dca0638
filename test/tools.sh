#!/usr/bin/env bash
# Install the package clients of the tests, each in a folder of its own below ~/.cache/depot-tools (DEPOT_TEST_TOOLS).
# What is there already and still runs is left alone, so a second call takes a second.
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
  echo '{"private":true}' >"$dir/package.json"
  npm install --prefix "$dir" --no-save --no-audit --no-fund --loglevel=error "${3:-$1}@$2" >&2
  touch "$dir/.installed"
}

# install_python NAME VERSION: a virtual environment each, because pip replaces itself.
install_python() {
  local dir=$tools/$1-$2
  usable "$dir" "$dir/bin/$1" --version && return
  echo "installing $1 $2" >&2
  rm -rf "$dir"
  python3 -m venv "$dir"
  "$dir/bin/python" -m pip install --quiet --disable-pip-version-check "$1==$2" >&2
  touch "$dir/.installed"
}

install_npm npm "$NPM_12"
install_npm pnpm "$PNPM"
install_npm pnpm "$PNPM_OLD"
install_npm yarn "$YARN_1"
install_npm yarn "$YARN_BERRY" @yarnpkg/cli-dist
install_npm bun "$BUN"
install_python pip "$PIP"
install_python pip "$PIP_OLD"
install_python uv "$UV"
install_python twine "$TWINE"
