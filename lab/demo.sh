# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# The guided demo, as it runs in the emulated host (lab/demo starts it).
# deadline: 230

boots=4
devices='1/0/0 2/0/0 3/0/0'
guest=demo
export VM_DIR=/tmp/vm
here=$VM_DIR/$guest

title() {
	printf '\n=== %s\n' "$*"
}

# Shows a command, and runs it.
step() {
	printf '\n$ %s\n' "$*"
	"$@"
}

# --- the host ---------------------------------------------------------------

title "The host makes a file system on the NVMe, with files for the guest"
nvme_prepare 1/0/0

title "The host's devices; READY ones can be given to a guest"
mkdir -p "$VM_DIR"
step vm init
step vm passthru
# shellcheck disable=SC2086 # several words
step vm passthru reserve $devices
step vm passthru
for device in $devices; do
	vm passthru | awk -v id="$device" '$2 == id { print $3 }' |
		grep -q Yes || fail "$device is not ready"
done

# --- the guest ----------------------------------------------------------------

title "A guest that gets the three devices"
mkdir -p "$VM_DIR/.templates"
cat >"$VM_DIR/.templates/default.conf" <<END
loader="linux"
cpu=1
memory=512M
linux_kernel="$kernel"
linux_initrd="$initrd"
linux_cmdline="console=ttyS0 quiet panic=-1 pci=noearly lab.boots=$boots lab.show=lspci,interrupts"
passthru0="1/0/0"
passthru1="2/0/0"
passthru2="3/0/0"
END
step vm create $guest
step cat "$here/$guest.conf"
step vm start $guest
step vm list

title "What the guest says: its PCI devices and interrupts, then each check"
(
	wait_for 20 test -e "$here/com1.log" && exec tail -n +1 -f "$here/com1.log"
) | tr -d '\r' &
follower=$!
wait_line 200 'LAB: end poweroff' "$here/com1.log"
stopped() {
	vm list | grep -q "^$guest .*Stopped"
}
wait_for 30 stopped || fail "the guest is not stopped after its power-off"
kill $follower 2>/dev/null || true

# --- afterwards ---------------------------------------------------------------

title "The host takes its devices back, and reads what the guest wrote"
# shellcheck disable=SC2086 # several words
step vm passthru release $devices
step vm passthru
nvme_verify 1/0/0 $boots

title "The guest's log"
cat "$here/vm-bhyve.log"

title "Result"
tr -d '\r' <"$here/com1.log" >com1
awk -v boots=$boots -f /lab/demo.awk com1 "$here/vm-bhyve.log" ||
	fail "not every device worked in every run"
