# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Every method of reset: asked for, used, verified; and devices with oddities.
# deadline: 240

# tiny_reset METHOD OPTIONS...: a guest that does not touch its devices
tiny_reset() {
	method=$1
	shift
	byway_run 60 log -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=reset \
		"$@"
	expect_eq 0 "$status" "exit status"
	grep -Eq "^byway: passthru .*: reset $method [0-9]+ ms, ok: .*verified" \
		log || fail "not reset by $method"
}

nvme_prepare 1/0/0
bind_vfio 1/0/0 2/0/0 4/0/0 5/0/0 7/0/0 7/0/1 9/0/0
tiny_reset flr -s 6,passthru,1/0/0,reset=flr
tiny_reset bus -s 6,passthru,1/0/0,reset=bus
tiny_reset pm -s 6,passthru,2/0/0,reset=pm
tiny_reset pm -s 6,passthru,9/0/0,reset=pm
tiny_reset bus -s 6,passthru,9/0/0
tiny_reset bus -s 6,passthru,4/0/0

# What a device cannot do leads to the next method: no NVMe here resets itself
# by its power state, no network card by its function.
tiny_reset '(flr|bus)' -s 6,passthru,1/0/0,reset=pm
tiny_reset '(pm|bus)' -s 6,passthru,9/0/0,reset=flr

# A port here has no power management, so no slot loses its power: that is
# found out, and said.
tiny_reset '(flr|bus)' -s 6,passthru,1/0/0,reset=d3cold
grep -q '^byway: 0000:01:00.0: no d3cold reset: d3cold_allowed of 0000:00:10.0 is not 1' \
	log || fail "not said why there is no d3cold reset"

# One reset for both functions, or none for one of them alone.
tiny_reset bus -s 6:0,passthru,7/0/0 -s 6:1,passthru,7/0/1
expect_eq 2 "$(grep -c 'passthru 7/0/[01] .* ok' log)" "functions that came back"

# Devices in use, reset by another method than in 20; between them such
# without a driver.
linux_boots 2 100 'lab.boots=2 lab.check=nvme,nic lab.show=lspci' \
	-s 6,passthru,1/0/0,reset=bus -s 7,passthru,2/0/0,reset=pm \
	-s 8,passthru,4/0/0 -s 9,passthru,5/0/0 \
	-s 10:0,passthru,7/0/0 -s 10:1,passthru,7/0/1
for run in 1 2; do
	for device in 1 4 5; do
		grep -Eq "^byway: passthru $device/0/0 .* reset bus [0-9]+ ms, ok" \
			guest.$run || fail "run $run: $device/0/0: no bus reset"
	done
	grep -Eq "^byway: passthru 2/0/0 .* reset pm [0-9]+ ms, ok" \
		guest.$run || fail "run $run: 2/0/0: no reset by power state"
done
for line in '00:06.0 .*1b36:0010' '00:07.0 .*8086:10d3' '00:08.0 .*1234:11e8' \
	'00:09.0 .*1af4:1110' '00:0a.0 .*1234:11e8' '00:0a.1 .*1234:11e8'; do
	grep -Eq "^$line" guest.1 || fail "not in the guest's lspci: $line"
done
nvme_verify 1/0/0 2
