# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Devices that die, hang or report an error while the guest uses them: the
# guest ends with status 4 and a sentence, byway never hangs.
# deadline: 300

# ends NAME WORDS PATTERN: the guest does WORDS with the device, and is stopped
ends() {
	serve_device "$1"
	device_run 90 "$1" "$2 lab.end=stay"
	expect_eq 4 "$status" "$1: exit status"
	grep -Eq "^byway: $device: $3" "$1" || fail "$1: the reason is not said"
	grep -Eq "^byway: passthru vfio-user \($device\): reset" "$1" ||
		fail "$1: no word about its reset"
	device_stop
	nothing_held
}
ends dies-mid-dma 0,copy,2 \
	'its vfio-user server closed the connection; the guest was stopped'
expect_eq 3 "$status" "dies-mid-dma: exit status of the server"
ends hangs 0,poke,48414e47 \
	'its vfio-user server did not answer within 5000 ms; the guest was stopped'
ends aer 0,poke,41455200 \
	'reported an uncorrectable error .*; the guest was stopped'
# After the error the device was reset, and it verifies.
grep -Eq '^byway: passthru vfio-user .*: reset device_specific [0-9]+ ms, ok' \
	aer || fail "aer: not reset"
