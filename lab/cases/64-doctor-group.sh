# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru doctor: a shared group, named with the bridge that makes it.
# deadline: 60
# host: noiso
mkdir -p "$VM_DIR"
bind_vfio 2/2/0
run_expect 2 'GROUP-CONVENTIONAL \(blocks; group' vm passthru doctor 2/2/0
grep -q '0000:02:01.0, class 020000, driver e1000' output ||
	fail "the neighbour is not named"
