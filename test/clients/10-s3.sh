#!/bin/sh
# The LFS and download suites on objects in a real S3 server (scripts/s3-server.sh): by presigned URLs, and through the hub.
# Arguments go to vitest.
set -eu
cd "$(dirname "$0")/../.."
sh scripts/need.sh git git-lfs python3
sh scripts/s3-server.sh --install-only || {
  echo "skipped: no S3 server could be installed here"
  exit 77
}

lines=$(mktemp)
sh scripts/s3-server.sh >"$lines" &
server=$!
finish() {
  code=$?
  trap - EXIT
  kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true
  rm -f "$lines"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

tries=0
until grep -q S3_FORCE_PATH_STYLE "$lines"; do
  tries=$((tries + 1))
  if [ "$tries" -gt 150 ] || ! kill -0 "$server" 2>/dev/null; then
    echo "the S3 server did not come up"
    exit 1
  fi
  sleep 0.2
done
set -a
. "$lines"
set +a

# coverage is of the Hugging Face stories, with this part or without it
unset CLIENT_CALLS
TEST_OBJECT_MODES=s3,s3-proxy npx vitest run \
  test/contract/object-store.test.ts test/wire/lfs-multipart.test.ts test/wire/lfs-sharing.test.ts \
  test/wire/lfs-s3.test.ts test/wire/hf-read-s3.test.ts test/client/lfs-git.test.ts test/client/backup-s3.test.ts test/client/git-bundle-uri.test.ts \
  test/wire/xet-links.test.ts "$@"
