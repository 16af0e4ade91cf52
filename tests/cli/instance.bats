#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# Commands on real instances of a tiny system: statuses, states, messages,
# tables and JSON.

bats_require_minimum_version 1.5.0
load lib

INIT='INIT = /sbin/init'

teardown() {
	stop_all
}

@test "start, list, show, stop" {
	conf a "$INIT" 'NETIF_0_ADDRESS = "10.199.0.1, fd99::1"'
	run -0 "$VPSCTL" list
	[ "${#lines[@]}" -eq 1 ]
	run -0 "$VPSCTL" start a
	[ -z "$output" ]
	run -0 "$VPSCTL" list
	[[ ${lines[0]} =~ ^NAME\ +STATE ]]
	[[ ${lines[1]} =~ ^a\ +running ]]
	"$VPSCTL" list --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
assert len(d) == 1 and d[0]["id"] == "a" and d[0]["state"] == "running"
assert d[0]["processes"] >= 1 and d[0]["resident"] > 0'
	run -0 "$VPSCTL" show a
	[[ $output == *"a is running"* ]]
	[[ $output == *"10.199.0.1, fd99::1"* ]]
	"$VPSCTL" show a --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
assert d["processes"][0]["pid"] == 1 and d["processes"][0]["uid"] == 0
assert d["interfaces"] == [{"name": "vps0",
                            "addresses": ["10.199.0.1", "fd99::1"]}]
assert d["init"] == "/sbin/init" and d["restores"] == 0
assert "FSROOT" in d["configuration"]'
	run -0 "$VPSCTL" stop a
	[ -z "$output" ]
	run -3 "$VPSCTL" stop a
	one_line "a"
	[ ! -e /run/vps/a ]
}

@test "no such instance: 3 from each command" {
	for c in stop show suspend resume abort console; do
		run -3 "$VPSCTL" "$c" nobody </dev/null
		one_line "nobody"
	done
	run -3 "$VPSCTL" snapshot nobody "$BATS_TEST_TMPDIR/x"
	[ ! -e "$BATS_TEST_TMPDIR/x" ]
	run -3 "$VPSCTL" execin nobody true
	run -3 "$VPSCTL" migrate nobody somehost
}

@test "a second start is refused and hurts nothing" {
	conf a "$INIT"
	"$VPSCTL" start a
	run -1 "$VPSCTL" start a
	one_line "exists"
	is_state a running
}

@test "start without a file, or with a bad one, names it and the line" {
	run -1 "$VPSCTL" start nofile
	one_line "/etc/vps/vps_nofile.conf"
	conf a "$INIT" 'FROB = 1'
	run -1 "$VPSCTL" start a
	one_line "/etc/vps/vps_a.conf:4: no such key: FROB"
	run -2 "$VPSCTL" start ''
	conf b
	run -1 "$VPSCTL" start b "$BATS_TEST_TMPDIR/none.conf"
	one_line "none.conf"
}

@test "the name in the file counts if the ID is empty" {
	conf a "$INIT"
	run -0 "$VPSCTL" start '' /etc/vps/vps_a.conf
	is_state a running
	run -0 "$VPSCTL" start other /etc/vps/vps_a.conf
	is_state other running
}

@test "what isn't enforced is warned of" {
	conf a "$INIT" "LIMITS = phys:1g:2g" "IP_NETWORKS = 10.0.0.0/8"
	run -0 --separate-stderr "$VPSCTL" start a
	[ -z "$output" ]
	# shellcheck disable=SC2154 # set by run
	[[ $stderr == *"warning: LIMITS"* ]]
	[[ $stderr == *"warning: IP_NETWORKS"* ]]
}

@test "dry run prints steps and does nothing" {
	conf a "$INIT"
	run -0 "$VPSCTL" start --dry-run a
	[ "${#lines[@]}" -gt 3 ]
	[ ! -e /run/vps/a ]
}

@test "a root that isn't there: refused, nothing is left" {
	conf a "$INIT"
	rm -r "$BATS_FILE_TMPDIR/a/root"
	run -1 "$VPSCTL" start a
	one_line "$BATS_FILE_TMPDIR/a/root"
	[ ! -e /run/vps/a ]
}

@test "an init that isn't there: refused, nothing is left" {
	conf a "INIT = /sbin/nothing"
	run -1 "$VPSCTL" start a
	one_line "/sbin/nothing"
	[ ! -e /run/vps/a ]
}

