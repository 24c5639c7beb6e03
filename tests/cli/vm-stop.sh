#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# stop, restart, reset, poweroff.
. "$CLI/vm-lib"

guest ss </dev/null
seconds() {
	sed -E 's/after [0-9]+ s/after N s/'
}

fake ss <<-'END'
	say running
	forever
END
{
	run vm stop ss
	run vm restart ss
	run vm poweroff -f ss
	run vm start ss
	run vm stop ss
	wait_for 10 is_down ss || echo 'not down'
	run vm start ss
	run vm stop -w 30 ss
	grep -v 'bhyve \(options\|devices\|console\)\|\[' \
		"$VM_DIR/ss/vm-bhyve.log"
} | seconds | golden stop

# restart: another run of the same supervisor.
"$VM" start ss >/dev/null
supervisor=$(supervisor_of ss)
rm "$VM_DIR/ss/runs"
"$VM" restart ss | normalise >"$T/restart"
check 'restart: another run' wait_for 10 test -e "$VM_DIR/ss/runs"
check 'restart: same supervisor' test "$(supervisor_of ss)" = "$supervisor"
check 'restart: the request is used up' wait_for 5 test ! -e \
	"$VM_DIR/ss/restart"
check 'restart: said' grep -q 'power button pressed' "$T/restart"
wait_for 5 sh -c '"$VM" list -r | grep -q "Running"'
check 'stop after a restart is a stop' "$VM" stop -w 20 ss

# A guest that takes no notice of the power button.
fake ss <<-'END'
	trap '' TERM
	say running
	while :; do sleep 0.05; done
END
"$VM" start ss >/dev/null
{
	run vm stop -w 1 ss
	echo n | run vm poweroff ss
	echo n | run vm reset ss
	run vm reset -f ss
	run vm list -r
	run vm poweroff -f ss
	wait_for 10 is_down ss || echo 'not down'
	no_traces ss
} | golden stop-deaf

# byway that says ok to a poweroff and stays.
if command -v perl >/dev/null; then
	fake ss <<-'END'
		trap '' TERM
		say running
		exec perl -MSocket -e '
			socket(S, AF_UNIX, SOCK_STREAM, 0) or die;
			bind(S, pack_sockaddr_un("control.sock")) or die;
			listen(S, 5);
			open(F, ">listening");
			while (accept(C, S)) {
				sysread(C, $_, 99);
				syswrite(C, "ok\n");
				close(C);
			}'
	END
	"$VM" start ss >/dev/null
	wait_for 5 test -e "$VM_DIR/ss/listening"
	byway=$(byway_of ss)
	check 'poweroff of a byway that only says ok' \
		"$VM" poweroff -f ss 2>"$T/cut"
	check 'tells that it is ended' grep -q 'still there.*; ending it' \
		"$T/cut"
	check 'and it is' gone "$byway"
	no_traces ss || failed 'traces'
else
	skipped 'poweroff of a byway that only says ok: there is no perl'
fi

# Stop while the guest reboots: it stays down.
fake ss <<-'END'
	trap : TERM
	say running
	: >up
	while [ ! -e go ]; do sleep 0.05; done
	exit 0
END
"$VM" start ss >/dev/null
"$VM" stop ss >/dev/null
: >"$VM_DIR/ss/go"
check 'a stop wins over a reboot' wait_for 10 is_down ss
check 'no second run' grep -q '^1$' "$VM_DIR/ss/runs"

# A stop after a restart that the guest did not follow is a stop.
rm "$VM_DIR/ss/go"
fake ss <<-'END'
	trap : TERM
	say running
	while [ ! -e go ]; do sleep 0.05; done
	exit 1
END
"$VM" start ss >/dev/null
"$VM" restart ss >/dev/null
"$VM" stop ss >/dev/null
: >"$VM_DIR/ss/go"
check 'a stop takes back a restart' wait_for 10 is_down ss
check 'one run only' grep -q '^1$' "$VM_DIR/ss/runs"

# A stop before the guest runs: the start says so.
rm "$VM_DIR/ss/go"
fake ss <<-'END'
	: >up2
	while :; do sleep 0.05; done
END
"$VM" start ss >"$T/start" 2>&1 &
starter=$!
wait_for 10 test -e "$VM_DIR/ss/up2"
"$VM" stop ss >/dev/null
wait $starter
check 'a start that was stopped fails' test $? -eq 1
check 'and says why' grep -q 'stopped before the guest ran' "$T/start"
no_traces ss || failed 'traces'
