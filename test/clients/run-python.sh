#!/bin/sh
# The stories with huggingface_hub (newest and 0.28.1) and @huggingface/hub. Arguments go to vitest.
set -eu
cd "$(dirname "$0")/../.."
sh scripts/need.sh git git-lfs python3
exec npx vitest run --config test/clients/vitest.config.ts "$@"
