#!/bin/sh
# Installs and runs a real S3 server (versitygw, posix backend) on loopback, for the S3 tests and the bench.
#
#   sh scripts/s3-server.sh [--install-only] [--data DIR] [--port N] [--bucket NAME]
#
# Prints S3_ENDPOINT=…, S3_BUCKET=… and so on, one per line, once the server answers (with PACKHORSE_ in front they
# are the hub's configuration), then stays in the foreground until it is signalled. Without --data a temporary
# directory is used and removed at the end.
set -eu

version=v1.8.0
root=$(cd "$(dirname "$0")/.." && pwd)
home="$root/.cache/s3"
server="$home/versitygw-$version"

data='' port=0 bucket=packhorse install_only=no
access_key=${S3_ACCESS_KEY_ID:-packhorse}
secret_key=${S3_SECRET_ACCESS_KEY:-packhorse-secret}
region=${S3_REGION:-us-east-1}

fail() {
  echo "s3-server: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --install-only) install_only=yes ;;
    --data | --port | --bucket)
      [ $# -ge 2 ] || fail "$1 needs a value"
      case $1 in
        --data) data=$2 ;;
        --port) port=$2 ;;
        --bucket) bucket=$2 ;;
      esac
      shift
      ;;
    *) fail "unknown argument $1" ;;
  esac
  shift
done

install_server() {
  [ -x "$server" ] && return
  if ! command -v go >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
      fail 'Go 1.25 or newer is needed to build versitygw: install it (apt-get install golang-go) and run this again'
    apt-get install -y -qq golang-go >&2 || fail 'apt-get install golang-go failed: install Go 1.25 or newer by hand'
  fi
  echo "s3-server: building versitygw $version (about a minute)" >&2
  mkdir -p "$home"
  # A temporary GOBIN and a rename, so that two runs at once never execute a half-written binary.
  build=$(mktemp -d "$home/build.XXXXXX")
  GOBIN="$build" go install "github.com/versity/versitygw/cmd/versitygw@$version" >&2 || {
    rm -rf "$build"
    fail "the build failed. $(go version) was used; Go 1.25 or newer is needed (or 1.21 and newer with GOTOOLCHAIN=auto)"
  }
  mv "$build/versitygw" "$server"
  rmdir "$build"
}

install_server
[ "$install_only" = no ] || exit 0

if [ "$port" = 0 ]; then
  port=$(node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
fi

made=''
if [ -z "$data" ]; then
  data=$(mktemp -d "${TMPDIR:-/tmp}/packhorse-s3.XXXXXX")
  made=$data
fi
# In the posix backend a directory is a bucket. Metadata goes into a sidecar directory because not every file
# system (tmpfs on older kernels, some overlays) keeps extended attributes.
mkdir -p "$data/objects/$bucket" "$data/meta"

pid=''
finish() {
  trap - EXIT INT TERM HUP
  [ -z "$pid" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null || true
  [ -z "$made" ] || rm -rf "$made"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

ROOT_ACCESS_KEY="$access_key" ROOT_SECRET_KEY="$secret_key" "$server" --port "127.0.0.1:$port" --region "$region" \
  --health /healthz --keep-alive --quiet posix --sidecar "$data/meta" "$data/objects" >"$data/server.log" 2>&1 &
pid=$!

answers() {
  node -e 'fetch(process.argv[1]).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))' "http://127.0.0.1:$port/healthz"
}
tries=0
until answers; do
  tries=$((tries + 1))
  if [ "$tries" -gt 50 ] || ! kill -0 "$pid" 2>/dev/null; then
    cat "$data/server.log" >&2
    fail 'the server did not come up'
  fi
  sleep 0.2
done

cat <<READY
S3_ENDPOINT=http://127.0.0.1:$port
S3_BUCKET=$bucket
S3_REGION=$region
S3_ACCESS_KEY_ID=$access_key
S3_SECRET_ACCESS_KEY=$secret_key
S3_FORCE_PATH_STYLE=true
READY

wait "$pid"
