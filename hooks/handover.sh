# Sourced by the hooks: hands git's facts to the hub and obeys its verdict.
# Over fd 3 when the hub started this push; through a mailbox in the data directory when somebody pushed on this disk.
# Every process started here is paid by every push: builtins only on the way of a small one.

LC_ALL=C
line_feed='
'

say_call() {
  printf 'hook %s\n' "$1"
  [ -z "${GIT_QUARANTINE_PATH:-}" ] || printf 'quarantine %s\n' "$GIT_QUARANTINE_PATH"
  i=0
  while [ "$i" -lt "${GIT_PUSH_OPTION_COUNT:-0}" ]; do
    eval "option=\$GIT_PUSH_OPTION_$i"
    case $option in
      *"$line_feed"*) ;;
      *) printf 'option %s\n' "$option" ;;
    esac
    i=$((i + 1))
  done
  i=0
  while [ "$i" -lt 20 ] && IFS= read -r line; do
    printf 'ref %s\n' "$line"
    i=$((i + 1))
  done
  # the shell reads byte by byte: many refs are worth a process
  [ "$i" -lt 20 ] || sed 's/^/ref /'
  printf 'end %s\n' "${PACKHORSE_HOOK_NONCE:-}"
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

# A file in run/hubs for each hub that serves this data directory, named <pid>-<random>.
hub_runs() {
  for hub in "$run"/hubs/*; do
    hub=${hub##*/}
    kill -0 "${hub%%-*}" 2>/dev/null && return 0
  done
  return 1
}

hand_over() {
  if [ -n "${PACKHORSE_HOOK_FD:-}" ]; then
    say_call "$1" >&3
    obey <&3
  fi
  # A push on the server's own disk. While no hub runs, git alone decides; the hub takes the refs in at its next start.
  repository=$(cd "${GIT_DIR:-.}" && pwd -P) || exit 1
  run=${repository%/git/repos/*}/run
  if ! hub_runs; then
    cat >/dev/null
    exit 0
  fi
  writing=$(mktemp "$run/hooks/writing-XXXXXXXXXX") || exit 1
  id=${writing##*/writing-}
  call=$run/hooks/call-$id answer=$run/hooks/answer-$id
  trap 'rm -f "$writing" "$call" "$answer"' EXIT
  trap 'exit 1' HUP INT TERM
  { printf 'repository %s\n' "$repository"; say_call "$1"; } >"$writing"
  mv "$writing" "$call" || exit 1
  waited=0
  until [ -e "$answer" ]; do
    hub_runs || { echo 'packhorse: the hub went away' >&2; exit 1; }
    # an answer may take its time; that the hub takes the call away may not
    [ ! -e "$call" ] || waited=$((waited + 1))
    [ "$waited" -lt 600 ] || { echo 'packhorse: the hub does not take the call' >&2; exit 1; }
    sleep 0.05
  done
  obey <"$answer"
}
