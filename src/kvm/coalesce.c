/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port writes that need no answer, queued by the kernel.
 *
 * A guest that scans PCI writes the address port before each access to the
 * data port. The kernel puts such writes into a ring and goes straight back to
 * the guest; the next exit for any port drains the ring first, so devices see
 * every write in order. That halves the exits of a scan.
 *
 * Price: the reset register at cf9 lies inside the address port and is queued
 * too. So ACPI names another reset register, kvm_vm_coalesce_drain() is called
 * now and then for guests that write cf9 and wait, and when the guest has had
 * time for its scan kvm_vm_coalesce_end() restores plain traps.
 *
 * Source: Linux Documentation/virt/kvm/api.rst, KVM_REGISTER_COALESCED_MMIO.
 */
#include <sys/ioctl.h>

#include "kvm/vm_internal.h"

#define RING_BYTES 4096u
#define RING_MAX                                                 \
	((RING_BYTES - sizeof(struct kvm_coalesced_mmio_ring)) / \
	 sizeof(struct kvm_coalesced_mmio))

static struct kvm_coalesced_mmio_zone port_zone(uint16_t port, unsigned size)
{
	return (struct kvm_coalesced_mmio_zone){
	    .addr = port, .size = size, .pio = 1};
}

int kvm_vm_coalesce_port(struct kvm_vm *vm, uint16_t port, unsigned size)
{
	struct kvm_coalesced_mmio_zone zone = port_zone(port, size);
	int page =
	    ioctl(vm->sys_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);

	if (page <= 0 || !vm->vcpu_count ||
	    ioctl(vm->sys_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_PIO) <= 0)
		return -ENOTSUP;
	if (vm->vcpus[0].run_size < (size_t)page * RING_BYTES + RING_BYTES)
		return -ENOTSUP;
	if (ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone))
		return -errno;
	vm->ring =
	    (void *)((uint8_t *)vm->vcpus[0].run + (size_t)page * RING_BYTES);
	return 0;
}

void kvm_vm_coalesce_end(struct kvm_vm *vm, uint16_t port, unsigned size)
{
	struct kvm_coalesced_mmio_zone zone = port_zone(port, size);

	if (vm->ring)
		(void)ioctl(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, &zone);
	kvm_vm_coalesce_drain(vm);
}

void kvm_vm_coalesce_drain(struct kvm_vm *vm)
{
	struct kvm_coalesced_mmio_ring *ring = vm->ring;
	uint32_t first;

	if (!ring || __atomic_load_n(&ring->first, __ATOMIC_ACQUIRE) ==
			 __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&vm->ring_lock);
	first = ring->first;
	while (first != __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE)) {
		struct kvm_coalesced_mmio *w =
		    &ring->coalesced_mmio[first % RING_MAX];
		uint32_t v = (uint32_t)w->data[0] | (uint32_t)w->data[1] << 8 |
			     (uint32_t)w->data[2] << 16 |
			     (uint32_t)w->data[3] << 24;

		if (w->pio && w->len <= 4)
			(void)aspace_write(vm->params.pio, w->phys_addr, w->len,
					   v);
		first = (first + 1) % RING_MAX;
		__atomic_store_n(&ring->first, first, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&vm->ring_lock);
}
