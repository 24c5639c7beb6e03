# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# What a guest sees of a Tesla P4 and of a P10: BARs assigned, the 16 GiB one
# too, an interrupt line, and MSI; golden lspci -vvv; reboots.
# deadline: 400

# guest_lspci LOG: what it printed between the marks
guest_lspci() {
	tr -d '\r' <"$1" |
		sed -n '/^LAB: show slot6/,/^LAB: shown/{ /^LAB:/d; p; }'
}

for card in tesla-p4 tesla-p10; do
	serve_device $card
	for run in 1 2 3; do
		device_run 90 $card.$run \
			'1000,copy,2,bar,1,bar,3,msi,68 lab.end=reboot lab.show=slot6'
		expect_eq 0 "$status" "$card: exit status of run $run"
		grep -Eq 'LAB: testdev ok .* line=[1-9][0-9]* msi=arrived' \
			$card.$run || fail "$card: no interrupt in run $run"
		grep -q '^byway: passthru vfio-user .* ok: .*GPU verified' \
			$card.$run || fail "$card: not verified after run $run"
	done
	device_stop
	guest_lspci $card.1 >seen
	diff /lab/cases/$card.txt seen ||
		fail "$card: lspci does not say what it should"
done
grep -q 'LAB: testdev bar1 bytes=268435456' tesla-p4.1 || fail "P4: BAR 1"
grep -q 'LAB: testdev bar3 bytes=33554432' tesla-p4.1 || fail "P4: BAR 3"
grep -q 'LAB: testdev bar1 bytes=17179869184' tesla-p10.1 || fail "P10: BAR 1"
