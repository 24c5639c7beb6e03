# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm with devices that another process serves: a Tesla P4 with a kernel booted
# directly, through OVMF a P10 with its 16 GiB that has no interrupt pin of its
# own; both over a reboot.
# deadline: 300

mkdir -p "$VM_DIR"
words='lab.check=testdev lab.dev=1000,copy,2,bar,1,bar,3,msi,68 lab.end=reboot lab.show=slot6'

# lspci_said LOG: what lspci said at the first boot, without what the firmware chooses
lspci_said() {
	tr -d '\r' <"$1" |
		sed -n '/^LAB: shown/q; /^LAB: show slot6/,$p' | sed 1d | chosen
}
chosen() { sed 's/Memory at [0-9a-f]*/Memory at X/; s/IRQ [0-9]*/IRQ N/'; }

twice() {
	[ "$(grep -c 'LAB: testdev ok .* line=[1-9][0-9]* msi=arrived' "$log")" -ge 2 ]
}

# boots NAME CARD BYTES: it is started, reboots, and sees the card each time
boots() {
	log=$VM_DIR/$1/com1.log
	vm info "$1" | tee info
	grep -q 'state: served by a process at this socket' info ||
		fail "$1: vm info does not know the server"
	vm passthru doctor "$1" || [ $? != 3 ] || fail "$1: no doctor for it"
	vm start "$1" || fail "$1: no start"
	wait_for 120 twice || {
		cat "$log"
		fail "$1: no interrupts in two boots"
	}
	# One reset before each run, one after it.
	grep -q 'LAB: testdev copied 2 resets=3' "$log" || fail "$1: not reset"
	vm poweroff -f "$1"
	wait_for 30 vm_is_down "$1" || fail "$1: not down"
	cat "$VM_DIR/$1/vm-bhyve.log"
	grep -q "LAB: testdev bar1 bytes=$3" "$log" || fail "$1: BAR 1"
	[ "$(grep -Ec "passthru vfio-user \($device\): reset device_specific [0-9]+ ms, ok: .*GPU verified" \
		"$VM_DIR/$1/vm-bhyve.log")" -ge 2 ] ||
		fail "$1: not reset and verified after each run"
	lspci_said "$log" >seen
	chosen <"/lab/cases/$2.txt" | diff - seen ||
		fail "$1: lspci does not say what it should"
	vm_traces "$1"
}

serve_device tesla-p4
vm_guest p4 "$kernel" "$words" <<-END
	passthru0="vfio-user=$device=6:0"
END
boots p4 tesla-p4 268435456
device_stop
run_expect 1 "$device: no vfio-user server listens there" vm start p4
vm_traces p4

# The same through OVMF, whose shell starts the kernel.
sed 's/^pin A/pin none/' /lab/devices/tesla-p10.dev >/lab/devices/no-pin-p10.dev
grep -q '^pin none' /lab/devices/no-pin-p10.dev || fail "no such description"
serve_device no-pin-p10
modprobe loop
modprobe vfat
modprobe nls_cp437 2>/dev/null || true
modprobe nls_ascii 2>/dev/null || true
modprobe nls_iso8859-1 2>/dev/null || true
mkdir -p "$VM_DIR/p10" efi
truncate -s 64M "$VM_DIR/p10/efi.img"
mkdosfs "$VM_DIR/p10/efi.img"
mount -o loop -t vfat "$VM_DIR/p10/efi.img" efi
cp "$kernel" efi/linux.efi
cp "$initrd" efi/initrd.img
echo "fs0:\\linux.efi initrd=\\initrd.img console=ttyS0 quiet panic=-1 $words" \
	>efi/startup.nsh
umount efi
cat >"$VM_DIR/p10/p10.conf" <<-END
	loader="uefi"
	cpu="1"
	memory="512M"
	disk0_type="ahci-hd"
	disk0_name="efi.img"
	passthru0="vfio-user=$device=6:0"
END
boots p10 tesla-p10 17179869184
device_stop
