# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# 20 reboots of a guest with a Tesla P4, and of one with a P10.
# deadline: 2400

for card in tesla-p4 tesla-p10; do
	serve_device $card
	run=0
	while [ $run -lt 20 ]; do
		run=$((run + 1))
		log=$card.$run
		device_run 90 "$log" '1000,copy,2,bar,1,msi,68 lab.end=reboot'
		expect_eq 0 "$status" "$card: run $run: exit status"
		grep -Eq "LAB: testdev copied 2 resets=$((2 * run - 1))$(printf '\r')*\$" \
			"$log" || fail "$card: run $run: not reset as it should be"
		grep -Eq 'LAB: testdev ok .* line=[1-9][0-9]* msi=arrived' \
			"$log" || fail "$card: run $run: no interrupt"
		grep -q '^byway: passthru vfio-user .* ok: .*GPU verified' \
			"$log" || fail "$card: run $run: not verified"
	done
	device_stop
done
