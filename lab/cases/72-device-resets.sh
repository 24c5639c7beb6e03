# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Resets that a device does not have, refuses, never ends, or does not survive.
# deadline: 240

# tiny_run SECONDS OPTIONS...: a guest that reboots at once; sets $status
tiny_run() {
	byway_run "$1" log -m 64M -o boot.kernel="$tiny" \
		-o boot.cmdline=end=reset -s 6,passthru,vfio-user="$device"
}

# No reset of its own: by its power state.
serve_device no-flr
tiny_run 60
expect_eq 0 "$status" "no-flr: exit status"
grep -Eq '^byway: passthru vfio-user .*: reset pm [0-9]+ ms, ok: .*verified' \
	log || fail "no-flr: not reset by its power state"
device_stop

# not_started PATTERN: nor is a guest started on it; a line of its own may tell
# of each reset that was tried
not_started() {
	tiny_run 60
	expect_eq 4 "$status" "exit status"
	grep -Eq "^byway: pci slot 0:6:0 passthru: $device: $1" log ||
		fail "not refused with: $1"
	! grep -q '^tiny: up' log || fail "the guest ran"
}

# not_again NAME PATTERN: the guest asks for a reboot, the device does not come
# back, and that ends it, with a sentence that says why
not_again() {
	serve_device "$1"
	tiny_run 60
	expect_eq 4 "$status" "$1: exit status"
	grep -Eq "^byway: passthru vfio-user \($device\): reset device_specific [0-9]+ ms, failed: $2" \
		log || fail "$1: the reason is not said"
	grep -q '^byway: a passed-through device did not come back' log ||
		fail "$1: the end is not explained"
}
not_again reset-fails 'the reset failed: Input/output error; its server still answers: see its log, or restart it'
not_started 'the reset failed: Input/output error.*not started on a dead device'
device_stop
not_again reset-hangs 'the reset failed: .*; its server did not answer within 10000 ms: restart the server'
device_stop
not_again ones-after-reset 'it does not answer \(its config space reads as ones\)'
not_started 'the device does not answer \(its config space reads as ones\); restart its server'
device_stop
# A new server, a new device.
serve_device ones-after-reset
byway_run 60 log -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=halt \
	-s 6,passthru,vfio-user="$device"
expect_eq 2 "$status" "exit status with a new server"
grep -q '^tiny: up' log || fail "the guest did not run"
device_stop
nothing_held
