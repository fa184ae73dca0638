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
install_nix "$NIX_NEW"
