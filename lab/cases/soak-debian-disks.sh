# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A Debian from its own disk through OVMF, the disk being virtio-blk, then
# virtio-scsi, then nvme.
# deadline: 1200
# needs: debian

debian_disk disk.img

# boots N ROOT OPTION: it comes up from there, and powers off at the button
boots() {
	log=boot.$1
	# The order of a firmware that has not seen the disk elsewhere.
	cp "$ovmf/OVMF_VARS_4M.fd" vars.fd
	byway -m 1G -l bootrom,"$ovmf/OVMF_CODE_4M.fd",vars.fd \
		-s 0,hostbridge -s 31,lpc -s "$3" -s 5:0,virtio-net,slirp \
		-l com1,stdio deb </dev/null >"$log" 2>&1 &
	pid=$!
	wait_line 240 'DISK: up' "$log"
	grep 'DISK:' "$log"
	for line in "root $2 efi yes" "boots $1" 'address 10\.0\.2\.15/24'; do
		grep -Eq "DISK: $line"'.?$' "$log" || fail "not reported: $line"
	done
	kill -TERM $pid
	wait_for 120 gone || fail "it does not power off"
	status=0
	wait $pid || status=$?
	expect_eq 1 $status "exit status"
	nothing_held
}
gone() {
	! kill -0 $pid 2>/dev/null
}

boots 1 /dev/vda2 4:0,virtio-blk,disk.img
boots 2 /dev/sda2 4:0,virtio-scsi,disk.img
boots 3 /dev/nvme0n1p2 4:0,nvme,disk.img
