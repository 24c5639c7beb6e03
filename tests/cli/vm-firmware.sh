#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Firmware, its variables, the TPM: what is found, made, kept and refused.
. "$CLI/vm-lib"

mkdir -p "$VM_SHARE_DIR/OVMF" "$VM_SHARE_DIR/seabios" "$T/bin"
PATH=$T/bin:$PATH
export PATH

ovmf() {
	truncate -s 3653632 "$VM_SHARE_DIR/OVMF/OVMF_CODE_4M.fd"
	printf 'fresh variables' >"$VM_SHARE_DIR/OVMF/OVMF_VARS_4M.fd"
	truncate -s 540672 "$VM_SHARE_DIR/OVMF/OVMF_VARS_4M.fd"
}

# uefi NAME: as guest, but without a kernel of its own.
uefi() {
	guest "$1"
	sed -i -e 's/loader="linux"/loader="uefi"/' -e /linux_kernel/d \
		"$VM_DIR/$1/$1.conf"
	fake "$1" <<-'END'
		say running
		echo "run $run" >>uefi-vars.fd.seen
		exit 1
	END
}

# attempt WHAT [SED]: starts guest vars after a change of its file.
attempt() {
	echo "== $1"
	[ -z "$2" ] || sed -i "$2" "$VM_DIR/vars/vars.conf"
	"$VM" start vars 2>&1 | grep -v '^Starting\|found guest\|booting'
	wait_for 10 is_down vars || echo 'not down'
	no_traces vars
} 2>&1

uefi vars <<-'END'
	uefi_vars="yes"
END
{
	attempt 'no firmware'
	ovmf
	attempt 'the first start makes the copy'
	stat -c '%s %a' "$VM_DIR/vars/uefi-vars.fd"
	grep 'made ' "$VM_DIR/vars/vm-bhyve.log"
	printf 'settings of the guest' |
		dd of="$VM_DIR/vars/uefi-vars.fd" conv=notrunc 2>/dev/null
	attempt 'the second keeps it'
	head -c 21 "$VM_DIR/vars/uefi-vars.fd" && echo
	grep -c 'made ' "$VM_DIR/vars/vm-bhyve.log"
	cat "$VM_DIR/vars/calls"
	run vm info vars

	chmod 444 "$VM_DIR/vars/uefi-vars.fd"
	attempt 'read-only'
	chmod 600 "$VM_DIR/vars/uefi-vars.fd"
	truncate -s 100000 "$VM_DIR/vars/uefi-vars.fd"
	attempt 'truncated'
	rm "$VM_DIR/vars/uefi-vars.fd"
	truncate -s 3653000 "$VM_SHARE_DIR/OVMF/OVMF_CODE_4M.fd"
	attempt 'code of a wrong size'
	ls "$VM_DIR/vars/uefi-vars.fd" 2>&1 | sed 's/.*: No/No/'
	ovmf
	rm "$VM_SHARE_DIR/OVMF/OVMF_VARS_4M.fd"
	attempt 'no template of variables'
	ovmf

	attempt 'csm' 's/"uefi"/"uefi-csm"/'
	attempt 'bhyveload' 's/"uefi-csm"/"bhyveload"/'
	attempt 'grub' 's/"bhyveload"/"grub"/'
	attempt 'nonsense' 's/"grub"/"efi"/'
	attempt 'custom missing' 's/"efi"/"uefi-custom"/'
	attempt 'bios missing' 's/"uefi-custom"/"bios"/'
	truncate -s 256K "$VM_SHARE_DIR/seabios/bios-256k.bin"
	attempt 'bios has no variables'
	tail -n 1 "$VM_DIR/vars/calls"
	touch "$VM_SHARE_DIR/seabios/vgabios-bochs-display.bin"
	printf '%s\n' 'graphics="yes"' 'graphics_port=5999' \
		>>"$VM_DIR/vars/vars.conf"
	attempt 'a bios with a screen needs one for the screen'
	tail -n 1 "$VM_DIR/vars/calls"
} | golden firmware

# A folder that cannot be written to: no half copy is left.
uefi stuck <<-'END'
	uefi_vars="yes"
END
mkdir "$VM_DIR/stuck/uefi-vars.fd.new"
{
	run vm start stuck
	ls -A "$VM_DIR/stuck"
} | golden firmware-stuck

# The TPM: swtpm beside byway, over reboots, its state kept.
uefi tpm <<-'END'
	tpm="yes"
END
cat >"$T/bin/swtpm" <<-'END'
	#!/bin/sh
	echo "swtpm $*" >>swtpm-calls
	echo $$ >swtpm-pid
	: >>tpm/state
	trap 'exit 0' TERM
	while :; do sleep 0.05; done
END
fake tpm <<-'END'
	say running
	[ -S tpm.sock ] || exit 4
	until [ -s swtpm-pid ]; do sleep 0.02; done
	[ $run -lt 3 ] && exit 0
	forever
END
chmod +x "$T/bin/swtpm"
{
	run vm start tpm
	wait_for 10 grep -q 3 "$VM_DIR/tpm/runs"
	cat "$VM_DIR/tpm/swtpm-calls"
	sort -u "$VM_DIR/tpm/calls"
	ls -ld "$VM_DIR/tpm/tpm" | cut -c1-10
	vm info tpm | grep tpm:
} | golden firmware-tpm
pid=$(cat "$VM_DIR/tpm/swtpm-pid")
check 'it runs while the guest does' kill -0 "$pid"
"$VM" stop -w 20 tpm >/dev/null
check 'and is gone with it' gone "$pid"
check 'its state stays' test -e "$VM_DIR/tpm/tpm/state"
no_traces tpm || failed 'traces of a guest with a TPM'

# A supervisor that is killed takes it along.
rm "$VM_DIR/tpm/runs" "$VM_DIR/tpm/swtpm-calls"
fake tpm <<-'END'
	say running
	leave_when_orphaned
END
"$VM" start tpm >/dev/null
wait_for 10 test -s "$VM_DIR/tpm/swtpm-calls"
pid=$(cat "$VM_DIR/tpm/swtpm-pid")
kill -9 "$(supervisor_of tpm)"
check 'killed supervisor: swtpm is gone' wait_for 5 gone "$pid"
fake tpm <<-'END'
	say running
	exit 1
END
check 'killed supervisor: next start' wait_for 10 "$VM" start tpm
wait_for 10 is_down tpm
no_traces tpm || failed 'traces after a killed supervisor'

# One that does not work is the reason that is given.
cat >"$T/bin/swtpm" <<-'END'
	#!/bin/sh
	echo 'swtpm: the state is of a newer version' >&2
	exit 1
END
fake tpm <<-'END'
	sleep 0.3
	say error tpm: TMP/tpm.sock: swtpm hung up at "get capability"
	exit 4
END
{
	run vm start tpm
	wait_for 10 is_down tpm
	no_traces tpm
} | golden firmware-tpm-fails
if command -v swtpm >/dev/null && [ -x /usr/bin/swtpm ]; then
	rm "$T/bin/swtpm"
	fake tpm <<-'END'
		command -v python3 >/dev/null || exit 4
		python3 - <<-'EOF' || exit 4
			import socket, struct
			s = socket.socket(socket.AF_UNIX)
			s.settimeout(20)
			s.connect("tpm.sock")
			s.sendall(struct.pack(">I", 1))
			assert len(s.recv(100)) == 8
		EOF
		say running
		exit 1
	END
	check 'the real swtpm answers on its socket' "$VM" start tpm
	wait_for 10 is_down tpm
	no_traces tpm || failed 'traces of the real swtpm'
else
	skipped 'the real swtpm: it is not installed'
fi
