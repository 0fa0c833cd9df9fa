#!/bin/sh
# An example of a runner for Spaces and inference endpoints (docs/operations.md, "Running Spaces and endpoints").
# It runs what it is given as plain processes of its own user: for trying things out, never for other people's code.
#
#   PACKHORSE_SPACE_RUNNER='["/path/to/example-runner.sh", "/path/to/state"]'
#
# The first argument is a directory of its own, the others are the hub's: start|stop|status ID, logs ID build|run.
set -eu

state=$1/$3
verb=$2
which=${4-}

report() { # stage, message
  printf '{"stage":"%s","message":"%s"' "$1" "${2-}"
  if [ "$1" = RUNNING ]; then
    # idle = nothing was written to the log for so long
    printf ',"idleSeconds":%s' "$(($(date +%s) - $(stat -c %Y "$state/run.log")))"
    # an app that can be reached says where
    if [ -s "$state/url" ]; then printf ',"url":"%s"' "$(head -n 1 "$state/url")"; fi
  fi
  printf '}\n'
}

# a process that ended and that nobody has asked about yet is still in the table
alive() {
  line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  case "${line##*) }" in Z* | X*) return 1 ;; esac
}

status() {
  if [ ! -f "$state/pid" ]; then
    report STOPPED
  elif alive "$(cat "$state/pid")"; then
    report RUNNING
  elif [ "$(cat "$state/exit" 2>/dev/null)" = 0 ]; then
    report STOPPED 'it ended'
  else
    report RUNTIME_ERROR "exit code $(cat "$state/exit" 2>/dev/null || echo unknown)"
  fi
}

stop() {
  if [ -f "$state/pid" ]; then
    pid=$(cat "$state/pid")
    kill -- "-$pid" 2>/dev/null || true
    tries=0
    while alive "$pid" && [ $tries -lt 50 ]; do
      sleep 0.1
      tries=$((tries + 1))
    done
    kill -9 -- "-$pid" 2>/dev/null || true
  fi
  rm -rf "$state"
}

# PACKHORSE_VARIABLE_X and PACKHORSE_SECRET_X as X, whatever is in their values; a secret wins over a variable
exports() {
  awk 'BEGIN {
    quote = sprintf("%c", 39)
    count = split("VARIABLE SECRET", kinds, " ")
    for (k = 1; k <= count; k++) {
      prefix = "PACKHORSE_" kinds[k] "_"
      for (name in ENVIRON) if (index(name, prefix) == 1) {
        value = ENVIRON[name]
        gsub(quote, quote "\\" quote quote, value)
        print "export " substr(name, length(prefix) + 1) "=" quote value quote
      }
    }
  }'
}

start() {
  stop
  umask 077
  mkdir -p "$state"
  : >"$state/run.log"
  exports >"$state/env"
  case "$PACKHORSE_APP_KIND:${PACKHORSE_APP_FILE-}" in
    space:*.py) set -- python3 "./$PACKHORSE_APP_FILE" ;;
    space:*.sh) set -- sh "./$PACKHORSE_APP_FILE" ;;
    endpoint:*)
      # nothing is served here: a stand-in that lives until it is stopped
      PACKHORSE_APP_CHECKOUT=$state
      set -- sleep 1000000
      ;;
    *)
      echo "no way to run ${PACKHORSE_APP_FILE-}" >"$state/build.log"
      report BUILD_ERROR 'only .py and .sh files can be run'
      return
      ;;
  esac
  echo "built ${PACKHORSE_APP_COMMIT-}, factory ${PACKHORSE_APP_FACTORY-0}" >"$state/build.log"
  # a session and process group of its own, nothing of ours left open
  (
    cd "$PACKHORSE_APP_CHECKOUT"
    # shellcheck disable=SC2016
    exec env -i PATH="$PATH" STATE="$state" setsid sh -c '
      . "$STATE/env"
      rm -f "$STATE/env"
      code=0
      "$@" || code=$?
      echo $code >"$STATE/exit"
    ' app "$@"
  ) </dev/null >>"$state/run.log" 2>&1 &
  echo $! >"$state/pid"
  report APP_STARTING
}

case $verb in
  start) start ;;
  stop)
    stop
    report STOPPED
    ;;
  status) status ;;
  logs) cat "$state/$which.log" 2>/dev/null || true ;;
  *)
    echo "unknown: $verb" >&2
    exit 64
    ;;
esac
