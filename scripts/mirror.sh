#!/bin/sh
# Copies every project of an ABF repository: git with all refs, and every LFS object that any of them names.
#
#   PACKHORSE_USER=mirror PACKHORSE_PASSWORD=… scripts/mirror.sh <hub url> <repository id> <directory>
#
# While it runs it holds the repository's .repo.lock, so that all projects are copied in one state; writers are told so.
# The lock is renewed as long as it runs and given back however it ends. Run it again to bring the copy up to date.
# Needs curl, git and git-lfs. PACKHORSE_PASSWORD may be a token. PACKHORSE_RENEW_SECONDS (300): keep it well below the
# hub's PACKHORSE_MIRROR_LOCK_SECONDS. Projects that the account may not read are not copied; copies of projects that
# left the repository stay where they are. Exit status: 0 all copied and checked, 1 some not, 2 nothing could be begun.
set -u

if [ $# -ne 3 ] || [ -z "${PACKHORSE_USER:-}" ] || [ -z "${PACKHORSE_PASSWORD:-}" ]; then
  sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
hub=${1%/}
repository=$2
case $repository in
  *[!0-9]* | '') echo "mirror: the repository id must be a number" >&2; exit 2 ;;
esac
mkdir -p "$3" && directory=$(cd "$3" && pwd) || exit 2
renew=${PACKHORSE_RENEW_SECONDS:-300}
work=$(mktemp -d) || exit 2
holder=$(uname -n | tr -c 'A-Za-z0-9_.\n-' '-')-$$
api=$hub/api/v1/repositories/$repository
renewal=
locked=

# Secrets stay out of argument lists: curl reads them from a file, git asks a helper that reads the environment.
umask 077
printf '%s:%s\n' "$PACKHORSE_USER" "$PACKHORSE_PASSWORD" |
  sed 's/[\\"]/\\&/g; s/^/user = "/; s/$/"/' >"$work/curl"
umask 022
export PACKHORSE_USER PACKHORSE_PASSWORD
export GIT_TERMINAL_PROMPT=0 GIT_CONFIG_COUNT=2
export GIT_CONFIG_KEY_0=credential.helper GIT_CONFIG_VALUE_0=
export GIT_CONFIG_KEY_1=credential.helper
# shellcheck disable=SC2016
export GIT_CONFIG_VALUE_1='!f() { test "$1" = get && printf "username=%s\npassword=%s\n" "$PACKHORSE_USER" "$PACKHORSE_PASSWORD"; }; f'

call() {
  curl --silent --show-error --fail --config "$work/curl" "$@"
}

lock() {
  call --request PUT --header 'Content-Length: 0' --output "$work/lock" "$api/add_repo_lock_file.json?holder=$holder"
}

end() {
  status=$?
  trap - EXIT INT TERM HUP
  [ -z "$renewal" ] || kill "$renewal" 2>/dev/null
  if [ -n "$locked" ]; then
    call --request DELETE --output "$work/lock" "$api/remove_repo_lock_file.json?holder=$holder" ||
      echo "mirror: the lock could not be given back, it ends by itself" >&2
  fi
  rm -rf "$work"
  exit "$status"
}
trap end EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Git URLs of all projects, one a line, from pages until an empty one.
list_projects() {
  page=1
  : >"$work/projects"
  while :; do
    call --output "$work/page" "$api/projects.json?per_page=100&page=$page" || return 1
    tr ',' '\n' <"$work/page" | sed -n 's/^.*"git_url":"\([^"\\]*\)".*$/\1/p' >"$work/urls"
    [ -s "$work/urls" ] || return 0
    cat "$work/urls" >>"$work/projects"
    page=$((page + 1))
  done
}

# Where a project is kept: the path of its URL below the directory.
place_of() {
  place=${1#*://}
  place=${place#*/}
  case /$place/ in
    */../* | */./* | *//*) return 1 ;;
  esac
  printf '%s\n' "$directory/$place"
}

copy() {
  url=$1
  target=$(place_of "$url") || return 1
  if [ -d "$target" ]; then
    git -C "$target" remote set-url origin "$url" && git -C "$target" remote update --prune || return 1
  else
    mkdir -p "${target%/*}" && rm -rf "$target.new" || return 1
    git clone --quiet --mirror "$url" "$target.new" && mv "$target.new" "$target" || return 1
  fi
  git -C "$target" fsck --full --no-dangling --no-progress || return 1
  [ -n "$(git -C "$target" for-each-ref --count=1)" ] || return 0
  git -C "$target" lfs fetch --all origin && check_lfs "$target"
}

# `git lfs fsck` looks at one commit; here every object that any ref names is looked for and hashed (by `git lfs pointer`).
check_lfs() {
  git -C "$1" lfs ls-files --all --long >"$work/lfs" || return 1
  cut -d ' ' -f 1 "$work/lfs" | sort -u >"$work/oids"
  while read -r oid; do
    rest=${oid#??}
    file=$1/lfs/objects/${oid%"$rest"}/${rest%"${rest#??}"}/$oid
    [ -f "$file" ] && git lfs pointer --file="$file" 2>/dev/null | grep -q "^oid sha256:$oid\$" || {
      echo "mirror: LFS object $oid is missing or damaged in $1" >&2
      return 1
    }
  done <"$work/oids"
}

lock || {
  echo "mirror: no lock, nothing was copied" >&2
  exit 2
}
locked=yes
(
  nap=
  trap 'kill "$nap"; exit' TERM
  while :; do
    sleep "$renew" &
    nap=$!
    wait "$nap"
    lock || : >"$work/lost"
  done
) </dev/null >/dev/null 2>&1 &
renewal=$!

list_projects || {
  echo "mirror: the projects cannot be listed" >&2
  exit 2
}
failed=0
copied=0
while read -r url; do
  if copy "$url" </dev/null; then
    copied=$((copied + 1))
  else
    echo "mirror: FAILED $url" >&2
    failed=$((failed + 1))
  fi
done <"$work/projects"
if [ -e "$work/lost" ]; then
  echo "mirror: the lock could not be renewed, the copy may be of several states" >&2
  failed=$((failed + 1))
fi
echo "mirror: $copied projects copied, $failed failed"
[ "$failed" -eq 0 ] || exit 1
