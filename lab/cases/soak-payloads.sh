# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# memtest86+ and iPXE as Debian has them: by themselves, through OVMF, through
# SeaBIOS; iPXE gets an address.
# deadline: 300
# needs: payloads

payloads=/lab/images/payloads
code=$ovmf/OVMF_CODE.fd

# started LOG OPTION...: in the background; sets $pid
started() {
	log=$1
	shift
	byway -s 0,hostbridge -s 31,lpc -l com1,stdio "$@" guest >"$log" 2>&1 \
		</dev/null &
	pid=$!
}
kill_it() {
	kill -9 $pid
	wait $pid || true
}
# dhcp: iPXE's words on that
dhcp() {
	wait_line 60 'iPXE initialising devices' "$log"
	wait_line 30 'iPXE 1\.0.*Open Source Network Boot Firmware' "$log"
	wait_line 60 'net0: 10\.0\.2\.15/255\.255\.255\.0 gw 10\.0\.2\.2' "$log"
	grep -aq "net0: 58:9c:fc:0a:0b:0c using $1 on" "$log" ||
		fail "not by the driver $1, but: $(grep -ao 'using [^ ]* on' "$log")"
}

# memtest86+ as a kernel: it begins its second test or a later one.
started memtest.log -m 32M -o boot.kernel=$payloads/memtest.bin \
	-o boot.cmdline=console=ttyS0,115200
wait_line 30 'Memtest86\+ v6' memtest.log
wait_line 60 '#[2-9] +\[' memtest.log
grep -aq 'BHYVE' memtest.log || fail "memtest86+ finds no SMBIOS"
kill_it

# iPXE is older than what byway starts as a kernel, which is said.
byway_run 60 ipxe.log -m 64M -o boot.kernel=$payloads/ipxe.lkrn
expect_eq 4 "$status" "ipxe.lkrn as a kernel: exit status"
grep -q 'ipxe\.lkrn: a kernel that speaks boot protocol 2\.07' ipxe.log ||
	fail "ipxe.lkrn as a kernel: not said why not"

# From its CD-ROM, by SeaBIOS and isolinux.
started bios.log -m 64M -l bootrom,/usr/share/seabios/bios-256k.bin \
	-s 4,ahci-cd,$payloads/ipxe.iso \
	-s 5,e1000,slirp,mac=58:9c:fc:0a:0b:0c
wait_line 30 'ISOLINUX' bios.log
dhcp 82545em
kill_it

# From a disk, by OVMF, whose own driver for virtio-net it takes over.
started uefi.log -m 128M -l bootrom,"$code" \
	-s 4,nvme,$payloads/ipxe.esp,ro \
	-s 5,virtio-net,slirp,mac=58:9c:fc:0a:0b:0c
dhcp SNP
kill_it

# memtest86+ by OVMF: it needs a screen.
started screen.log -m 128M -l bootrom,"$code" \
	-s 4,ahci,hd:$payloads/memtest.esp,ro -s 8,fbuf -s 9,xhci,tablet
shows() {
	vnc 127.0.0.1:5900 text "$font" 40 >screen.txt 2>vnc.err &&
		grep -q "$1" screen.txt
}
wait_for 90 shows 'Memtest86+ v6' || fail "memtest86+ is not on the screen"
wait_for 60 shows 'Test #[2-9]' || fail "memtest86+ does no test"
cat screen.txt
grep -q 'Errors: 0' screen.txt || fail "memtest86+ finds errors"
kill_it
nothing_held
