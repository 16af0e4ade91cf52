#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# The command line of vpsctl without any instance: usage, statuses, messages.

bats_require_minimum_version 1.5.0

setup() {
	: "${VPSCTL:?path of vpsctl}"
}

# What was printed is one line that begins with "vpsctl: " and contains $1.
one_line() {
	[ "${#lines[@]}" -eq 1 ]
	[[ ${lines[0]} == "vpsctl: "* ]]
	[[ ${lines[0]} == *"$1"* ]]
}

@test "no command: 2" {
	run -2 "$VPSCTL"
	one_line "no command"
}

@test "unknown command: 2" {
	run -2 "$VPSCTL" frobnicate
	one_line "no such command: frobnicate"
}

@test "unknown option: 2" {
	run -2 "$VPSCTL" list --frobnicate
	one_line "--frobnicate"
	run -2 "$VPSCTL" list -x
	one_line "-x"
}

@test "an option of another command: 2" {
	run -2 "$VPSCTL" suspend --json a
	one_line "--json"
}

@test "option without its argument: 2" {
	run -2 "$VPSCTL" stop web --timeout
	one_line "--timeout"
}

@test "too few and too many operands: 2, with the usage" {
	run -2 "$VPSCTL" start
	one_line "usage: vpsctl start [--dry-run] ID [FILE]"
	run -2 "$VPSCTL" list a
	one_line "usage: vpsctl list [--json]"
	run -2 "$VPSCTL" start a b c
	one_line "usage:"
}

@test "what can't be an ID: 2" {
	for id in ../x .x -- a/b 'a b' abcdefghijklmnopqrstuvwxyz0123456 ''; do
		run -2 "$VPSCTL" stop -- "$id"
		one_line ""
	done
}

@test "own failures of execwt and shell: 125" {
	run -125 "$VPSCTL" execwt
	run -125 "$VPSCTL" execwt no-such-one true
	run -125 "$VPSCTL" shell a/b
}

@test "help lists commands and says what each needs" {
	run -0 "$VPSCTL" help
	for c in start stop list show shell console execin execwt suspend \
		resume abort snapshot restore showdump migrate; do
		[[ $output == *"  $c "* ]]
	done
	run -0 "$VPSCTL" help resume
	[[ $output == *"suspended"* ]]
	run -0 "$VPSCTL" resume --help
	[[ $output == *"usage: vpsctl resume ID"* ]]
	run -2 "$VPSCTL" help frobnicate
}

@test "version" {
	run -0 "$VPSCTL" version
	[[ $output =~ ^vpsctl\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	run -0 "$VPSCTL" --version
	run -0 "$VPSCTL" version --features
	[[ ${lines[1]} == *"+XXH3"* ]]
}

@test "commands of later versions are refused with a remedy" {
	while read -r line; do
		# shellcheck disable=SC2086 # a list of words
		run -1 "$VPSCTL" $line
		one_line "not in this version: "
	done <<-EOF
	argshow a
	ifmove a eth0
	ipnet a add 10.0.0.0/8
	priv a allow CAP_SYS_TIME
	limit a phys:1:2
	quotarecalc a
	EOF
}

@test "not root: refused, with the remedy" {
	[ "$(id -u)" -eq 0 ] || skip "needs root to become somebody else"
	d=$(mktemp -d)
	chmod 755 "$d"
	cp -L "$VPSCTL" "$d/vpsctl"
	run -1 setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$d/vpsctl" list
	rm -r "$d"
	one_line "only root"
}

@test "output that can't be written is a failure" {
	run -1 bash -c '"$1" help >/dev/full' _ "$VPSCTL"
	one_line "standard output"
}

@test "closed standard descriptors don't hurt" {
	"$VPSCTL" version >&- 2>&- <&-
}

@test "showdump of what isn't an image: 1" {
	# It gives up its rights: a leak checker can't look at it.
	export ASAN_OPTIONS=detect_leaks=0
	run -1 "$VPSCTL" showdump "$VPSCTL"
	one_line "no image"
	run -1 "$VPSCTL" showdump /nonexistent
	one_line "No such file or directory"
	run -1 bash -c '"$1" showdump - </dev/null' _ "$VPSCTL"
	one_line ""
}

@test "check says what the kernel has, for people and programs" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	run "$VPSCTL" check
	[ "$status" -le 1 ]
	[[ $output == *"tcp-repair"* ]]
	"$VPSCTL" check --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
assert d["kernel"] and len(d["features"]) > 10
assert all(isinstance(f["present"], bool) for f in d["features"])'
}
