# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The Debian installer's kernel and initrd, as packaged, up to its first menu.
# deadline: 240
# needs: payloads

payloads=/lab/images/payloads
truncate -s 1G disk.img
mkfifo keys
exec 7<>keys
byway -m 1G -s 0,hostbridge -s 31,lpc -l com1,stdio \
	-o boot.kernel=$payloads/installer.linux \
	-o boot.initrd=$payloads/installer.initrd \
	-o boot.cmdline='console=ttyS0 quiet DEBIAN_FRONTEND=text' \
	-s 4,virtio-net,slirp -s 5,virtio-blk,disk.img installer \
	<keys >log 2>&1 &
pid=$!
wait_line 200 'Select a language' log
tail -n 5 log
kill -9 $pid
wait $pid || true
nothing_held
