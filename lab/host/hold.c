/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Holds one virtual machine with one processor that never runs, for as long as
 * the emulated host lives.
 *
 * Why: the first VM of a kernel and the last one's end patch instructions of
 * the scheduler (static keys), and so does the last local APIC that a guest
 * switches on. QEMU's multi-threaded TCG now and then goes on executing the
 * breakpoint of such a patch after it is gone: both processors then take the
 * same trap for ever. With a VM and a switched-off APIC always there, nothing
 * is patched while cases run.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0 || ioctl(vm, KVM_CREATE_IRQCHIP, 0) ||
	    ioctl(vm, KVM_CREATE_VCPU, 0) < 0) {
		perror("hold");
		return 1;
	}
	for (;;)
		pause();
}
