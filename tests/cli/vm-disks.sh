#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Disks: volumes that create makes and destroy removes, images of other
# formats, iSCSI. zfs, LVM and open-iscsi are played by scripts.
. "$CLI/vm-lib"

mkdir -p "$T/bin"
PATH=$T/bin:$PATH
export PATH

# program NAME: standard input is a script of that name.
program() {
	{
		echo '#!/bin/sh'
		cat
	} >"$T/bin/$1"
	chmod +x "$T/bin/$1"
}

vm init >/dev/null
cat >"$VM_DIR/.templates/windows-zvol.conf" <<-'END'
	loader="uefi"
	cpu=4
	memory=16G
	ahci_device_limit="8"
	zfs_dataset_opts="compression=lz4 atime=off"
	zfs_zvol_opts="volblocksize=16K"
	disk0_type="ahci-hd"
	disk0_name="disk0"
	disk0_dev="sparse-zvol"
	disk0_size="8G"
	disk1_type="ahci-hd"
	disk1_name="data"
	disk1_dev="zvol"
END

# No ZFS: sparse files with the volumes' names, and a sentence.
program zfs <<-'END'
	echo 'The ZFS modules are not loaded.' >&2
	exit 1
END
{
	run vm create -t windows-zvol win
	ls -s "$VM_DIR/win"
	run vm info win | sed -n '/virtual-disk/,$p'
	run vm destroy -f win
	echo 'vm_dir="zfs:tank/vm"' >"$T/zfs.conf"
	VM_DIR='' VM_CONF=$T/zfs.conf run vm list
} | golden disks-no-zfs

# A thin pool of LVM.
program lvcreate <<-'END'
	echo "lvcreate $*" >>"$VM_DIR/../calls"
	mkdir -p "$VM_DEV_DIR/vg0"
	: >"$VM_DEV_DIR/vg0/$5"
END
program lvremove <<-'END'
	echo "lvremove $*" >>"$VM_DIR/../calls"
	rm "$VM_DEV_DIR/$3"
END
echo 'vm_lvm_thin="vg0/thin"' >"$VM_CONF"
{
	run vm create -t windows-zvol -s 10G win
	ls "$VM_DEV_DIR/vg0"
	run vm info win | grep system-path
	run vm destroy -f win
	cat "$T/calls"
	find "$VM_DEV_DIR/vg0" "$VM_DIR" -path '*win*' | sort
	# Half of it fails: nothing is left.
	program lvcreate <<-'EOF'
		echo "lvcreate $*" >>"$VM_DIR/../calls"
		[ "$5" != byway-win-data ] || {
			echo '  Insufficient free space in vg0' >&2
			exit 5
		}
		: >"$VM_DEV_DIR/vg0/$5"
	EOF
	run vm create -t windows-zvol win
	find "$VM_DEV_DIR/vg0" "$VM_DIR" -path '*win*' | sort
} | golden disks-lvm
: >"$VM_CONF"
rm "$T/calls"

# A volume that is not active: nothing is to be made in its place.
guest inactive <<-'END'
	disk0_type="virtio-blk"
	disk0_name="disk0"
	disk0_dev="sparse-zvol"
END
ln -s "$VM_DEV_DIR/vg0/byway-inactive-disk0" "$VM_DIR/inactive/disk0"
"$VM" start inactive 2>&1 | grep '^  !' | golden disks-inactive
rm -r "$VM_DIR/inactive"

# ZFS, whose data set is the place.
program zfs <<-'END'
	case "$1 $2" in
	'list -H')
		case $5 in
		tank/vm | "$PLACE") printf 'tank/vm\t%s\n' "$PLACE" ;;
		tank/vm/win)
			[ -e "$VM_DEV_DIR/zvol" ] || exit 1
			echo tank/vm/win
			;;
		*)
			echo "cannot open '$5': dataset does not exist" >&2
			exit 1
			;;
		esac
		exit
		;;
	esac
	echo "zfs $*" >>"$T/calls"
	for last; do :; done
	case "$1 $*" in
	create*' -V '*) mkdir -p "$VM_DEV_DIR/zvol/${last%/*}"
		: >"$VM_DEV_DIR/zvol/$last" ;;
	create*) mkdir "$PLACE/${last##*/}" ;;
	destroy*)
		# As the real one: not while somebody has a file of it open.
		for fd in /proc/$PPID/fd/*; do
			case $(readlink "$fd") in
			"$PLACE/${last##*/}"*)
				echo "cannot unmount '$PLACE/${last##*/}': pool or dataset is busy" >&2
				exit 1
				;;
			esac
		done
		rm -r "$PLACE/${last##*/}" "$VM_DEV_DIR/zvol"
		;;
	esac
