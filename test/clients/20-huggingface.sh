#!/bin/sh
# huggingface_hub (several versions) and @huggingface/hub. Arguments go to vitest.
set -eu
exec sh "$(dirname "$0")/run-python.sh" "$@"
