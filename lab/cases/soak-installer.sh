# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The Debian installer as packaged, started by OVMF through the kernel's EFI
# stub, up to its first menu.
# deadline: 400
# needs: payloads

# (From a card that it has a driver for, firmware would boot first.)
cp "$ovmf/OVMF_VARS_4M.fd" vars.fd
truncate -s 1G disk.img
mkfifo keys
exec 7<>keys
byway -m 1G -s 0,hostbridge -s 31,lpc -l com1,stdio \
	-l bootrom,"$ovmf/OVMF_CODE_4M.fd",vars.fd \
	-s 3,ahci,hd:/lab/images/payloads/installer.esp,ro \
	-s 4,e1000,slirp -s 5,virtio-blk,disk.img installer \
	<keys >log 2>&1 &
pid=$!
wait_line 120 'EFI stub: Loaded initrd' log
wait_line 280 'Select a language' log
kill -9 $pid
wait $pid || true
nothing_held
