#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# kill -9 of byway and of the supervisor, two starts at once, stale files: the
# next start works and a lock is never in the way.
. "$CLI/vm-lib"

start() {
	"$VM" start "$1" >"$T/started" 2>&1 || { cat "$T/started"; return 1; }
}

guest kk <<-'END'
	comports="com1 com2"
END
fake kk <<-'END'
	say running
	[ $run -eq 1 ] && leave_when_orphaned
	forever
END

# byway dies: the supervisor clears up.
check 'first start' start kk
kill -9 "$(byway_of kk)"
check 'byway killed: the guest is down' wait_for 10 is_down kk
check 'byway killed: nothing left' no_traces kk
check 'byway killed: next start' start kk
"$VM" stop -w 20 kk >/dev/null

# The supervisor dies: byway leaves by itself, as the pipe has no reader.
rm "$VM_DIR/kk/runs"
check 'start before the supervisor is killed' start kk
supervisor=$(supervisor_of kk)
byway=$(byway_of kk)
kill -9 "$supervisor"
wait_for 5 gone "$supervisor"
check 'supervisor killed: next start' start kk
check 'supervisor killed: byway has left' gone "$byway"
check 'supervisor killed: another runs' test \
	"$(supervisor_of kk)" != "$supervisor"
"$VM" stop -w 20 kk >/dev/null
check 'supervisor killed: nothing left in the end' no_traces kk

# The supervisor dies and byway does not notice: it is waited for, then ended.
check 'start before the deaf orphan' start kk
supervisor=$(supervisor_of kk)
byway=$(byway_of kk)
kill -9 "$supervisor"
wait_for 5 gone "$supervisor"
check 'an orphan counts as running' sh -c \
	'"$VM" list | grep -q "^kk .*Running ($1)"' sh "$byway"
check 'info tells that its supervisor is gone' sh -c \
	'"$VM" info kk | grep -q "supervisor: gone"'
check 'orphan: next start' start kk
check 'orphan: it is gone' gone "$byway"
"$VM" stop -w 20 kk >/dev/null

# An orphan can be stopped too.
check 'start before the stopped orphan' start kk
supervisor=$(supervisor_of kk)
byway=$(byway_of kk)
kill -9 "$supervisor"
wait_for 5 gone "$supervisor"
check 'stop of an orphan' "$VM" stop -w 20 kk
check 'stop of an orphan: gone' gone "$byway"
check 'and it can be started again' start kk
"$VM" stop -w 20 kk >/dev/null

# Both die at once, as by the power: the file stays, nobody holds it.
check 'start before both are killed' start kk
kill -9 "$(supervisor_of kk)" "$(byway_of kk)"
check 'both killed: listed as stopped' wait_for 5 sh -c \
	'"$VM" list | grep -q "^kk .*Stopped"'
check 'both killed: next start' start kk
"$VM" stop -w 20 kk >/dev/null

# What is in a left-over file is not believed: not a pid of ours, not another
# host's name, not garbage, nor an empty file after a power cut.
sleep 60 &
bystander=$!
for content in empty garbage foreign bystander; do
	case $content in
	empty) : ;;
	garbage) head -c 5000 /dev/urandom ;;
	foreign) printf 'otherhost\nboot=x\nsupervisor=1 1\nbyway=1 1\n' ;;
	bystander)
		hostname
		echo "boot=$(cat /proc/sys/kernel/random/boot_id)"
		echo "supervisor=$bystander 12345"
		echo "byway=$bystander 12345"
		;;
	esac >"$VM_DIR/kk/run.lock"
	check "a left $content run.lock: stopped" sh -c \
		'"$VM" list | grep -q "^kk .*Stopped"'
	check "a left $content run.lock: start" start kk
	"$VM" stop -w 20 kk >/dev/null
done
check 'a bystander with a recorded pid lives' kill -0 "$bystander"
kill "$bystander"

# A lock that another program holds.
flock --no-fork "$VM_DIR/kk/run.lock" sleep 60 &
holder=$!
wait_for 5 test -e "$VM_DIR/kk/run.lock"
wait_for 5 sh -c '! flock -n "$1" true' sh "$VM_DIR/kk/run.lock"
{
	run vm start kk
} | golden kill-foreign-holder
kill "$holder"
wait "$holder" 2>/dev/null

# Two starts at once, many times: exactly one wins, and the other says so.
rm "$VM_DIR/kk/run.lock"
both=0
for try in 1 2 3 4 5 6 7 8 9 10; do
	"$VM" start kk >"$T/one" 2>&1 &
	one=$!
	"$VM" start kk >"$T/two" 2>&1
	two_status=$?
	wait $one
	one_status=$?
	[ $((one_status + two_status)) -eq 1 ] &&
		[ "$(cat "$T/one" "$T/two" | grep -c 'already')" -eq 1 ] &&
		both=$((both + 1))
	"$VM" stop -w 20 kk >/dev/null
done
check 'two starts at once: one wins' test $both -eq 10

# kill -9 of the supervisor at any moment of a start.
survived=0
for delay in 0 0.002 0.004 0.006 0.008 0.01 0.015 0.02 0.03 0.05; do
	"$VM" start kk >/dev/null 2>&1 &
	sleep $delay
	pid=$(supervisor_of kk 2>/dev/null)
	[ -n "$pid" ] && kill -9 "$pid" 2>/dev/null
	wait
	# An orphan of the test's kind does not notice: end it.
	pid=$(byway_of kk 2>/dev/null)
	[ -n "$pid" ] && [ "$pid" -gt 0 ] && kill -9 "$pid" 2>/dev/null
	start kk && survived=$((survived + 1))
	"$VM" stop -w 20 kk >/dev/null
done
check 'killed at ten moments of the start' test $survived -eq 10
check 'nothing left in the end' no_traces kk
