# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm with a device that another process serves, through OVMF: a P10 with its 16
# GiB that has no interrupt pin of its own, over a reboot.
# deadline: 400

mkdir -p "$VM_DIR"
# OVMF's shell starts the kernel.
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
echo "fs0:\\linux.efi initrd=\\initrd.img console=ttyS0 quiet panic=-1 $served_words" \
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
served_boots p10 tesla-p10 17179869184
device_stop