@test "execwt ends with the status of the command" {
	conf a "$INIT"
	"$VPSCTL" start a
	run -7 "$VPSCTL" execwt a sh -c 'exit 7'
	run -0 "$VPSCTL" execwt a echo 'a b'
	[[ $output == "a b"* ]]
	run -127 "$VPSCTL" execwt a no-such-command
	run -126 "$VPSCTL" execwt a /root/broken
	run -137 "$VPSCTL" execwt a sh -c 'kill -9 $$'
	run -125 "$VPSCTL" execwt nobody true
	run -0 "$VPSCTL" execwt a id -u
	[[ $output == 0* ]]
	run -0 "$VPSCTL" execwt a tty
	[[ $output == /dev/pts/* ]]
}

@test "execin starts and doesn't wait" {
	conf a "$INIT"
	"$VPSCTL" start a
	run -0 "$VPSCTL" execin a sh -c 'echo $$ >/tmp/pid; exec sleep 1000'
	until_true 5 test -s "$BATS_FILE_TMPDIR/a/root/tmp/pid"
	run -127 "$VPSCTL" execin a no-such-command
	run -3 "$VPSCTL" execin nobody true
}

@test "shell takes commands from standard input and ends with their status" {
	conf a "$INIT"
	"$VPSCTL" start a
	run -5 bash -c 'echo "exit 5" | "$1" shell a' _ "$VPSCTL"
}

@test "the wrong state: 4" {
	conf a "$INIT"
	"$VPSCTL" start a
	run -4 "$VPSCTL" resume a
	one_line "a is running"
	run -4 "$VPSCTL" snapshot a "$BATS_TEST_TMPDIR/x"
	[ ! -e "$BATS_TEST_TMPDIR/x" ]
}

@test "abort leaves it dead, stop frees it" {
	conf a "$INIT"
	"$VPSCTL" start a
	run -0 "$VPSCTL" abort a
	is_state a dead
	run -4 "$VPSCTL" suspend a
	run -4 "$VPSCTL" execin a true
	run -0 "$VPSCTL" stop a
	[ ! -e /run/vps/a ]
}

@test "a shutdown from inside leaves it dead" {
	conf a "$INIT"
	"$VPSCTL" start a
	"$VPSCTL" execin a kill -TERM 1
	until_true 5 is_state a dead
	run -0 "$VPSCTL" stop a
}

@test "no INIT: it exists, and can be entered" {
	conf a
	"$VPSCTL" start a
	is_state a running
	run -0 "$VPSCTL" execwt a echo here
	[[ $output == here* ]]
	run -0 "$VPSCTL" stop a
}

@test "the console's output is kept" {
	conf a "$INIT"
	"$VPSCTL" start a
	until_true 5 grep -qs "init is up" /run/vps/a/console.log
	run -0 bash -c 'sleep 0.5 | timeout 5 "$1" console a' _ "$VPSCTL"
	[[ $output == *"init is up"* ]]
}

@test "the keeper can be killed" {
	conf a "$INIT"
	"$VPSCTL" start a
	keeper() {
		"$VPSCTL" show a --json | python3 -c '
import json, sys; print(json.load(sys.stdin)["keeper_pid"])'
	}
	old=$(keeper)
	[ "$old" -gt 1 ]
	kill -9 "$old"
	run -0 "$VPSCTL" execwt a true
	new_keeper() {
		local k
		k=$(keeper)
		[ "$k" -gt 0 ] && [ "$k" != "$old" ] && kill -0 "$k"
	}
	until_true 5 new_keeper
	is_state a running
	run -0 "$VPSCTL" stop a
}

@test "nothing of an instance is left after stop" {
	conf a "$INIT" 'NETIF_0_ADDRESS = 10.199.0.1'
	before=$(ip -br link | wc -l)
	"$VPSCTL" start a
	read -r init holder keeper < <("$VPSCTL" show a --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d["init_pid"], d["holder_pid"], d["keeper_pid"])')
	"$VPSCTL" stop a
	for p in $init $holder $keeper; do
		[ "$p" -gt 1 ]
		until_true 5 bash -c "! kill -0 $p 2>/dev/null"
	done
	[ "$(ip -br link | wc -l)" -eq "$before" ]
	[ -z "$(find /sys/fs/cgroup -path "*/$VPS_CGROUP/vps/a")" ]
	! grep -q "$BATS_FILE_TMPDIR/a/root" /proc/self/mountinfo
}
