# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# OVMF finds the disk of a bootindex, of each kind: it forgets those that it
# does not find.
# deadline: 300
# needs: payloads

payloads=/lab/images/payloads

# boots PATTERN OPTION...: what the firmware starts says this first
boots() {
	pattern=$1
	shift
	byway -m 256M -s 0,hostbridge -s 31,lpc -l com1,stdio \
		-l bootrom,"$ovmf/OVMF_CODE_4M.fd" "$@" order >log 2>&1 \
		</dev/null &
	wait_for 90 grep -Eaq 'iPXE init|EFI stub:' log || {
		cat log
		fail "$*: nothing is booted"
	}
	said=$(grep -Eao 'iPXE init|EFI stub:' log | head -n 1)
	kill -9 $!
	wait $! 2>/dev/null || true
	echo "$*: $said"
	expect_eq "$pattern" "$said" "booted with $*"
}

# The other disk has nothing that firmware starts by itself: it says nothing of
# the order of two.
for disk in ahci,hd:$payloads/ipxe.esp nvme,$payloads/ipxe.esp \
	virtio-blk,$payloads/ipxe.esp virtio-scsi,$payloads/ipxe.esp; do
	boots 'iPXE init' -s 4,virtio-blk,$payloads/linux.esp,ro,bootindex=2 \
		-s "5,$disk,ro,bootindex=1"
done
nothing_held
