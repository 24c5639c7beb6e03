#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The run loop: start, exit statuses, what follows them, the log.
. "$CLI/vm-lib"

# start NAME: shown as it looks on the terminal.
start() {
	run vm start "$1"
}

down() {
	wait_for 10 is_down "$1" || echo "$1 is not down"
	no_traces "$1"
}

guest demo <<-'END'
	linux_cmdline="console=ttyS0 100%"
	bhyve_options="-o some.thing=1  -x"
	priority="5"
END
{
	fake demo <<-'END'
		say running
		say device 3/0/0 0000:03:00.0 reset flr 130 ok link 8 GT/s x4
		say device 4/0/0 0000:04:00.0 reset bus 1041 failed ids read ff
		say log the guest did something
		say nonsense of some kind
		say exit 1 power-off
		exit 1
	END
	run vm start demo
	down demo
	echo '== log'
	log_of demo
	echo '== calls'
	cat "$VM_DIR/demo/calls"
} | golden run-once

# Failures before the guest runs: the reason is on the terminal, nothing stays.
{
	fake demo <<-'END'
		say error pci slot 0:4:0: unknown device "virtio-blob"
		say exit 4
		exit 4
	END
	run vm start demo
	down demo
	fake demo <<-'END'
		echo 'byway: some warning' >&2
		echo >&2
		echo 'byway: the last words' >&2
		exit 4
	END
	run vm start demo
	down demo
	fake demo <<-'END'
		exit 3
	END
	run vm start demo
	down demo
	fake demo <<-'END'
		kill -9 $$
	END
	run vm start demo
	down demo
	fake demo <<-'END'
		exit 0
	END
	run vm start demo
	down demo
	printf '#!/nonexistent/interpreter\n' >"$T/broken"
	chmod +x "$T/broken"
	BYWAY=$T/broken run vm start demo
	down demo
} | golden run-fails

# From here only what follows each status matters.
runs_of() {
	grep -o 'starting bhyve (run [0-9]*)\|exited with status.*\|restarting\|fatal.*\|stopped' \
		"$VM_DIR/$1/vm-bhyve.log"
}

guest loop </dev/null
statuses() {
	echo "== $1"
	rm -f "$VM_DIR/loop/vm-bhyve.log"
	fake loop
	"$VM" start loop >/dev/null 2>&1
	down loop
	runs_of loop
}

{
	statuses 'reboot twice, then power off' <<-'END'
		say running
		[ $run -lt 3 ] && exit 0
		exit 1
	END
	statuses 'halt' <<-'END'
		say running
		exit 2
	END
	statuses 'triple fault' <<-'END'
		say running
		exit 3
	END
	statuses 'error while running' <<-'END'
		say running
		echo 'byway: it broke' >&2
		exit 4
	END
	statuses 'killed' <<-'END'
		say running
		kill -9 $$
	END
	statuses 'unknown status' <<-'END'
		say running
		exit 71
	END
	statuses 'file restart' <<-'END'
		say running
		[ $run -eq 1 ] && : >restart
		exit $run
	END
	statuses 'no second start' <<-'END'
		[ $run -eq 2 ] && say error the device did not come back &&
			exit 4
		say running
		exit 0
	END
	echo 'on_restart="destroy"' >>"$VM_DIR/loop/loop.conf"
	statuses 'on_restart' <<-'END'
		say running
		exit 0
	END
	sed -i '/on_restart/d' "$VM_DIR/loop/loop.conf"
	echo 'on_fault="restart"' >>"$VM_DIR/loop/loop.conf"
	statuses 'on_fault, then well' <<-'END'
		say running
		[ $run -lt 3 ] && exit 3
		exit 1
	END
	statuses 'crash loop' <<-'END'
		say running
		exit 3
	END
	statuses 'crash loop before the guest runs' <<-'END'
		[ $run -eq 1 ] && say running && exit 0
		exit 0
	END
} | golden run-statuses

# prestart runs before every run, in the guest's directory.
guest pre <<-'END'
	prestart="hook"
END
cat >"$VM_DIR/pre/hook" <<-'END'
	#!/bin/sh
	echo "$PWD $*" >>hooks
	echo noise
	exit 7
END
chmod +x "$VM_DIR/pre/hook"
fake pre <<-'END'
	say running
	[ $run -lt 2 ] && exit 0
	exit 1
END
"$VM" start pre >/dev/null
down pre
{
	cat "$VM_DIR/pre/hooks"
	grep prestart "$VM_DIR/pre/vm-bhyve.log"
	grep noise "$VM_DIR/pre/bhyve.log"
} | golden run-prestart

# A prestart script that hangs is ended after the time a start may take, with
# what it started; by a stop, and by a poweroff, at once.
cat >"$VM_DIR/pre/hook" <<-'END'
	#!/bin/sh
	sleep 300 &
	echo $! >helper
	wait
END
cat >"$VM_DIR/pre/deaf" <<-'END'
	#!/bin/sh
	trap '' TERM
	echo $$ >helper
	while :; do sleep 0.1; done
