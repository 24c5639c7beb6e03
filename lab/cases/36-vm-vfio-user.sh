# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
# vm with a device that another process serves: a Tesla P4, over a reboot.
# deadline: 300

mkdir -p "$VM_DIR"
serve_device tesla-p4
vm_guest p4 "$kernel" "$served_words" <<-END
	passthru0="vfio-user=$device=6:0"
END
served_boots p4 tesla-p4 268435456
device_stop
run_expect 1 "$device: no vfio-user server listens there" vm start p4
vm_traces p4
