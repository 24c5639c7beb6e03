# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Each way a guest ends has its exit status; SIGTERM presses the power button.
# deadline: 150

# ends STATUS WHY END: the tiny kernel, told END, ends with STATUS, and byway
# says WHY
ends() {
	byway_run 30 log -m 64M -o boot.kernel="$tiny" \
		-o boot.cmdline="end=$3"
	expect_eq "$1" "$status" "end=$3: exit status"
	grep -q '^tiny: up' log || fail "end=$3: the guest did not run"
	grep -Eq "^byway: .*$2" log || fail "end=$3: not said: $2"
}

ends 0 'reset by port cf9' reset
ends 0 'reset by the keyboard controller' keyboard
ends 0 'reset by port 92' fast
ends 1 'ACPI power-off' poweroff
ends 2 'halted' halt
ends 3 'triple fault' triple
refused 'kernel.*no such file|No such file' -o boot.kernel=/nowhere

# The same with more processors, of which all but one never started.
byway_run 30 log -c 4 -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=halt
expect_eq 2 "$status" "4 vCPUs, end=halt: exit status"

# in_background LOG OPTION...: byway there; sets $pid
in_background() {
	log=$1
	shift
	byway -s 0,hostbridge -s 31,lpc -l com1,stdio "$@" guest \
		>"$log" 2>&1 </dev/null &
	pid=$!
}

# ended_with SECONDS STATUS: the one in the background ended so
gone() { ! kill -0 $pid 2>/dev/null; }
ended_with() {
	wait_for "$1" gone || fail "byway still runs after $1 s"
	status=0
	wait $pid || status=$?
	cat "$log"
	expect_eq "$2" "$status" "exit status"
}

# Before the guest knows ACPI there is no button: SIGTERM is a power-off.
for signal in TERM INT; do
	in_background log -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=spin
	wait_line 20 '^tiny: up' log
	kill -$signal $pid
	ended_with 20 1
	grep -q '^byway: asked to stop before the guest had enabled ACPI' log ||
		fail "byway does not say why"
done

# Linux hears the button, and powers off by itself.
in_background linux.log -m 256M -o control=control \
	-o boot.kernel="$kernel" -o boot.initrd="$initrd" \
	-o boot.cmdline="console=ttyS0 quiet panic=-1 lab.do=button"
wait_line 60 'LAB: waits for the power button' linux.log
case $(ask control nonsense) in error*) ;; *) fail "takes any command" ;; esac
kill -TERM $pid
ended_with 30 1
grep -q 'LAB: power button pressed' linux.log || fail "no button in the guest"
grep -q '^byway: ACPI power-off' linux.log || fail "byway does not say why"
test ! -e control || fail "the control socket is left behind"
nothing_held

# A guest that halts, panics or resets itself.
linux_run 60 log 'lab.do=none lab.end=halt'
expect_eq 2 "$status" "Linux, halt: exit status"
linux_run 60 log 'lab.do=none lab.end=panic'
expect_eq 0 "$status" "Linux, panic=-1: exit status"
