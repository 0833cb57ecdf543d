# Shared by the scripts of this folder; to be sourced.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# temporary VARIABLE : makes a folder that is removed when the script ends, in whatever way, and sets
# a variable to its path. A trap of a script's own would replace the one here.
temporary_folders=()
trap '[ ${#temporary_folders[@]} = 0 ] || rm -rf "${temporary_folders[@]}"' EXIT
temporary() {
  printf -v "$1" %s "$(mktemp -d)"
  [ -d "${!1}" ] || fail "mktemp cannot make a temporary folder: see above"
  temporary_folders+=("${!1}")
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

# swift_build PRODUCT : builds a product in release mode.
swift_build() {
  local work status=0
  temporary work
  swift build -c release --product "$1" 2>&1 | tee "$work/log" || status=1
  # In a copy of the repository .build is a copy too, and compiled modules serve only in the folder
  # that they were made in.
  if [ $status != 0 ] && grep -q "compiled with module cache path" "$work/log"; then
    say "Compiling the modules in .build again, which were made in another folder"
    rm -rf .build/*/*/ModuleCache
    status=0
    swift build -c release --product "$1" || status=1
  fi
  [ $status = 0 ] || fail "$1 cannot be built: see above"
}

# build_alone KIND PRODUCT FILE EXPORTS [OPTION...] : builds a product, a library or an executable, as
# one file that needs no Swift runtime. On Linux only the symbols of EXPORTS are visible outside, and
# the objects that swift_build made are linked here with the options: SwiftPM does this for executables
# alone, and compiles everything once more for it. On macOS the runtime is part of the system.
build_alone() {
  local kind=$1 product=$2 file=$3 exports=$4 built work
  shift 4
  command -v swift >/dev/null ||
    fail "no swift found: install a toolchain from swift.org (6.3 or later)"
  swift_build "$product"
  built=$(swift build -c release --show-bin-path)
  if [ "$(uname)" = Darwin ]; then
    case $kind in
      executable) cp "$built/$product" "$file" ;;
      library)
        cp "$built/lib$product.dylib" "$file"
        install_name_tool -id "@rpath/${file##*/}" "$file"
        ;;
    esac
    return
  fi
  [ "$kind" != library ] || set -- "$@" -Xlinker -soname="${file##*/}"
  temporary work
  echo "{ ${exports:+global: $exports;} local: *; };" >"$work/exports"
  clang -O2 -fPIC -c scripts/older-glibc.c -o "$work/older-glibc.o"
  swiftc "-emit-$kind" -static-stdlib -o "$file" "$work/older-glibc.o" \
    "@$built/$product.product/Objects.LinkFileList" "$@" \
    -Xlinker --wrap=hypotf -Xlinker --version-script="$work/exports" \
    -use-ld=lld -Xlinker --gc-sections -Xlinker --strip-all
}

# prepare_python NAME FILE... : makes the virtual environment .build-python/NAME with the packages of
# requirements files, and sets PYTHON to its interpreter. Quick if that was done before and the files
# are the same.
prepare_python() {
  local folder=.build-python/$1
  shift
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

# prepare_torch : as prepare_python, with all that the project's tests need, and bitlinear_torch and
# the command line in a wheel built from the sources as they are, which WHEEL then names.
prepare_torch() {
  say "Building the wheel of bitlinear_torch"
  scripts/build-wheel .build-python/wheel
  WHEEL=$(echo .build-python/wheel/*.whl)
  prepare_python venv Tests/Interop/requirements.txt python/tests/requirements.txt
  "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall \
    "$WHEEL" || fail "$WHEEL cannot be installed"
}
