#!/bin/sh
# npm run test:clients: suites that need more than git and git-lfs, part by part.
#
#   sh scripts/test-clients.sh [--reports DIR] [PART…]
#
# A part is test/clients/NN-name.sh, run as `sh PART vitest-arguments…`: it installs what it needs and runs its tests.
# Exit code 0 = passed, 77 = skipped (it has printed why), anything else = failed. PART narrows it by name ("s3").
# DIR receives vitest's JSON reports, clients-NAME.json. The last line counts tests; a part that fails without a failing
# test counts as one.
set -u
cd "$(dirname "$0")/.."

made=''
reports=''
if [ "${1:-}" = --reports ]; then
  reports=${2:?--reports needs a directory}
  shift 2
else
  reports=$(mktemp -d "${TMPDIR:-/tmp}/packhorse-reports.XXXXXX")
  made=$reports
fi
trap '[ -z "$made" ] || rm -rf "$made"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$reports"
# what the stories call is noted here, for the part that checks that nothing is left out
rm -rf "$reports/calls"
mkdir "$reports/calls"
CLIENT_CALLS=$(cd "$reports/calls" && pwd)
export CLIENT_CALLS

wanted() {
  [ $# -gt 1 ] || return 0
  name=$1
  shift
  for it in "$@"; do
    [ "$it" = "$name" ] && return 0
  done
  return 1
}

ran=0 failed='' skipped=''
for part in test/clients/[0-9]*.sh; do
  name=$(basename "$part" .sh | sed 's/^[0-9]*-//')
  wanted "$name" "$@" || continue
  ran=$((ran + 1))
  echo "== $name"
  sh "$part" --reporter=default --reporter=json --outputFile.json="$reports/clients-$name.json"
  case $? in
    0) echo "== $name: passed" ;;
    77)
      echo "== $name: skipped, see above"
      skipped="$skipped $name"
      ;;
    *)
      echo "== $name: FAILED"
      failed="$failed $name"
      ;;
  esac
done

[ -z "$skipped" ] || echo "skipped parts:$skipped"
code=0
if [ "$ran" = 0 ]; then
  echo "there is no such part: $*"
  code=1
fi
if [ -n "$failed" ]; then
  echo "failed parts:$failed"
  code=1
fi
counting=$(mktemp -d "${TMPDIR:-/tmp}/packhorse-reports.XXXXXX")
cp "$reports"/clients-*.json "$counting" 2>/dev/null
node scripts/ci-count.mjs "$counting" "$code"
rm -rf "$counting"
exit "$code"
