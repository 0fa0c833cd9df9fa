#!/bin/sh
# acceptance.sh [--fresh] [MEGABYTES]: the main job of the hub as an operator and a user meet it, with real git and git-lfs.
#   --fresh      on a fresh clone of this repository, with its own npm ci (otherwise this checkout is used)
#   MEGABYTES    size of the LFS file (default 1000)
set -eu
fresh=
[ "${1:-}" != --fresh ] || { fresh=yes; shift; }
megabytes=${1:-1000}
root=$(cd "$(dirname "$0")/.." && pwd)
sh "$root/scripts/need.sh" git git-lfs curl

dir=$(mktemp -d)
hub=
finish() {
  code=$?
  [ -z "$hub" ] || kill "$hub" 2>/dev/null || true
  [ -z "$hub" ] || wait "$hub" 2>/dev/null || true
  [ "$code" = 0 ] || { echo "acceptance: FAILED" >&2; tail -n 20 "$dir/hub.log" >&2 2>/dev/null || true; }
  rm -rf "$dir"
  exit "$code"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

step() { echo "acceptance: $*"; }
fail() { echo "acceptance: $*" >&2; exit 1; }

app=$root
if [ -n "$fresh" ]; then
  step "a fresh clone and npm ci"
  git clone -q "$root" "$dir/app"
  app=$dir/app
  (cd "$app" && npm ci --silent --no-audit --no-fund)
fi
step "npm start"
# what npm start runs, by itself so that a signal reaches it; port 0 so that nothing on this machine is in the way
(cd "$app" && exec node scripts/start.mjs serve --port 0 --data "$dir/data") >"$dir/hub.out" 2>"$dir/hub.log" &
hub=$!
waited=0
until grep -q '^listening on' "$dir/hub.out"; do
  kill -0 "$hub" 2>/dev/null || fail "the hub ended: $(cat "$dir/hub.log")"
  waited=$((waited + 1))
  [ "$waited" -lt 1200 ] || fail "the hub does not listen"
  sleep 0.1
done
# npm above with its own settings, git from here on with nobody's
export HOME="$dir/home" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
mkdir -p "$HOME"
git config --global user.name Acceptance
git config --global user.email acceptance@localhost
git config --global init.defaultBranch main
git lfs install --skip-repo >/dev/null

url=$(sed -n 's/^listening on //p' "$dir/hub.out")
token=$(sed -n 's/^ *write token *//p' "$dir/hub.out")
user=$(sed -n 's/^ *admin account *//p' "$dir/hub.out")
remote() { echo "$url" | sed "s|://|://$user:$token@|"; }
api() {
  method=$1 path=$2
  shift 2
  curl -sS -f -X "$method" "$url$path" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$@"
}
status() { curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $token" "$url$1"; }
used() { api GET "/api/quota/repo/model/$user/$1" | tr ',{' '\n\n' | sed -n 's/^"used_bytes": *\([0-9]*\).*/\1/p' | head -n 1; }

step "create"
api POST /api/repos/create -d '{"type":"model","name":"first"}' >/dev/null
step "clone"
git clone -q "$(remote)/$user/first.git" "$dir/one"
cd "$dir/one"
step "push an older version, then 300 files and $megabytes MB through LFS"
git lfs track '*.bin' >/dev/null
head -c $((megabytes * 100000)) /dev/urandom >weights.bin
git add . && git commit -q -m 'older weights' && git push -q
i=0
while [ $i -lt 300 ]; do
  mkdir -p "part-$((i % 7))"
  echo "file $i" >"part-$((i % 7))/file-$i.txt"
  i=$((i + 1))
done
head -c $((megabytes * 1000000)) /dev/urandom >weights.bin
git add . && git commit -q -m '300 files and the weights' && git push -q
git branch side && git push -q origin side
tree=$(git rev-parse 'HEAD^{tree}')
sum=$(sha256sum <weights.bin)

step "clone elsewhere: equal bytes"
git clone -q "$(remote)/$user/first.git" "$dir/two"
[ "$(sha256sum <"$dir/two/weights.bin")" = "$sum" ] || fail "the weights differ"
[ "$(git -C "$dir/two" ls-files | wc -l)" -ge 302 ] || fail "files are missing"
diff -r --exclude=.git "$dir/one" "$dir/two" || fail "the files differ"

step "move, then pull through the old URL"
api POST /api/repos/move -d "{\"type\":\"model\",\"fromRepo\":\"$user/first\",\"toRepo\":\"$user/second\"}" >/dev/null
echo more >more.txt
git add . && git commit -q -m more && git push -q "$(remote)/$user/second.git" HEAD:main
tree=$(git rev-parse 'HEAD^{tree}')
git -C "$dir/two" pull -q
[ "$(cat "$dir/two/more.txt")" = more ] || fail "the pull brought nothing"

step "squash"
before=$(used second)
api POST /api/repos/squash -d "{\"type\":\"model\",\"repo\":\"$user/second\"}" >/dev/null
rm -rf "$dir/two"
git clone -q "$(remote)/$user/second.git" "$dir/three"
[ "$(git -C "$dir/three" rev-list --all --count)" = 1 ] || fail "more than one commit is left"
[ "$(git -C "$dir/three" rev-parse 'HEAD^{tree}')" = "$tree" ] || fail "the tree is another one"
[ "$(sha256sum <"$dir/three/weights.bin")" = "$sum" ] || fail "the weights differ after the squash"

step "usage is lower"
waited=0
until [ "$(used second)" -lt "$before" ]; do
  waited=$((waited + 1))
  [ "$waited" -lt 600 ] || fail "used bytes stay at $(used second), before the squash $before"
  sleep 0.1
done
echo "acceptance: $before bytes before the squash, $(used second) after"

step "delete: gone"
api DELETE /api/repos/delete -d '{"type":"model","name":"second"}' >/dev/null
for path in "/$user/second.git/info/refs?service=git-upload-pack" "/$user/first.git/info/refs?service=git-upload-pack"; do
  [ "$(status "$path")" = 404 ] || fail "$path answers $(status "$path")"
done
step "done"
