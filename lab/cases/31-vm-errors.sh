# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm: a guest that cannot start says why on the terminal, and leaves nothing.
# deadline: 150

# start_fails NAME PATTERN: one line says why, the status is 1, nothing is left
start_fails() {
	echo "expected: $2"
	status=0
	timeout -s KILL 60 vm start "$1" >said 2>&1 </dev/null || status=$?
	cat said
	expect_eq 1 "$status" "exit status of vm start $1"
	expect_eq 1 "$(grep -Ec "^  ! .*($2)" said)" "lines that say so"
	wait_for 5 test ! -e "$VM_DIR/$1/run.lock" || fail "a lock is left"
	vm_traces "$1"
	vm_is_down "$1" || fail "not listed as stopped"
	expect_eq 0 "$(find /sys/class/net/ -name 'tap*' | wc -l)" "taps left"
}
# guest LINE...: one named bad with these lines
guest() {
	rm -rf "$VM_DIR/bad"
	printf '%s\n' "$@" | vm_guest bad "$tiny" end=halt
}

run_expect 1 'nosuch.*no such guest' vm start nosuch

guest 'this is not a setting'
start_fails bad 'bad\.conf:4.*expected key'
guest 'cpu=""'
start_fails bad 'cpu'
guest 'memory="much"'
start_fails bad 'bad\.conf:4.*memory.*expected a size'
guest 'memory="900G"'
start_fails bad 'memory.*only.*less'
vm_guest bad /nowhere end=halt </dev/null
start_fails bad 'bad\.conf:2.*linux_kernel.*/nowhere'
head -c 100000 "$kernel" >truncated
vm_guest bad "$PWD/truncated" end=halt </dev/null
start_fails bad 'truncated.*100000 bytes'
guest 'disk0_type="virtio-blk"' 'disk0_name="nowhere.img"'
start_fails bad 'nowhere\.img'
guest 'passthru0="14/3/0"'
start_fails bad '14/3/0.*no such device'
guest 'passthru0="1/0/0"'
start_fails bad '1/0/0.*bound to nvme.*vm passthru reserve 1/0/0'
guest 'passthru0="three"'
start_fails bad 'three.*no device has this name'
guest 'passthru0="0:0:0:0:0"'
start_fails bad '0:0:0:0:0.*not a PCI address'
guest 'network0_type="virtio-net"' 'network0_switch="nowhere"'
status=0
vm start bad >said 2>&1 || status=$?
cat said
grep -q "nowhere" said "$VM_DIR/bad/vm-bhyve.log" ||
	fail "a switch that does not exist is not told"
vm poweroff -f bad >/dev/null 2>&1 || true
wait_for 20 vm_is_down bad || fail "not down"

# A wrong key is told with the nearest right one, and does no harm.
guest 'memoy="1G"'
vm start bad >said 2>&1 || true
cat said
grep -q 'memoy.*memory' said || fail "no hint for the key memoy"
wait_for 20 vm_is_down bad || fail "not down"
vm_traces bad

# What happens to the guest is in its log: a halt, a triple fault.
grep -q 'bhyve exited with status 2' "$VM_DIR/bad/vm-bhyve.log" ||
	fail "the log does not know of the halt"
vm_guest fault "$tiny" end=triple </dev/null
vm start fault || true
wait_for 20 vm_is_down fault || fail "not down after a triple fault"
grep -q 'bhyve exited with status 3' "$VM_DIR/fault/vm-bhyve.log" ||
	fail "the log does not know of the triple fault"
expect_eq 1 "$(grep -c 'starting bhyve' "$VM_DIR/fault/vm-bhyve.log")" \
	"runs with on_fault=shutdown"

# on_fault=restart ends after some runs, and says so.
echo 'on_fault="restart"' | vm_guest loop "$tiny" end=triple
vm start loop || true
wait_for 60 vm_is_down loop || fail "a crash loop goes on for ever"
grep -v '\[' "$VM_DIR/loop/vm-bhyve.log"
runs=$(grep -c 'starting bhyve' "$VM_DIR/loop/vm-bhyve.log")
case $runs in [3-9]) ;; *) fail "$runs runs in a crash loop" ;; esac
grep -q 'fatal' "$VM_DIR/loop/vm-bhyve.log" || fail "the log does not say why"
vm_traces loop

# Reboots are no crash loop: one goes on until it is told to stop, with pauses
# when it lives for less than a second.
vm_guest again "$tiny" end=reset </dev/null
vm start again
many_runs() {
	grep -q 'starting bhyve (run 5)' "$VM_DIR/again/vm-bhyve.log"
}
wait_for 60 many_runs || fail "no 5 runs of a guest that reboots"
vm stop -w 30 again
vm_is_down again || fail "a guest that reboots cannot be stopped"
vm_traces again
echo 'on_restart="shutdown"' | vm_guest once "$tiny" end=reset
vm start once || true
wait_for 20 vm_is_down once || fail "on_restart=shutdown starts again"
expect_eq 1 "$(grep -c 'starting bhyve' "$VM_DIR/once/vm-bhyve.log")" \
	"runs with on_restart=shutdown"
