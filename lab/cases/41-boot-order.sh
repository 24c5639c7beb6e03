# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# OVMF starts the disk of the lowest bootindex, of each kind: it forgets those
# that it does not find by the path it is given.
# deadline: 400
# needs: payloads

esp=/lab/images/payloads/ipxe.esp

# first SLOT OPTION...: the firmware starts the disk in this slot first
first() {
	slot=$1
	shift
	byway -m 256M -s 0,hostbridge -s 31,lpc -l com1,stdio \
		-l bootrom,"$ovmf/OVMF_CODE_4M.fd" "$@" order >log 2>&1 \
		</dev/null &
	# As far as it is looked at: the end of the line may still come.
	wait_for 90 grep -aq 'BdsDxe: starting .*/Pci([^)]*)' log || {
		cat log
		fail "$*: nothing is started"
	}
	kill -9 $!
	wait $! 2>/dev/null || true
	grep -a 'BdsDxe: starting ' log | head -n 1
	grep -a 'BdsDxe: starting ' log | head -n 1 |
		grep -q "from PciRoot(0x0)/Pci(0x$slot,0x0)" ||
		fail "not slot $slot: $*"
}

# Each kind, behind another one.
first 5 -s 4,virtio-blk,$esp,ro,bootindex=2 -s 5,nvme,$esp,ro,bootindex=1
first 5 -s 4,nvme,$esp,ro,bootindex=2 -s 5,virtio-scsi,$esp,ro,bootindex=1
first 5 -s 4,ahci,hd:$esp,ro,bootindex=2 -s 5,virtio-blk,$esp,ro,bootindex=1
first 5 -s 4,virtio-blk,$esp,ro,bootindex=2 -s 5,ahci,hd:$esp,ro,bootindex=1
nothing_held
