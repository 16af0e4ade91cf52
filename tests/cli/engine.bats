#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
#
# suspend, resume, snapshot, restore and showdump as commands: states, statuses,
# files. What travels is the business of tests/cr.

bats_require_minimum_version 1.5.0
load lib

# An init that counts in memory and writes the count down.
counter() {
	conf "$1" 'INIT = /sbin/counter' "${@:2}"
	cat >"$BATS_FILE_TMPDIR/$1/root/sbin/counter" <<-'EOF'
	#!/bin/sh
	trap 'exit 0' TERM
	n=0
	while :; do
		n=$((n + 1))
		echo $n >/tmp/count.new
		mv /tmp/count.new /tmp/count
		sleep 0.05
	done
	EOF
	chmod 755 "$BATS_FILE_TMPDIR/$1/root/sbin/counter"
}

count() {
	cat "$BATS_FILE_TMPDIR/$1/root/tmp/count"
}

counts_beyond() {
	[ "$(count "$1")" -gt "$2" ]
}

setup() {
	S=$BATS_TEST_TMPDIR/snap
}

teardown() {
	stop_all
}

begin() {
	counter a
	rm -f "$BATS_FILE_TMPDIR/a/root/tmp/count"
	"$VPSCTL" start a
	until_true 5 test -s "$BATS_FILE_TMPDIR/a/root/tmp/count"
	until_true 5 counts_beyond a 3
}

@test "suspend stops it, resume lets it go on" {
	begin
	run -0 "$VPSCTL" suspend a
	[ -z "$output" ]
	is_state a suspended
	n=$(count a)
	run -4 "$VPSCTL" suspend a
	one_line "suspended"
	run -4 "$VPSCTL" execin a true
	run -125 "$VPSCTL" execwt a true
	[ "$(count a)" -eq "$n" ]
	run -0 "$VPSCTL" resume a
	is_state a running
	until_true 5 counts_beyond a "$n"
}

@test "snapshot, stop, restore, resume" {
	begin
	"$VPSCTL" suspend a
	n=$(count a)
	run -0 "$VPSCTL" snapshot a "$S"
	[ "$(stat -c %a "$S")" = 600 ]
	is_state a suspended
	[ "$(find "$BATS_TEST_TMPDIR" -name '*snap*' | wc -l)" -eq 1 ]
	"$VPSCTL" stop a
	[ ! -e /run/vps/a ]
	run -0 "$VPSCTL" restore a "$S"
	is_state a suspended
	[ "$(count a)" -eq "$n" ]
	"$VPSCTL" resume a
	until_true 5 counts_beyond a "$n"
	[ "$(count a)" -lt $((n + 100)) ]
	"$VPSCTL" show a --json | python3 -c '
import json, sys
assert json.load(sys.stdin)["restores"] == 1'
}

@test "what has entered from outside is restored, too, with its terminal" {
	begin
	rm -f "$BATS_FILE_TMPDIR"/a/root/tmp/in.* "$BATS_FILE_TMPDIR"/a/root/tmp/wt.*
	"$VPSCTL" execin a sh -c 'echo $$ >/tmp/in.pid
		while :; do echo x >>/tmp/in.n; sleep 0.05; done'
	"$VPSCTL" execwt a sh -c 'while :; do
		tty >/tmp/wt.tty; echo x >>/tmp/wt.n; sleep 0.05; done' \
		</dev/null >/dev/null 2>&1 3>&- &
	for f in in.n wt.n; do
		until_true 5 test -s "$BATS_FILE_TMPDIR/a/root/tmp/$f"
	done
	for round in 1 2; do
		"$VPSCTL" suspend a
		"$VPSCTL" snapshot a "$S.$round"
		"$VPSCTL" stop a
		run -0 "$VPSCTL" restore a "$S.$round"
		rm "$BATS_FILE_TMPDIR"/a/root/tmp/{in.n,wt.n,wt.tty}
		"$VPSCTL" resume a
		for f in in.n wt.n; do
			until_true 5 test -s "$BATS_FILE_TMPDIR/a/root/tmp/$f"
		done
		until_true 5 grep /dev/pts/ "$BATS_FILE_TMPDIR/a/root/tmp/wt.tty"
	done
	wait
	# Its parent is still none that can be seen inside.
	run -0 "$VPSCTL" execwt a sh -c \
		'grep ^PPid: /proc/$(cat /tmp/in.pid)/status'
	[[ $output == PPid:*0* ]]
}

@test "a live snapshot leaves it running" {
	begin
	run -0 "$VPSCTL" snapshot --live a "$S"
	is_state a running
	n=$(count a)
	until_true 5 counts_beyond a "$n"
	run -0 "$VPSCTL" showdump "$S"
}