END
PLACE=$VM_DIR
export PLACE T
{
	VM_DIR='' VM_CONF=$T/zfs.conf run vm create -t windows-zvol win
	run vm create -t windows-zvol win
	cat "$T/calls"
	run vm info win | grep 'system-path\|device-type'
	run ls "$VM_DIR/win"
	rm "$T/calls"
	run vm destroy -f win
	cat "$T/calls"
	run ls "$VM_DIR"
	echo 'vm_dir="zfs:tank/other"' >"$T/zfs.conf"
	VM_DIR='' VM_CONF=$T/zfs.conf run vm list
} | golden disks-zfs
rm "$T/bin/zfs"

# iSCSI: the session's block device.
guest scsi <<-'END'
	disk0_type="virtio-blk"
	disk0_dev="iscsi"
	disk0_name="iqn.2004-10.com.example:t1/2"
END
fake scsi <<-'END'
	say running
	exit 1
END
program iscsiadm <<-'END'
	echo 'tcp: [1] 10.0.0.1:3260,1 iqn.2004-10.com.example:t1 (non-flash)'
	echo 'tcp: [2] 10.0.0.1:3260,1 iqn.2004-10.com.example:t2 (non-flash)'
END
{
	run vm start scsi
	mkdir -p "$VM_DEV_DIR/disk/by-path"
	truncate -s 1M "$VM_DEV_DIR/disk/by-path/ip-10.0.0.1:3260-iscsi-iqn.2004-10.com.example:t1-lun-2"
	run vm start scsi
	wait_for 10 is_down scsi
	cat "$VM_DIR/scsi/calls"
	program iscsiadm <<-'EOF'
		echo 'iscsiadm: No active sessions.' >&2
		exit 21
	EOF
	run vm start scsi
	vm info scsi | sed -n '/virtual-disk/,$p'
} 2>&1 | golden disks-iscsi

# Another format: what a storage daemon shows, as long as the guest is there.
# qcow2 NAME: an empty image of 8 MiB.
qcow2() {
	{
		printf 'QFI\373\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\20'
		printf '\0\0\0\0\0\200\0\0\0\0\0\0\0\0\0\1'
		printf '\0\0\0\0\0\3\0\0\0\0\0\0\0\1\0\0\0\0\0\1'
		head -c 65476 /dev/zero
		printf '\0\0\0\0\0\2\0\0'
		head -c 65528 /dev/zero
		printf '\0\1\0\1\0\1\0\1'
		head -c 65528 /dev/zero
		head -c 65536 /dev/zero
	} >"$1"
}

guest image <<-'END'
	disk0_type="virtio-blk"
	disk0_name="a.qcow2"
	disk1_type="virtio-blk"
	disk1_name="b.img"
END
qcow2 "$VM_DIR/image/a.qcow2"
truncate -s 1M "$VM_DIR/image/b.img"
program qemu-storage-daemon <<-'END'
	echo "$*" >>daemon-calls
	echo $$ >daemon-pid
	echo '{"QMP": {"version": {}, "capabilities": []}}'
	trap 'exit 0' TERM
	while :; do sleep 0.05; done
END
fake image <<-'END'
	say running
	[ $run -lt 2 ] && exit 0
	forever
END
{
	run vm start image
	wait_for 10 grep -q 2 "$VM_DIR/image/runs"
	cat "$VM_DIR/image/daemon-calls"
	sort -u "$VM_DIR/image/calls"
	vm info image | grep 'system-path\|format'
} | golden disks-image
pid=$(cat "$VM_DIR/image/daemon-pid")
check 'one daemon for both runs' test "$(wc -l \
	<"$VM_DIR/image/daemon-calls")" = 1
check 'that is there' kill -0 "$pid"
"$VM" stop -w 20 image >/dev/null
check 'until the guest is down' gone "$pid"
no_traces image || failed 'traces of a guest with an image'

# What is not sure is asked, and what fails is said.
attempt() {
	echo "== $1"
	[ -z "$2" ] || sed -i "$2" "$VM_DIR/image/image.conf"
	"$VM" start image 2>&1 | grep '^  [!]'
	wait_for 10 is_down image || echo 'not down'
	no_traces image
}
rm "$VM_DIR/image/runs"
fake image <<-'END'
	say running
	exit 1
END
{
	head -c 512 "$VM_DIR/image/a.qcow2" |
		dd of="$VM_DIR/image/b.img" conv=notrunc 2>/dev/null
	attempt 'a mark in a raw disk'
	echo 'disk1_format="raw"' >>"$VM_DIR/image/image.conf"
	attempt 'that is one'
	truncate -s 0 "$VM_DIR/image/b.img"
	truncate -s 1M "$VM_DIR/image/b.img"
	cp "$VM_DIR/image/b.img" "$VM_DIR/image/c.vmdk"
	attempt 'a name without a mark' 's/"b.img"/"c.vmdk"/;/_format/d'
	echo 'disk1_format="vmd"' >>"$VM_DIR/image/image.conf"
	attempt 'no format'
	sed -i '/^disk1/d' "$VM_DIR/image/image.conf"
	program qemu-storage-daemon <<-'EOF'
		echo "qemu-storage-daemon: --blockdev driver=file,filename=x:" \
			"Failed to get \"write\" lock" >&2
		echo 'Is another process using the image [a.qcow2]?' >&2
		exit 1
	EOF
	attempt 'locked'
	program qemu-storage-daemon <<-'EOF'
		kill -9 $$
	EOF
	attempt 'killed'
	program qemu-storage-daemon <<-'EOF'
		sleep 100 &
		trap 'kill $!; exit 0' TERM
		wait
	EOF
	echo 'vm_start_timeout=1' >"$VM_CONF"
	attempt 'never ready'
	: >"$VM_CONF"
} 2>&1 | golden disks-image-bad

