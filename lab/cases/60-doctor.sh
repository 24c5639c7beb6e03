# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru doctor: native driver, mounted disk, default route, a healthy device.
# deadline: 180

mkdir -p "$VM_DIR"
# doctor STATUS ID ARGUMENT...: the verdict's id ("-": healthy) and exit status
doctor() {
	want=$1 id=$2
	shift 2
	status=0
	vm passthru doctor "$@" >doctor.out 2>&1 </dev/null || status=$?
	cat doctor.out
	expect_eq "$want" "$status" "exit status of doctor $*"
	if [ "$id" = - ]; then
		grep -q '^Verdict: healthy' doctor.out || fail "not healthy: $*"
	else
		tr '\n' ' ' <doctor.out | grep -Eq "Verdict: .*\[$id\]" ||
			fail "verdict of doctor $* does not name $id"
	fi
}

doctor 2 BIND-NATIVE 1/0/0
doctor 2 BIND-NONE 4/0/0
doctor 2 USE-DISK 8/0/0
grep -q '/srv' doctor.out || fail "the mount is not named"
doctor 2 USE-NETWORK 0/2/0
grep -q 'default route' doctor.out || fail "the route is not named"
doctor 2 DEV-MISSING 14/3/0
run_expect 3 'no guest, no device' vm passthru doctor nonsense

vm passthru reserve 1/0/0 || fail reserve
doctor 0 - 1/0/0
doctor 0 - vfio-pci0
vm_guest web "$tiny" end=halt <<-END
	memory="64M"
	passthru0="1/0/0"
END
doctor 0 - web
vm passthru doctor --json web >doctor.json
grep -q '"state": "healthy"' doctor.json || fail "JSON does not say healthy"

# No function of the emulated card that has no interrupt pin and no message.
vm passthru reserve 5/0/0
doctor 0 - 5/0/0

# Through VFIO without a guest; an NVMe, a USB controller, MSI only, INTx only.
vm passthru reserve 3/0/0 6/0/0 10/0/0 || fail reserve
run_expect 0 'Verdict: 3 rounds, all well' vm passthru doctor --probe=3 1/0/0
grep -q 'interrupts  ok .*MSI-X' output || fail "no interrupt was set up"
run_expect 0 'Verdict: 1 round, all well' vm passthru doctor --probe 3/0/0
run_expect 0 'interrupts  ok .*MSI,' vm passthru doctor --probe 10/0/0
run_expect 0 'interrupts  ok .*INTx' vm passthru doctor --probe 6/0/0
vm passthru release 3/0/0 6/0/0 10/0/0
run_expect 2 'Not probed' vm passthru doctor --probe 2/0/0
nothing_held

# Two functions of one device: the second can only be reset with the first.
vm passthru reserve 7/0/1
run_expect 1 'RESET-SHARED \(degrades' vm passthru doctor 7/0/1
vm passthru reserve 7/0/0
run_expect 0 'RESET-SHARED \(note' vm passthru doctor 7/0/1
vm passthru release 7/0/0 7/0/1

# As a user: what can be seen, and what cannot.
setpriv --reuid 65534 --regid 65534 --clear-groups \
	vm passthru doctor 1/0/0 >user.out || fail "doctor as a user"
cat user.out
grep -q 'need root' user.out || fail "a user is not told what needs root"
setpriv --reuid 65534 --regid 65534 --clear-groups \
	vm passthru doctor 8/0/0 >user.out && fail "a user sees a mounted disk as free"
grep -q 'USE-DISK' user.out || fail "a user is not told of the mount"

# A report says the same elsewhere, and it names no network address.
vm passthru doctor --report report.json 8/0/0 >live.out || true
vm passthru doctor --from report.json >replay.out && fail "replay is healthy"
grep -q '/srv' replay.out || fail "the replay does not name the mount"
grep -iq '52:54:00' report.json && fail "a MAC address in the report"
[ "$(grep Verdict live.out)" = "$(grep Verdict replay.out)" ] ||
	fail "the replay has another verdict"
vm passthru release 1/0/0 5/0/0

# Looking must change nothing.
doctor 2 BIND-NATIVE 1/0/0
