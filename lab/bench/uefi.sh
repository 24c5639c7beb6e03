# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# Firmware: from the hypervisor's exec to GRUB's first line, OVMF from the same
# files and a Debian from the same disk.
# deadline: 1500
# needs: debian

runs=5
. /lab/bench/figures.sh

code=$ovmf/OVMF_CODE_4M.fd
debian_disk disk.img

# boot PROGRAM ahci|virtio-blk: to GRUB, and no further
boot() {
	cp "$ovmf/OVMF_VARS_4M.fd" vars.fd
	case $1-$2 in
	qemu-ahci) set -- "$@" -device ide-hd,bus=ide.0,drive=disk ;;
	qemu-virtio-blk) set -- "$@" -device virtio-blk-pci,drive=disk ;;
	byway-ahci) set -- "$@" -s 4:0,ahci,hd:disk.img ;;
	byway-virtio-blk) set -- "$@" -s 4:0,virtio-blk,disk.img ;;
	esac
	program=$1 disk=$2
	shift 2
	if [ "$program" = qemu ]; then
		stamp qemu-system-x86_64 -machine q35 -accel kvm -cpu host \
			-m 512M -nodefaults -no-user-config -display none \
			-no-reboot -serial stdio \
			-drive "if=pflash,format=raw,readonly=on,file=$code" \
			-drive if=pflash,format=raw,file=vars.fd \
			-drive if=none,id=disk,format=raw,file=disk.img \
			"$@" >log 2>&1 </dev/null &
	else
		stamp byway -c 1 -m 512M -s 0,hostbridge -s 31,lpc \
			-l com1,stdio -l "bootrom,$code,vars.fd" "$@" bench \
			>log 2>&1 </dev/null &
	fi
	pid=$!
	wait_line 300 'Welcome to GRUB|^[0-9.]+ exit ' log
	killall -9 "$(case $program in qemu) echo qemu-system-x86_64 ;; *) echo byway ;; esac)"
	wait $pid || true
	note "grub_$disk" "$program" "$(ms_of 'Welcome to GRUB' log)"
}

run=0
while [ $((run += 1)) -le $runs ]; do
	echo "run $run of $runs"
	for disk in virtio-blk ahci; do
		for program in $programs; do
			boot "$program" "$disk"
		done
	done
done
for disk in virtio-blk ahci; do
	count_on
	for program in $programs; do
		count_now
		before=$user_exits before_all=$all_exits
		boot "$program" "$disk"
		count_now
		note "grub_${disk}_user" "$program" $((user_exits - before))
		note "grub_${disk}_all" "$program" $((all_exits - before_all))
	done
	count_off
done
printf '\n%-36s %11s %11s %7s\n' 'OVMF to GRUB' qemu byway ratio
for disk in virtio-blk ahci; do
	row_of "$disk: ms" "grub_$disk" less qemu byway
	row_of '  exits to user space' "grub_${disk}_user" less qemu byway
	row_of '  exits' "grub_${disk}_all" less qemu byway
done