# One that has much to write out: the guest is off, and so it is said.
program qemu-storage-daemon <<-'END'
	echo '{"QMP": {}}'
	trap 'sleep 12; exit 0' TERM
	while :; do sleep 0.05; done
END
fake image <<-'END'
	say running
	forever
END
"$VM" start image >/dev/null
run vm poweroff -f image | golden disks-image-slow
no_traces image || failed 'traces after a slow daemon'

# A daemon that is lost is told, and there again in the next run.
program qemu-storage-daemon <<-'END'
	echo $$ >daemon-pid
	echo '{"QMP": {}}'
	trap 'exit 0' TERM
	while :; do sleep 0.05; done
END
fake image <<-'END'
	say running
	[ $run -eq 1 ] || forever
	pid=$(cat daemon-pid)
	kill -9 $pid
	while kill -0 $pid 2>/dev/null; do sleep 0.02; done
	sleep 0.2
	exit 0
END
"$VM" start image >/dev/null
check 'a lost daemon does not end the guest' \
	wait_for 10 grep -q 2 "$VM_DIR/image/runs"
check 'it is told' log_has image \
	'warning; disk0: qemu-storage-daemon: was killed by signal 9'
check 'and there again' kill -0 "$(cat "$VM_DIR/image/daemon-pid")"
"$VM" stop -w 20 image >/dev/null
no_traces image || failed 'traces after a lost daemon'

# The real one, where it is: a guest's writes end up in the image.
rm "$T/bin/qemu-storage-daemon"
if [ ! -x /usr/bin/qemu-storage-daemon ]; then
	skipped 'the real qemu-storage-daemon: it is not installed'
	exit 0
fi
if [ "$(id -u)" != 0 ] || [ ! -w /dev/fuse ]; then
	skipped 'the real qemu-storage-daemon: FUSE is not for this user'
	exit 0
fi
rm -f "$VM_DIR/image/runs"
fake image <<-'END'
	for word; do
		case $word in 4:0,virtio-blk,*) disk=${word#*,*,} ;; esac
	done
	[ "$(stat -c %s "$disk")" = 8388608 ] || exit 4
	if [ $run -eq 1 ]; then
		printf 'kept over a stop' |
			dd of="$disk" bs=1M seek=5 conv=notrunc,fsync 2>/dev/null
	fi
	tail -c 3145728 "$disk" | head -c 16 >read-back
	say running
	[ $run -lt 2 ] && exit 0
	exit 1
END
check 'the real daemon: a guest runs' "$VM" start image
wait_for 20 is_down image
check 'it has read what the run before wrote' \
	grep -q 'kept over a stop' "$VM_DIR/image/read-back"
check 'the image has it' grep -q 'kept over a stop' "$VM_DIR/image/a.qcow2"
check 'and is one still' sh -c 'head -c 3 "$1" | grep -q QFI' sh \
	"$VM_DIR/image/a.qcow2"
no_traces image || failed 'traces of the real daemon'
echo 2 >"$VM_DIR/image/runs"
check 'the next start finds it' "$VM" start image
wait_for 20 is_down image

# Two guests with one image: the second is refused, the first goes on.
mkdir "$VM_DIR/other"
sed -e "s|\"a.qcow2\"|\"$VM_DIR/image/a.qcow2\"|" -e 's/4444"/4445"/' \
	-e '$adisk0_dev="custom"' "$VM_DIR/image/image.conf" \
	>"$VM_DIR/other/other.conf"
cp "$VM_DIR/image/vmlinuz" "$VM_DIR/other"
fake image <<-'END'
	say running
	forever
END
cp "$VM_DIR/image/fake" "$VM_DIR/other/fake"
"$VM" start image >/dev/null
{
	run vm start other
	no_traces other
} | golden disks-image-locked

# A killed supervisor leaves no mount behind the next start.
kill -9 "$(supervisor_of image)" "$(byway_of image)"
check 'after a kill the next start' wait_for 10 "$VM" start image
"$VM" stop -w 20 image >/dev/null
no_traces image || failed 'traces after a killed supervisor'
check 'no mount is left' sh -c '! grep -q "$1" /proc/self/mounts' sh "$T"
