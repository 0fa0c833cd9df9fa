#!/bin/sh
# npm test: unit, contract, wire and client tests with real git and git-lfs. Arguments go to vitest.
set -eu
cd "$(dirname "$0")/.."
sh scripts/need.sh git git-lfs
exec npx vitest run "$@"
