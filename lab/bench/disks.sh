# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The emulated disks: throughput of random reads and writes, and exits for each.
# One guest has all four; the same files, QEMU and byway in turns.
# deadline: 3000

runs=3 counts=3
. /lab/bench/figures.sh

# A disk, what Linux calls it, and its file.
disks='ahci:sda nvme:nvme0n1 virtio-scsi:sdb virtio-blk:vda'
jobs='4096:1:300:read 4096:4:600:read 131072:4:80:read 4096:1:300:write
	4096:4:600:write 131072:4:80:write'

# job_list [LENGTHEN]: for lab.reads
job_list() {
	for disk in $disks; do
		for job in $jobs; do
			echo "$job:${disk#*:}"
		done
	done | tr '\n' ',' | sed 's/,$//'
}

# Each beside one of a single request, so that what a job costs besides its I/O falls
# out; what byway has learnt of a job's pace is in the longer one alone.
more=450
count_list() {
	for disk in $disks; do
		for job in $jobs; do
			# shellcheck disable=SC2046 # several words
			set -- $(echo "$job" | tr : ' ')
			for count in 1 $((1 + more)); do
				echo "$1:$2:$count:$4:${disk#*:}"
			done
		done
	done | tr '\n' ',' | sed 's/,$//'
}

# with_disks HOW OPTIONS WORDS: a guest with all disks. HOW is qemu or byway,
# OPTIONS what is added to each disk's.
with_disks() {
	how=$1 opts=$2 words=$3
	if [ "$how" = byway ]; then
		set -- -s "4:0,ahci,hd:ahci.img$opts" -s "5:0,nvme,nvme.img$opts" \
			-s "6:0,virtio-scsi,virtio-scsi.img$opts" \
			-s "7:0,virtio-blk,virtio-blk.img$opts"
	else
		set -- -object iothread,id=io1 -object iothread,id=io2
		for disk in $disks; do
			file=${disk%:*}
			set -- "$@" -drive \
				"if=none,id=$file,format=raw,file=$file.img,$opts"
		done
		set -- "$@" -device ide-hd,bus=ide.0,drive=ahci \
			-device nvme,serial=bench,drive=nvme,ioeventfd=on \
			-device virtio-scsi-pci,iothread=io1 \
			-device scsi-hd,drive=virtio-scsi \
			-device virtio-blk-pci,drive=virtio-blk,iothread=io2
	fi
	STAMP=stamp /lab/bench/guest "$how" - "$(kernel_of "$how")" "$initrd" \
		"$console lab.do=read $words" "$@" || [ $? = 1 ]
}

# The ways to drive a file: NAME HOW OPTIONS.
cached='threads:qemu:cache=writeback,aio=threads
uring:qemu:cache=writeback,aio=io_uring
byway:byway:'
direct='native:qemu:cache=none,aio=native
uring:qemu:cache=none,aio=io_uring
byway:byway:,nocache'

# measure PREFIX WAYS: one round
measure() {
	prefix=$1
	echo "$2" | while IFS=: read -r name how opts; do
		with_disks "$how" "$opts" "lab.reads=$(job_list)" \
			>log </dev/null || { cat log; fail "$name: no guest"; }
		ended_well log
		sed -n 's/.*LAB: \([a-z]*\) bytes=\([0-9]*\) inflight=\([0-9]*\) .*kib_s=\([0-9]*\) disk=\([a-z0-9]*\).*/\5_\1_\2_qd\3 \4/p' log |
			while read -r metric kib_s; do
				note "$prefix$metric" "$name" "$kib_s"
			done
	done
}

# count PREFIX WAYS
count() {
	prefix=$1
	echo "$2" | while IFS=: read -r name how opts; do
		count_jobs "$(count_list | tr , '\n' | grep -c .)" with_disks \
			"$how" "$opts" \
			"lab.wait=yes lab.reads=$(count_list),4096:1:1:read:vda"
		count_list | tr , '\n' | paste -d ' ' - counts |
			awk -v p="$prefix" -v more=$more '
				{ split($1, w, ":") }
				NR % 2 { user = $2; all = $3; own = $4; next }
				{
					m = p w[5] "_" w[4] "_" w[1] "_qd" w[2]
					printf "%s_user %.2f\n", m, ($2 - user) / more
					printf "%s_all %.2f\n", m, ($3 - all) / more
					printf "%s_own %.2f\n", m, ($4 - own) / more
				}' |
			while read -r metric exits; do
				note "$metric" "$name" "$exits"
			done
	done
}

# table PREFIX TITLE NAME...
table() {
	prefix=$1
	printf '\n%-36s %11s %11s %11s %7s\n' "$2" "$3" "$4" "$5" ratio
	shift 2
	for disk in $disks; do
		for job in $jobs; do
			# shellcheck disable=SC2046 # several words
			set -- "$1" "$2" "$3" $(echo "$job" | tr : ' ')
			text="${disk%:*} $7 $(($4 / 1024))k, $5 deep"
			metric="$prefix${disk#*:}_$7_$4_qd$5"
			row_of "$text: KiB/s" "$metric" more "$1" "$2" "$3"
			[ -z "$prefix" ] || continue
			row_of '  exits to user space' "${metric}_user" less "$1" "$2" "$3"
			row_of '  exits but interrupts and timers' "${metric}_own" less "$1" "$2" "$3"
			row_of '  exits' "${metric}_all" less "$1" "$2" "$3"
		done
	done
}

fresh_files() {
	for disk in $disks; do
		dd if=/dev/zero of="${disk%:*}.img" bs=1M count=64 2>/dev/null
	done
}

# What is mounted is unmounted, however it ends.
trap 'ended; cd /; umount /tmp/case/ext4 2>/dev/null || true' EXIT
# Files of an ext4 on a disk of memory: through the page cache, and past it.
modprobe brd rd_nr=1 rd_size=$((512 * 1024))
mkfs.ext4 -q -F /dev/ram0
mkdir ext4
mount /dev/ram0 ext4
cd ext4 || exit
fresh_files
sync

run=0
while [ $((run += 1)) -le $runs ]; do
	echo "run $run of $runs"
	measure '' "$cached"
	# A write past the page cache drops what the cache has of its place, and
	# only the first: all begin without.
	sync
	echo 1 >/proc/sys/vm/drop_caches
	measure direct_ "$direct"
done
# Exits are those of the devices, whatever the file is opened with.
run=0
while [ $((run += 1)) -le $counts ]; do
	echo "count $run of $counts"
	count '' "$cached"
done
table '' 'files through the page cache' threads uring byway
table direct_ 'files with O_DIRECT' native uring byway
cd .. || exit
# The kernel lets go of a process's io_uring a moment after its end.
wait_for 10 umount ext4 2>/dev/null || fail "ext4 stays in use"
rmmod brd
