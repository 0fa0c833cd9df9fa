# Sourced by the hooks: hands git's facts to the hub and obeys its verdict.
# Over fd 3 when the hub started this push; through a mailbox in the data directory when somebody pushed on this disk.

say_call() {
  printf 'hook %s\n' "$1"
  [ -z "${GIT_QUARANTINE_PATH:-}" ] || printf 'quarantine %s\n' "$GIT_QUARANTINE_PATH"
  i=0
  while [ "$i" -lt "${GIT_PUSH_OPTION_COUNT:-0}" ]; do
    eval "printf 'option %s\n' \"\$GIT_PUSH_OPTION_$i\""
    i=$((i + 1))
  done
  while IFS= read -r line; do printf 'ref %s\n' "$line"; done
  echo end
}

obey() {
  while IFS= read -r line; do
    case $line in
      ok) exit 0 ;;
      refuse) exit 1 ;;
      '> '*) printf '%s\n' "${line#> }" >&2 ;;
    esac
  done
  echo 'packhorse: the hub went away' >&2
  exit 1
}

hand_over() {
  if [ -n "${PACKHORSE_HOOK_FD:-}" ]; then
    say_call "$1" >&3
    obey <&3
  fi
  # A push on the server's own disk. While no hub runs, git alone decides; the hub takes the refs in at its next start.
  run=$(git rev-parse --git-dir) && run=$run/../../../../run
  hub=$(cat "$run/hub.pid" 2>/dev/null) || hub=
  if [ -z "$hub" ] || ! kill -0 "$hub" 2>/dev/null; then
    cat >/dev/null
    exit 0
  fi
  call=$(mktemp -d "$run/hooks/call-XXXXXXXX") || exit 1
  trap 'rm -rf "$call"' EXIT
  { printf 'repository %s\n' "$(cd "$(git rev-parse --git-dir)" && pwd -P)"; say_call "$1"; } >"$call/writing"
  mv "$call/writing" "$call/request"
  until [ -e "$call/answer" ]; do
    kill -0 "$hub" 2>/dev/null || { echo 'packhorse: the hub went away' >&2; exit 1; }
    sleep 0.05
  done
  obey <"$call/answer"
}