@test "through a pipe; an empty ID keeps the name" {
	begin
	"$VPSCTL" suspend a
	n=$(count a)
	"$VPSCTL" snapshot a - >"$S"
	"$VPSCTL" stop a
	run -0 bash -c 'cat "$2" | "$1" restore "" -' _ "$VPSCTL" "$S"
	is_state a suspended
	"$VPSCTL" resume a
	until_true 5 counts_beyond a "$n"
}

@test "commands in an image aren't run" {
	mark=$BATS_TEST_TMPDIR/ran
	counter a "ROOT_MOUNT = 'touch $mark'" "ROOT_UNMOUNT = 'touch $mark'" \
		"NETWORK_ANNOUNCE = 'touch $mark'" "NETWORK_REVOKE = 'touch $mark'" \
		'NETIF_0_ADDRESS = 10.199.0.1'
	"$VPSCTL" start a
	"$VPSCTL" suspend a
	"$VPSCTL" snapshot a "$S"
	"$VPSCTL" stop a
	[ -e "$mark" ]
	rm -f "$mark" /etc/vps/vps_a.conf
	run -0 "$VPSCTL" restore --dry-run a "$S"
	[[ $output != *"$mark"* ]]
	"$VPSCTL" restore a "$S"
	"$VPSCTL" resume a
	"$VPSCTL" stop a
	[ ! -e "$mark" ]
	# What the host's own file says, is.
	counter a "ROOT_MOUNT = 'touch $mark.local'"
	"$VPSCTL" restore a "$S"
	[ -e "$mark.local" ]
	"$VPSCTL" stop a
	[ ! -e "$mark" ]
}

@test "restore beside an instance of that name: refused" {
	begin
	"$VPSCTL" snapshot --live a "$S"
	run -1 "$VPSCTL" restore a "$S"
	is_state a running
}

@test "restore --dry-run does nothing" {
	begin
	"$VPSCTL" suspend a
	"$VPSCTL" snapshot a "$S"
	"$VPSCTL" stop a
	run -0 "$VPSCTL" restore --dry-run a "$S"
	[ -n "$output" ]
	[ ! -e /run/vps/a ]
}

@test "a cut or damaged file: an error, nothing is left" {
	begin
	"$VPSCTL" suspend a
	"$VPSCTL" snapshot a "$S"
	"$VPSCTL" stop a
	size=$(stat -c %s "$S")
	for cut in 0 7 100 $((size / 2)) $((size - 1)); do
		head -c "$cut" "$S" >"$S.cut"
		run -1 "$VPSCTL" restore a "$S.cut"
		[[ $output == "vpsctl: restore a: "* ]]
		[ ! -e /run/vps/a ]
	done
	cp "$S" "$S.bad"
	printf 'X' | dd of="$S.bad" bs=1 seek=$((size / 2)) conv=notrunc \
		status=none
	run -1 "$VPSCTL" restore a "$S.bad"
	[ ! -e /run/vps/a ]
	run -1 "$VPSCTL" restore a "$BATS_TEST_TMPDIR/none"
	one_line "No such file"
	run -0 "$VPSCTL" restore a "$S"
}

@test "showdump prints it all, and JSON that is valid" {
	begin
	"$VPSCTL" snapshot --live a "$S"
	run -0 "$VPSCTL" showdump "$S"
	[[ $output == *counter* ]]
	"$VPSCTL" showdump --json "$S" | python3 -c '
import json, sys
assert json.load(sys.stdin)'
	head -c 5000 "$S" >"$S.cut"
	run -1 "$VPSCTL" showdump "$S.cut"
}

@test "a snapshot that can't be written leaves nothing and it suspended" {
	begin
	"$VPSCTL" suspend a
	run -1 "$VPSCTL" snapshot a /nonexistent/dir/file
	run -1 bash -c '"$1" snapshot a - >/dev/full' _ "$VPSCTL"
	is_state a suspended
	"$VPSCTL" resume a
	n=$(count a)
	until_true 5 counts_beyond a "$n"
}

@test "stop and abort of a suspended instance" {
	begin
	"$VPSCTL" suspend a
	run -0 "$VPSCTL" stop a
	[ ! -e /run/vps/a ]
	begin
	"$VPSCTL" suspend a
	run -0 "$VPSCTL" abort a
	is_state a dead
	run -0 "$VPSCTL" stop --forget a
}

@test "what can't travel is refused by name, and it runs on" {
	begin
	# A System V semaphore set, if Python isn't inside: a shared segment
	# by the host's ipcmk(1) in its namespace.
	init=$("$VPSCTL" show a --json | python3 -c '
import json, sys; print(json.load(sys.stdin)["init_pid"])')
	nsenter -t "$init" -i -- ipcmk -M 4096 >/dev/null
	run -1 "$VPSCTL" suspend a
	[[ $output == "vpsctl: suspend a: "* ]]
	[[ $output == *"System V"* || $output == *"shared memory"* ]]
	is_state a running
	n=$(count a)
	until_true 5 counts_beyond a "$n"
}
