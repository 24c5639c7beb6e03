# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Each kind of disk keeps what two boots of Linux write and trim, also with
# INTx; and the network card e1000.
# deadline: 200

head -c 5000000 /dev/urandom >blob
sum=$(sha256sum <blob)
httpd -f -h . -p 127.0.0.1:80 &
server=$!
for disk in ahci nvme scsi blk; do
	truncate -s 64M $disk.img
	disk_prepare $disk.img
done

boot=0
for more in '' -W; do
	boot=$((boot + 1))
	# shellcheck disable=SC2086 # nothing, or one word
	linux_run 90 guest.$boot "lab.check=ahci,nvme,vscsi,vblk,nic lab.nic=e1000 lab.fetch=http://10.0.2.2/blob lab.sum=${sum%% *}" \
		$more -s 4:0,ahci,hd:ahci.img -s 5:0,nvme,nvme.img \
		-s 6:0,virtio-scsi,scsi.img -s 7:0,virtio-blk,blk.img \
		-s 8:0,e1000,slirp
	expect_eq 1 "$status" "exit status"
	! grep ' FAIL ' guest.$boot || fail "boot $boot: a check failed"
	grep -q 'LAB: done boot=.* ok=5 fail=0' guest.$boot ||
		fail "boot $boot: not done"
done
grep -q 'LAB: ahci ok irq=msi ' guest.1 || fail "no AHCI with MSI"
for check in nvme vscsi vblk; do
	grep -q "LAB: $check ok irq=msix" guest.1 || fail "no $check with MSI-X"
done
for check in vscsi vblk; do
	grep -q "LAB: $check ok irq=intx" guest.2 || fail "no $check with INTx"
done
grep -q 'LAB: nic ok irq=intx' guest.1 || fail "no e1000 with INTx"
for disk in ahci nvme scsi blk; do
	disk_verify $disk.img 2
done
kill $server
