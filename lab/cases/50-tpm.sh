# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# A TPM 2.0 by swtpm: what it stores outlasts reboots and stops, its registers
# begin anew; OVMF measures into it.
# deadline: 300
# needs: payloads

zeros=0000000000000000000000000000000000000000000000000000000000000000

# tpm_of LOG N: sets $version, $pcr0, $before, $after, $nv, $kept, $events of
# the guest's Nth word on it
tpm_of() {
	line=$(tr -d '\r' <"$1" | grep 'LAB: tpm ' | sed -n "$2p")
	echo "$line"
	case $line in *'LAB: tpm ok '*) ;; *) fail "$1: ${line:-no TPM}" ;; esac
	version='' pcr0='' pcr8='' nv='' log=''
	for word in $line; do
		case $word in
		version=* | pcr0=* | pcr8=* | nv=* | log=*) eval "$word" ;;
		esac
	done
	kept=${nv#*:} nv=${nv%:*} before=${pcr8%,*} after=${pcr8#*,}
	expect_eq 2 "$version" "version"
	[ ${#kept} = 16 ] || fail "no 8 bytes in its memory: $kept"
	[ "$after" != "$before" ] || fail "register 8 cannot be extended"
}

vm_guest secure "$kernel" "lab.check=vblk,tpm lab.boots=2" <<-END
	memory="256M"
	tpm="yes"
	disk0_type="virtio-blk"
	disk0_name="disk.img"
END
truncate -s 64M "$VM_DIR/secure/disk.img"
disk_prepare "$VM_DIR/secure/disk.img"
console=$VM_DIR/secure/com1.log

# The second boot is a new byway on the same swtpm, the third one has both new.
vm start secure
swtpm=$(pidof swtpm) || fail "no swtpm"
vm info secure | grep 'tpm:'
console_line 60 secure 'LAB: done boot=1 '
console_line 60 secure 'LAB: done boot=2 '
wait_for 20 vm_is_down secure || fail "not down"
! kill -0 "$swtpm" 2>/dev/null || fail "swtpm is left behind"
vm_traces secure
expect_eq 2 "$(grep -c 'starting bhyve' "$VM_DIR/secure/vm-bhyve.log")" "runs"
vm start secure
console_line 60 secure 'LAB: done boot=3 '
wait_for 20 vm_is_down secure || fail "not down"
tpm_of "$console" 1
expect_eq new "$nv" "the TPM's memory at first"
first=$kept extended=$after
for boot in 2 3; do
	tpm_of "$console" $boot
	expect_eq "kept:$first" "$nv:$kept" "the TPM's memory at boot $boot"
	expect_eq "$extended" "$after" "register 8 at boot $boot"
done
expect_eq $zeros "$before" "register 8 at the start"
expect_eq $zeros "$pcr0" "register 0 without firmware"

# One TPM, one guest; a TPM that does not answer; none at all.
mkdir state
swtpm socket --tpm2 --tpmstate dir=state --ctrl type=unixio,path=tpm.sock &
swtpm=$!
wait_for 10 test -S tpm.sock || fail "no swtpm"
refused 'tpm: /nowhere: no swtpm listens there' -l tpm,swtpm,/nowhere
refused 'tpm: version=1\.2: there is only 2\.0' -l tpm,swtpm,"$PWD/tpm.sock",version=1.2

# OVMF: a log of events, and what they add up to in register 0.
byway_run 120 uefi.log -m 256M -l bootrom,"$ovmf/OVMF_CODE_4M.fd" \
	-l tpm,swtpm,"$PWD/tpm.sock" \
	-s 4,virtio-blk,/lab/images/payloads/linux.esp,ro
expect_eq 1 "$status" "exit status"
tpm_of uefi.log 1
[ "$pcr0" != $zeros ] || fail "OVMF measures nothing"
[ "$log" -gt 1000 ] || fail "an event log of $log bytes"
kill $swtpm 2>/dev/null || true
nothing_held
