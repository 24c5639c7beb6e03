# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Disks that are block devices of the host: a thin LVM volume that vm makes and
# removes, and a disk of an iSCSI target; two boots each, TRIM gives space back.
# deadline: 400
# needs: storage

tree=/lab/images/storage
export PATH="$tree/sbin:$tree/usr/sbin:$tree/usr/bin:$PATH"
export LD_LIBRARY_PATH=$tree/lib/x86_64-linux-gnu:$tree/usr/lib/x86_64-linux-gnu
export LVM_SYSTEM_DIR=/tmp/case/lvm
mkdir -p "$LVM_SYSTEM_DIR" /run/lock/lvm
cat >"$LVM_SYSTEM_DIR/lvm.conf" <<END
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 verify_udev_operations = 1 }
devices { obtain_device_list_from_udev = 0 external_device_info_source = "none" }
global { thin_check_executable = "$tree/usr/sbin/thin_check" }
END
modprobe -a dm-thin-pool iscsi_tcp loop

# --- a thin volume

truncate -s 300M pool.img
device=$(losetup -f)
losetup "$device" pool.img
lvm pvcreate -q "$device"
lvm vgcreate -q byway0 "$device"
lvm lvcreate -q -y -L 200M -T byway0/thin
mkdir -p "$VM_DIR/.templates"
echo 'vm_lvm_thin="byway0/thin"' >vm.conf
export VM_CONF=/tmp/case/vm.conf
vm init
cat >"$VM_DIR/.templates/lvm.conf" <<END
loader="linux"
cpu=1
memory=512M
linux_kernel="$kernel"
linux_initrd="$initrd"
linux_cmdline="console=ttyS0 quiet panic=-1 lab.check=vblk lab.boots=2 lab.last=button"
disk0_type="virtio-blk"
disk0_name="disk0"
disk0_dev="sparse-zvol"
disk0_size="1G"
END
run_expect 0 'disk0: no ZFS here, made as the thin volume /dev/byway0/byway-thin-disk0 of 1G' \
	vm create -t lvm thin
volume=/dev/byway0/byway-thin-disk0
expect_eq 2097152 "$(blockdev --getsz $volume)" "sectors of the volume"

# used: percent of the pool
used() {
	lvm lvs --noheadings -o data_percent byway0/thin | tr -d ' '
}
disk_prepare $volume
run_expect 0 . vm start thin
console_line 120 thin 'LAB: waits for the power button'
vm info thin
vm stop -w 60 thin
tr -d '\r' <"$VM_DIR/thin/com1.log" >com1
grep 'LAB:' com1
! grep ' FAIL ' com1 || fail "a check failed"
expect_eq 2 "$(grep -c 'LAB: vblk ok' com1)" "boots"
disk_verify $volume 2
echo "used: $(used) %"
vm destroy -f thin
test ! -e $volume || fail "the volume is left behind"
expect_eq 0.00 "$(used)" "percent of the pool in use"

# --- a disk over iSCSI, target and initiator on this host

truncate -s 64M lun.img
mkdir -p /var/run/tgtd
tgtd -f >tgtd.log 2>&1 &
wait_for 20 tgtadm --lld iscsi --op show --mode sys >/dev/null 2>&1 || {
	cat tgtd.log
	fail "no iSCSI target"
}
iqn=iqn.2026-11.example.byway:lun
tgtadm --lld iscsi --op new --mode target --tid 1 -T $iqn
tgtadm --lld iscsi --op new --mode logicalunit --tid 1 --lun 1 -b "$PWD/lun.img"
tgtadm --lld iscsi --op bind --mode target --tid 1 -I ALL
mkdir -p /etc/iscsi /run/lock/iscsi
echo "InitiatorName=iqn.2026-11.example.byway:lab" >/etc/iscsi/initiatorname.iscsi
echo 'iscsid.startup = iscsid' >/etc/iscsi/iscsid.conf
iscsid
iscsiadm -m discovery -t sendtargets -p 127.0.0.1
iscsiadm -m node -T $iqn -l
iscsiadm -m session
lun() {
	ls /sys/class/iscsi_session/session*/device/target*/*:1/block/
}
wait_for 20 lun >/dev/null 2>&1 || fail "no disk of the target"
disk=/dev/$(lun)
wait_for 10 test -b "$disk"
disk_prepare "$disk"
# udev's part, which this host does not have.
mkdir -p /dev/disk/by-path
ln -s "$disk" "/dev/disk/by-path/ip-127.0.0.1:3260-iscsi-$iqn-lun-1"
vm_guest far "$kernel" 'lab.check=ahci lab.boots=2 lab.last=button' <<END
disk0_type="ahci-hd"
disk0_name="$iqn/1"
disk0_dev="iscsi"
END
run_expect 0 . vm start far
console_line 120 far 'LAB: waits for the power button'
vm stop -w 60 far
tr -d '\r' <"$VM_DIR/far/com1.log" >com1
grep 'LAB:' com1
! grep ' FAIL ' com1 || fail "a check failed"
expect_eq 2 "$(grep -c 'LAB: ahci ok' com1)" "boots"
disk_verify "$disk" 2

# Without a session the cure is named.
iscsiadm -m node -T $iqn -u
run_expect 1 "iscsiadm -m node -T $iqn -l" vm start far
vm_traces far
