#!/bin/sh
# Every method of huggingface_hub is called by a story, or coverage.json says why not. Arguments go to vitest.
set -eu
cd "$(dirname "$0")/../.."
[ -n "$(ls "${CLIENT_CALLS:-/nonexistent}" 2>/dev/null)" ] || {
  echo 'skipped: the Python stories did not run in this run of npm run test:clients'
  exit 77
}
exec npx vitest run --config test/clients/coverage.config.ts "$@"
