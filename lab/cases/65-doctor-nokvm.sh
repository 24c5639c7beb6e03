# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm passthru doctor: a processor that cannot run guests.
# deadline: 60
# host: nokvm
mkdir -p "$VM_DIR"
run_expect 2 'KVM-OFF \(blocks' vm passthru doctor
