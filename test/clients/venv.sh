#!/bin/sh
# venv.sh VERSION: a Python environment below .cache/ with that huggingface_hub; prints its python. "latest" = the newest.
set -eu
version="${1:?a version of huggingface_hub, or latest}"
root="$(cd "$(dirname "$0")/../.." && pwd)"
venv="$root/.cache/venv-$version"
if [ ! -f "$venv/.complete" ]; then
  mkdir -p "$root/.cache"
  # several runners may ask at once: the first one builds, the others wait
  exec 9>"$root/.cache/venv-$version.lock"
  flock 9
  if [ ! -f "$venv/.complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    package="huggingface_hub"
    [ "$version" = latest ] || package="huggingface_hub==$version"
    # hf_xet makes LFS-mode uploads of a client go through Xet; the old client knows nothing of it
    case "$version" in
      0.*) set -- "$package" ;;
      *) set -- "$package" hf_xet ;;
    esac
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >&2
    touch "$venv/.complete"
  fi
fi
echo "$venv/bin/python"