END
chmod +x "$VM_DIR/pre/deaf"
fake pre <<-'END'
	say running
	exit 1
END
echo 'vm_start_timeout=1' >"$VM_CONF"
check 'a hanging prestart script does not keep the guest' \
	timeout 20 "$VM" start pre
check 'and is told in the log' log_has pre 'did not end within 1 s'
check 'what it started is gone' wait_for 5 gone \
	"$(cat "$VM_DIR/pre/helper")"
down pre
: >"$VM_CONF"
rm "$VM_DIR/pre/helper"
"$VM" start pre >"$T/pre" 2>&1 &
starter=$!
wait_for 5 test -s "$VM_DIR/pre/helper"
check 'a stop ends the script' "$VM" stop -w 4 pre
wait $starter
check 'and the start says so' grep -q 'stopped before the guest ran' "$T/pre"
sed -i 's/"hook"/"deaf"/' "$VM_DIR/pre/pre.conf"
rm "$VM_DIR/pre/helper"
"$VM" start pre >"$T/pre" 2>&1 &
wait_for 5 test -s "$VM_DIR/pre/helper"
check 'a poweroff ends a deaf one' "$VM" poweroff -f pre
check 'which is gone' gone "$(cat "$VM_DIR/pre/helper")"
wait
no_traces pre || failed 'traces of a guest with a hanging script'

# While byway prepares, the guest is starting, for everybody.
guest slow </dev/null
chmod 711 "$T"
fake slow <<-'END'
	: >up
	while [ ! -e go ]; do sleep 0.05; done
	say running
	forever
END
"$VM" start slow >/dev/null 2>&1 &
starter=$!
wait_for 5 test -e "$VM_DIR/slow/up"
listed() {
	$as_user "$VM" list | grep -q "^slow .*$1 ([1-9]"
}
as_user=
check 'before the guest runs it is starting' listed Starting
: >"$VM_DIR/slow/go"
wait $starter
check 'then it is running' listed Running
as_user='setpriv --reuid=65534 --regid=65534 --clear-groups'
if [ "$(id -u)" -eq 0 ] && $as_user "$VM" version >/dev/null 2>&1; then
	check 'also for others' listed Running
	check 'who cannot hold its lock' sh -c \
		'! $1 flock -n "$2" true 2>/dev/null' sh "$as_user" \
		"$VM_DIR/slow/run.lock"
	check 'and cannot stop it' sh -c \
		'$1 "$VM" stop slow 2>&1 | grep -q "run as root"' sh "$as_user"
else
	skipped "the state as others see it: no other user can run $VM"
fi
"$VM" stop -w 20 slow >/dev/null

# Ctrl-C and SIGTERM call a start off, and the guests after it.
guest off </dev/null
fake off <<-'END'
	: >up
	while :; do sleep 0.05; done
END
"$VM" start off slow >"$T/off" 2>&1 &
starter=$!
wait_for 5 test -e "$VM_DIR/off/up"
kill -TERM $starter
wait $starter
check 'an interrupted start fails' test $? -eq 2
check 'with the reason' grep -q 'stopped before the guest ran' "$T/off"
check 'and starts no other' grep -q 'slow: not started' "$T/off"
no_traces off || failed 'traces of an interrupted start'
check 'its byway is gone' is_down off

# byway that neither runs the guest nor ends is ended, also when it is deaf.
guest deaf </dev/null
fake deaf <<-'END'
	trap '' TERM
	while :; do sleep 0.05; done
END
echo 'vm_start_timeout=1' >"$VM_CONF"
{
	run vm start deaf
	down deaf
} | golden run-deadline
: >"$VM_CONF"

# Several guests: each is tried, failures are counted.
echo 'vm_delay="0"' >"$VM_CONF"
guest aa </dev/null
guest bb </dev/null
fake aa <<-'END'
	exit 4
END
fake bb <<-'END'
	say running
	forever
END
{
	run vm start aa bb nosuch
	run vm start bb
	run vm list -r
	run vm stop -w 20 bb
} | sed 's/after [0-9]* s/after N s/' | golden run-several
no_traces bb || failed 'traces of bb'

# A supervisor run by hand reports on the terminal and by its exit status.
{
	run vm _run nosuch
	run vm _run aa
	sed -i s/cpu=1/cpu/ "$VM_DIR/aa/aa.conf"
	run vm _run aa
} | golden run-by-hand

# Everything the supervisor made is its own: no descriptor of the caller's.
fake bb <<-'END'
	ls /proc/self/fd >fds
	say running
	forever
END
"$VM" start bb >/dev/null 5</dev/null 9>"$T/other"
check 'byway inherits 0 to 4 only' sh -c '
	[ "$(echo $(cat "$1"))" = "0 1 2 3 4 5" ]' sh "$VM_DIR/bb/fds"
check 'the supervisor holds nothing of the caller' sh -c '
	! ls -l /proc/$1/fd | grep -q "$2"' sh "$(supervisor_of bb)" "$T/other"
"$VM" poweroff -f bb >/dev/null 2>&1
down bb
