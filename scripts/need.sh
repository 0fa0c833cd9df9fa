#!/bin/sh
# Makes sure that the named Debian packages' commands are there: installs them with apt when root, else says what to install.
set -eu
missing=
for package in "$@"; do
  command -v "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  # shellcheck disable=SC2086
  apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >&2
else
  echo "please install:$missing (Debian/Ubuntu: apt-get install$missing)" >&2
  exit 1
fi
