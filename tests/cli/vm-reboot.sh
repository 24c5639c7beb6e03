#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Sixty reboots in a row: the supervisor stays as small as it was.
. "$CLI/vm-lib"

guest many <<-'END'
	comports="com1 com2"
	prestart="/bin/true"
END
fake many <<-'END'
	echo "boot $run" >"$com1"
	say running
	say device 3/0/0 0000:03:00.0 reset flr 130 ok
	echo 'byway: a word' >&2
	if [ $run -eq 5 ] || [ $run -eq 60 ]; then
		# The parent is the supervisor: a picture of it.
		ls /proc/$PPID/fd | wc -l >fds.$run
		sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' \
			/proc/$PPID/status >rss.$run
	fi
	[ $run -eq 60 ] && exit 1
	exit 0
END
check 'starts' "$VM" start many
check 'ends after the last run' wait_for 120 is_down many
check 'sixty runs' grep -q '^60$' "$VM_DIR/many/runs"
check 'sixty entries in the log' sh -c \
	'[ $(grep -c "starting bhyve (run" "$1") -eq 60 ]' \
	sh "$VM_DIR/many/vm-bhyve.log"
check 'sixty boots on the console' sh -c \
	'[ $(grep -c "^boot" "$1") -eq 60 ]' sh "$VM_DIR/many/com1.log"
echo "descriptors: $(cat "$VM_DIR/many/fds.5") then" \
	"$(cat "$VM_DIR/many/fds.60")"
echo "kB resident: $(cat "$VM_DIR/many/rss.5") then" \
	"$(cat "$VM_DIR/many/rss.60")"
check 'no more descriptors than at the fifth' \
	cmp "$VM_DIR/many/fds.5" "$VM_DIR/many/fds.60"
# A sanitizer keeps freed memory back, so some growth is its own.
slack=200
nm "$VM" 2>/dev/null | grep -q __asan_init && slack=8000
check 'no more memory than at the fifth' test \
	"$(cat "$VM_DIR/many/rss.60")" -le \
	$(($(cat "$VM_DIR/many/rss.5") + slack))

# A guest that reboots at once is slowed down, and can be stopped meanwhile.
guest quick </dev/null
fake quick <<-'END'
	say running
	exit 0
END
VM_FAST_RUN_MS= "$VM" start quick >/dev/null
sleep 2.5
check 'a guest that reboots at once is slowed down' test \
	"$(cat "$VM_DIR/quick/runs")" -le 4
check 'which is logged once' test \
	"$(grep -c 'its runs are delayed' "$VM_DIR/quick/vm-bhyve.log")" -eq 1
runs=$(cat "$VM_DIR/quick/runs")
"$VM" restart quick >/dev/null
check 'a restart does not wait' wait_for 1 sh -c \
	'[ "$(cat "$1")" -gt "$2" ]' sh "$VM_DIR/quick/runs" "$runs"
check 'a stop does not either' "$VM" stop -w 2 quick
no_traces quick || failed 'traces of a guest stopped in a pause'
