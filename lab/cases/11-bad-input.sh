# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Whatever cannot be is said in one sentence, and nothing is held afterwards.
# deadline: 120

# --- boot image, memory ------------------------------------------------------

refused 'boot\.kernel.*/nowhere' -o boot.kernel=/nowhere
head -c 100000 "$kernel" >truncated
refused 'truncated.*(truncated|cut off|shorter|incomplete|too short)' \
	-o boot.kernel=truncated
head -c 100 "$kernel" >stub
refused 'stub' -o boot.kernel=stub
head -c 100000 /dev/urandom >random
refused 'random.*not a' -o boot.kernel=random
refused 'boot\.initrd.*/nowhere' -o boot.initrd=/nowhere
refused 'memory.*only.*less' -m 999G
refused 'memory' -m 1M

# --- slots, devices ----------------------------------------------------------

refused '4:0.*(occupied|taken|already|used)' -s 4,virtio-rnd -s 4,virtio-rnd
refused 'unknown device "nonesuch"' -s 4,nonesuch
refused '4:1.*function 0|function 0.*4' -s 4:1,virtio-rnd

# --- disks ----------------------------------------------------------------

refused '/nowhere\.img.*no such' -s 4,virtio-blk,/nowhere.img
truncate -s 1M disk.img
chmod 444 disk.img
# (root may write to anything; a user may not.)
chmod 777 .
cp "$tiny" kernel
chmod 444 kernel
chmod 666 /dev/kvm
refused_user() {
	pattern=$1
	shift
	status=0
	# shellcheck disable=SC2016 # expanded there
	setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp/case \
		timeout -s KILL 60 byway -s 0,hostbridge -s 31,lpc -l com1,stdio \
		-m 64M -o boot.kernel=kernel -o boot.cmdline=end=halt "$@" guest \
		>said.out 2>said.err </dev/null || status=$?
	cat said.out said.err
	expect_eq 4 "$status" "exit status"
	expect_eq 1 "$(wc -l <said.err)" "lines on standard error"
	grep -Eq -- "^byway: .*$pattern" said.err || fail "not said: $pattern"
	nothing_held
}
refused_user 'disk\.img.*(ro|read-only|writ)' -s 4,virtio-blk,disk.img
run_expect 2 '^tiny: up' setpriv --reuid 65534 --regid 65534 --clear-groups \
	env HOME=/tmp/case timeout 30 byway -s 0,hostbridge -s 31,lpc \
	-l com1,stdio -m 64M -o boot.kernel=kernel -o boot.cmdline=end=halt \
	-s 4,virtio-blk,disk.img,ro guest
chmod 600 /dev/kvm
refused_user '/dev/kvm: permission denied.*(root|group)'

mount | grep -q ' /srv ' || fail "the host has nothing mounted"
refused "$(disk_of 8/0/0).*(mounted|uses)" \
	-s 4,virtio-blk,"$(disk_of 8/0/0)"
grep -q ' /srv ' /proc/mounts || fail "the host lost its disk"

# --- devices of the host -----------------------------------------------------

refused '(0000:0e|14/3/0).*no such device' -s 6,passthru,14/3/0
refused 'not a PCI address|no such PCI address' -s 6,passthru,bogus
refused '(0000:01:00\.0|1/0/0).*bound to nvme.*vm passthru reserve' \
	-s 6,passthru,1/0/0
expect_eq nvme "$(driver_of 1/0/0)" "1/0/0: driver"
refused '(0000:04:00\.0|4/0/0).*not bound.*vm passthru reserve' \
	-s 6,passthru,4/0/0
refused '(0000:00:10\.0|0/16/0).*bridge' -s 6,passthru,0/16/0
refused 'ppt0.*FreeBSD' -s 6,passthru,ppt0

# A member of the group still on a host driver is named with its driver. (No
# driver takes 7/0/1 by itself; this one claims and harms nothing.)
bind_vfio 7/0/0
modprobe uio_pci_generic || fail "no driver for 7/0/1"
rebind "$(sysbdf 7/0/1)" uio_pci_generic
expect_eq uio_pci_generic "$(driver_of 7/0/1)" "7/0/1: driver"
refused '(0000:07:00\.0|7/0/0).*group.*(0000:07:00\.1|7/0/1).*uio_pci_generic' \
	-s 6,passthru,7/0/0
bind_vfio 7/0/1

bind_vfio 1/0/0
refused '(0000:01:00\.0|1/0/0).*twice' -s 6,passthru,1/0/0 -s 7,passthru,1/0/0
refused '6:1.*function 0|function 0.*6' -s 6:1,passthru,1/0/0
refused '/nowhere\.rom' -s 6,passthru,1/0/0,rom=/nowhere.rom
refused 'reset=.*expected' -s 6,passthru,1/0/0,reset=hammer

# In use by another process, which is named; also a disk that is a device.
device=$(losetup -f)
truncate -s 1M device.img
losetup "$device" device.img
byway -s 0,hostbridge -s 31,lpc -l com1,stdio -m 64M -o boot.kernel="$tiny" \
	-o boot.cmdline=end=spin -s 6,passthru,1/0/0 \
	-s 4,virtio-blk,"$device" guest >first.log 2>&1 </dev/null &
first=$!
wait_line 20 '^tiny: up' first.log
for file in "/dev/vfio/$(group_of 1/0/0)" /dev/kvm; do
	holders | grep -q "^$file: held by process $first\$" ||
		fail "$file: nothing_held does not see process $first"
done
status=0
timeout -s KILL 60 byway -s 0,hostbridge -s 31,lpc -l com1,stdio -m 64M \
	-o boot.kernel="$tiny" -o boot.cmdline=end=halt -s 6,passthru,1/0/0 \
	second >second.log 2>&1 </dev/null || status=$?
cat second.log
expect_eq 4 "$status" "exit status of the second user"
expect_eq 1 "$(wc -l <second.log)" "lines of the second user"
grep -Eq "^byway: .*(1/0/0|01:00\.0).*in use by .*$first" second.log ||
	fail "the process $first is not named"
byway_refuses "$device: in use by process $first \(byway\); .*stop the other" \
	-s 4,virtio-blk,"$device"
byway_refuses "$device: written to by process $first \(byway\)" \
	-s 4,virtio-blk,"$device",ro
kill -0 $first || fail "the first guest died of it"
kill -TERM $first
wait $first || expect_eq 1 $? "exit status of the first user"
losetup -d "$device"

# Memory that may not be locked: without CAP_IPC_LOCK the limit counts.
status=0
prlimit --memlock=8388608 setpriv --bounding-set -ipc_lock \
	--inh-caps -ipc_lock timeout -s KILL 60 byway -s 0,hostbridge \
	-s 31,lpc -l com1,stdio -m 64M -o boot.kernel="$tiny" \
	-o boot.cmdline=end=halt -s 6,passthru,1/0/0 guest \
	>said 2>&1 </dev/null || status=$?
cat said
expect_eq 4 "$status" "exit status with a memlock limit"
grep -Eq '^byway: .*RLIMIT_MEMLOCK.*8 MiB' said || fail "limit not named"
expect_eq 1 "$(wc -l <said)" "lines"
nothing_held

# And after all that the device still works.
byway_run 30 log -m 64M -o boot.kernel="$tiny" -o boot.cmdline=end=halt \
	-s 6,passthru,1/0/0
expect_eq 2 "$status" "exit status of a good run"
grep -q 'passthru 1/0/0 .* ok' log || fail "1/0/0 does not come back"
