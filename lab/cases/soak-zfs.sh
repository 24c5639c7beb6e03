# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Disks in a ZFS pool, as the published file has them: the guest's data set and
# a sparse volume are made, used over two boots, trimmed, and destroyed.
# deadline: 400
# needs: zfs

tree=/lab/images/zfs
export PATH="$PATH:$tree/sbin:$tree/usr/sbin:$tree/usr/bin"
export LD_LIBRARY_PATH=$tree/lib/x86_64-linux-gnu:$tree/usr/lib/x86_64-linux-gnu
modprobe -d $tree zfs || fail "the modules do not fit this kernel"
truncate -s 400M pool.img
zpool create -m /case-pool tank "$PWD/pool.img"
zfs create tank/vm
echo 'vm_dir="zfs:tank/vm"' >vm.conf
export VM_CONF=/tmp/case/vm.conf
unset VM_DIR
VM_DIR=/case-pool/vm
vm init
test -d $VM_DIR/.templates || fail "vm init made nothing in the data set"

cat >$VM_DIR/.templates/zvol.conf <<END
loader="linux"
cpu=1
memory=512M
linux_kernel="$kernel"
linux_initrd="$initrd"
linux_cmdline="console=ttyS0 quiet panic=-1 lab.check=ahci lab.boots=2 lab.last=button"
disk0_type="ahci-hd"
disk0_name="disk0"
disk0_dev="sparse-zvol"
disk0_size="1G"
zfs_zvol_opts="compression=off"
END
vm create -t zvol win
volume=tank/vm/win/disk0
expect_eq filesystem "$(zfs get -H -o value type tank/vm/win)" "the guest's folder"
expect_eq 1073741824 "$(zfs get -Hp -o value volsize $volume)" "size"
expect_eq none "$(zfs get -H -o value refreservation $volume)" "sparse: reserved"
expect_eq off "$(zfs get -H -o value compression $volume)" "zfs_zvol_opts"

# udev's part, which this host does not have.
wait_for 20 test -b /dev/zd0
mkdir -p "/dev/zvol/${volume%/*}"
ln -s /dev/zd0 /dev/zvol/$volume

disk_prepare /dev/zd0
vm start win
console_line 120 win 'LAB: waits for the power button'
run_expect 0 'device-type: sparse-zvol' vm info win
# The volume cannot go while its guest runs.
run_expect 1 . vm destroy -f win
vm stop -w 60 win
tr -d '\r' <"$VM_DIR/win/com1.log" >com1
grep 'LAB:' com1
! grep ' FAIL ' com1 || fail "a check failed"
expect_eq 2 "$(grep -c 'LAB: ahci ok' com1)" "boots"
disk_verify /dev/zd0 2

# used: bytes of the pool that the volume has
used() {
	zpool sync tank
	zfs get -Hp -o value referenced $volume
}
before=$(used)
mount /dev/zd0 /mnt
rm -r /mnt/known
sync
fstrim /mnt
umount /mnt
after=$(used)
echo "bytes in use: $before, then $after"
[ "$after" -lt $((before - 2000000)) ] || fail "TRIM gives nothing back"

vm destroy -f win
! zfs list $volume 2>/dev/null || fail "the volume is left behind"
! zfs list tank/vm/win 2>/dev/null || fail "the data set is left behind"
rm -r /dev/zvol
zpool destroy tank
