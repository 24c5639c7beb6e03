# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# 20 reboots of a guest with a Tesla P4.
# deadline: 1500

serve_device tesla-p4
run=0
while [ $run -lt 20 ]; do
	run=$((run + 1))
	device_run 90 guest.$run '1000,copy,2,bar,1,msi,68 lab.end=reboot'
	expect_eq 0 "$status" "run $run: exit status"
	grep -Eq "LAB: testdev copied 2 resets=$((2 * run - 1))" guest.$run ||
		fail "run $run: not reset as it should be"
	grep -Eq 'LAB: testdev ok .* line=[1-9][0-9]* msi=arrived' guest.$run ||
		fail "run $run: no interrupt"
	grep -q '^byway: passthru vfio-user .* ok: .*GPU verified' guest.$run ||
		fail "run $run: not verified"
done
device_stop
