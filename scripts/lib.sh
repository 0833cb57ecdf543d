# Shared by the scripts of this folder; to be sourced.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# install_packages NAME... : installs what is missing, with apt, on Debian and Ubuntu.
install_packages() {
  local missing=() package
  # zlib and a BLAS (Accelerate) come with macOS.
  [ "$(uname)" != Darwin ] || return 0
  command -v dpkg-query >/dev/null || fail "this script installs $* with apt; \
on other systems install them by hand and run swift build"
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing ${missing[*]}"
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "run as root: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  "${sudo[@]}" apt-get update -q
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "${missing[@]}"
}

# What building needs: a toolchain with _Differentiation, OpenBLAS, zlib, pkg-config.
prepare() {
  command -v swift >/dev/null || fail "no swift found: install a toolchain from swift.org \
(6.3 or later); on macOS too, because Xcode's own lacks the module _Differentiation"
  if [ "$(uname)" = Darwin ]; then
    printf 'import _Differentiation\n' | swiftc -typecheck - 2>/dev/null ||
      fail "this Swift toolchain lacks the module _Differentiation, as Xcode's own does: install \
one from swift.org and select it with: export TOOLCHAINS=swift"
  fi
  install_packages git libopenblas-dev zlib1g-dev pkg-config "$@"
}

# prepare_python FILE... : makes .build-python/venv with the packages of requirements files, and sets
# PYTHON to its interpreter. Quick if that was done before and the files are the same.
prepare_python() {
  local folder=.build-python/venv
  PYTHON=$PWD/$folder/bin/python
  if [ -x "$PYTHON" ] && cat "$@" | cmp -s - "$folder/requirements.txt" &&
    "$PYTHON" -c '' 2>/dev/null; then
    return 0
  fi
  if [ "$(uname)" = Linux ]; then install_packages python3 python3-venv; fi
  command -v python3 >/dev/null || fail "no python3 found: install Python 3.10 or later"
  say "Installing the packages of $* into $folder"
  rm -rf "$folder"
  python3 -m venv "$folder" || fail "python3 cannot make a virtual environment in $folder"
  "$PYTHON" -m pip install --quiet --disable-pip-version-check "${@/#/--requirement=}" ||
    fail "the packages of $* cannot be installed"
  cat "$@" >"$folder/requirements.txt"
}

# prepare_torch : as prepare_python, with all that the project's tests need, and bitlinear_torch
# built from the sources as they are.
prepare_torch() {
  prepare_python Tests/Interop/requirements.txt python/tests/requirements.txt
  say "Installing bitlinear_torch"
  "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall \
    ./python || fail "bitlinear_torch cannot be installed"
}
