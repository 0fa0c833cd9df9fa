#!/bin/sh
# Installs the peers of the bench, each with its ordinary package client and a pinned version.
#
#   sh scripts/bench/peers.sh [nginx|apache|giftless|rudolfs|soft-serve ...]      (default: all of them)
#
# nginx, fcgiwrap and Apache come from apt, which needs root; the rest goes into .cache/peers. A peer that does not
# install is named with its reason, and the bench then skips its columns: only nginx and fcgiwrap are necessary.
set -u

giftless_version=0.6.2
gunicorn_version=23.0.0
# Its package names no dependencies: these are the ones of its own requirements file that local storage needs.
giftless_needs='flask==2.3.3 flask-classful==0.16.0 flask-marshmallow==0.15.0 marshmallow==3.21.1 webargs==8.4.0
  werkzeug==3.0.3 figcan==0.0.4 pyjwt==2.8.0 pyyaml==6.0.1 python-dotenv==1.0.1 cachetools==5.3.3 cryptography==43.0.1
  requests==2.31.0 importlib-metadata==7.0.2 typing-extensions==4.10.0 python-dateutil==2.9.0.post0'
rudolfs_version=0.3.8
soft_serve_version=v0.12.1
limit_seconds=${PEER_INSTALL_SECONDS:-900}

home=$(cd "$(dirname "$0")/../.." && pwd)/.cache/peers
mkdir -p "$home"
failed=''

missed() {
  echo "peers: $1 skipped: $2" >&2
  failed="$failed $1"
}

has() { command -v "$1" >/dev/null 2>&1; }

# Prints the last lines of the log only when the command fails.
quietly() {
  log="$home/$1.log"
  shift
  timeout "$limit_seconds" nice "$@" >"$log" 2>&1 || { tail -n 5 "$log" >&2; return 1; }
}

apt_packages() {
  [ "$(id -u)" = 0 ] && has apt-get || { echo "peers: as root: apt-get install $*" >&2; return 1; }
  quietly apt env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" ||
    { apt-get update -qq && quietly apt env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }
}

install_nginx() {
  PATH="$PATH:/usr/sbin"
  if has nginx && has fcgiwrap; then return; fi
  # The bench starts its own processes: a service on port 80 is neither wanted nor needed.
  apt_packages nginx-light fcgiwrap || missed nginx 'nginx and fcgiwrap are not installed'
  if has systemctl; then systemctl disable --now nginx fcgiwrap.service fcgiwrap.socket >/dev/null 2>&1; fi
}

install_apache() {
  PATH="$PATH:/usr/sbin"
  if has apache2; then return; fi
  apt_packages apache2-bin || missed apache 'apache2 is not installed'
}

install_giftless() {
  [ -x "$home/giftless/bin/gunicorn" ] && return
  has python3 || { missed giftless 'python3 is not installed'; return; }
  { quietly giftless python3 -m venv "$home/giftless" &&
    quietly giftless "$home/giftless/bin/pip" install "giftless==$giftless_version" "gunicorn==$gunicorn_version" \
      $giftless_needs; } ||
    { rm -rf "$home/giftless"; missed giftless 'pip could not install it'; }
}

install_rudolfs() {
  [ -x "$home/rudolfs/bin/rudolfs" ] && return
  has cargo || { missed rudolfs 'cargo is not installed'; return; }
  quietly rudolfs cargo install rudolfs --version "$rudolfs_version" --locked --root "$home/rudolfs" ||
    missed rudolfs 'cargo could not build it'
}

install_soft_serve() {
  [ -x "$home/soft-serve/bin/soft" ] && return
  has go || { missed soft-serve 'go is not installed'; return; }
  # A module of its own that requires exactly this version: `go install package@version` also asks the proxy for all
  # versions there are, which not every proxy answers.
  build="$home/soft-serve/module"
  mkdir -p "$build" "$home/soft-serve/bin"
  printf 'module peer\n\ngo 1.26\n\nrequire github.com/charmbracelet/soft-serve %s\n' "$soft_serve_version" >"$build/go.mod"
  quietly soft-serve env GOFLAGS=-mod=mod GOBIN="$home/soft-serve/bin" \
    go -C "$build" install github.com/charmbracelet/soft-serve/cmd/soft ||
    missed soft-serve 'go could not install it'
}

[ $# -gt 0 ] || set -- nginx apache giftless soft-serve rudolfs
for peer in "$@"; do
  case $peer in
    nginx) install_nginx ;;
    apache) install_apache ;;
    giftless) install_giftless ;;
    rudolfs) install_rudolfs ;;
    soft-serve) install_soft_serve ;;
    *) missed "$peer" 'unknown peer' ;;
  esac
done

echo "peers: done${failed:+; missing:$failed}"
case " $failed " in *" nginx "*) exit 1 ;; esac
