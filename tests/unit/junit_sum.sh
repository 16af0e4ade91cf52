#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tools/junit_sum.py must count what meson's own summary or JUnit file misses.
set -eu
root=$1
d=$(mktemp -d)
trap 'rm -rf "$d"' EXIT
cat >"$d/meson.build" <<'EOF'
project('t')
sh = find_program('sh')
test('ok', sh, args: ['-c', 'exit 0'])
test('fail', sh, args: ['-c', 'exit 1'])
test('skip', sh, args: ['-c', 'echo no root >&2; exit 77'])
test('slow', sh, args: ['-c', 'exec sleep 9'], timeout: 1)
test('plan-only', sh, args: ['-c', 'echo 1..7'], protocol: 'tap')
test('part', sh, protocol: 'tap',
  args: ['-c', 'echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1'])
test('cut', sh, protocol: 'tap',
  args: ['-c', 'echo 1..2; echo ok 1 - a; kill -SEGV $$'])
test('tap-skip', sh, protocol: 'tap',
  args: ['-c', 'echo 1..2; echo ok 1 - a; echo "ok 2 - b # skip why"'])
test('silent', sh, args: ['-c', 'kill -KILL $$'], protocol: 'tap')
EOF
meson setup "$d/b" "$d" >/dev/null
meson test -C "$d/b" --num-processes 4 >/dev/null 2>&1 || true
rc=0
out=$(python3 "$root/tools/junit_sum.py" "$d/b/meson-logs/testlog") || rc=$?
last=$(echo "$out" | tail -n 1)
echo "$out"
# passed: ok, part/a, cut/a, tap-skip/a
[ $rc -eq 1 ] && [ "$last" = "4 passed, 6 failed, 2 skipped" ]
