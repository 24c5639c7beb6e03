/* SPDX-License-Identifier: BSD-2-Clause */
/* Host memory in the guest's address space: RAM and mapped device pages. */
#include <string.h>
#include <sys/ioctl.h>

#include "kvm/vm_internal.h"

static int slot_set(struct kvm_vm *vm, unsigned slot, uint64_t base,
		    uint64_t size, void *host, unsigned flags)
{
	struct kvm_userspace_memory_region region = {
	    .slot = slot,
	    .flags = flags & MEMMAP_READONLY ? KVM_MEM_READONLY : 0,
	    .guest_phys_addr = base,
	    .memory_size = size,
	    .userspace_addr = (uintptr_t)host,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

/* A free slot for [base, base+size), or -EEXIST / -ENOSPC; lock held. */
static int slot_choose(const struct kvm_vm *vm, uint64_t base, uint64_t size)
{
	int chosen = -ENOSPC;
	unsigned i;

	for (i = 0; i < vm->slot_limit; i++) {
		const struct kvm_slot *slot = &vm->slots[i];

		if (slot->size == 0 && chosen < 0)
			chosen = (int)i;
		else if (slot->size &&
			 range_overlaps(base, size, slot->base, slot->size))
			return -EEXIST;
	}
	return chosen;
}

static int op_map(void *ctx, gpa_t base, uint64_t size, void *host,
		  unsigned flags, int *ret_handle)
{
	struct kvm_vm *vm = ctx;
	int slot, r;

	if (!size || ((base.v | size) & (GMEM_PAGE - 1)))
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	slot = slot_choose(vm, base.v, size);
	r = slot < 0 ? slot
		     : slot_set(vm, (unsigned)slot, base.v, size, host, flags);
	if (!r) {
		vm->slots[slot] = (struct kvm_slot){base.v, size};
		*ret_handle = slot;
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static void op_unmap(void *ctx, int handle)
{
	struct kvm_vm *vm = ctx;

	if (handle < 0 || (unsigned)handle >= vm->slot_limit)
		return;
	pthread_mutex_lock(&vm->lock);
	if (vm->slots[handle].size) {
		/* Deleting waits until no vCPU uses the slot. */
		(void)slot_set(vm, (unsigned)handle, vm->slots[handle].base, 0,
			       NULL, 0);
		vm->slots[handle].size = 0;
	}
	pthread_mutex_unlock(&vm->lock);
}

static const struct memmap_ops kvm_memmap_ops = {
    .map = op_map,
    .unmap = op_unmap,
};

void kvm_memslot_init(struct kvm_vm *vm)
{
	int limit = ioctl(vm->sys_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);

	vm->slot_limit = limit > 0 ? MIN((unsigned)limit, KVM_SLOTS_MAX) : 32;
	vm->memmap = (struct memmap){.ops = &kvm_memmap_ops, .ctx = vm};
}

static int add_range(void *ctx, gpa_t base, uint64_t size, void *host)
{
	int handle;

	return op_map(ctx, base, size, host, 0, &handle);
}

int kvm_vm_add_ram(struct kvm_vm *vm, const struct gmem *gmem, struct err *err)
{
	int r = gmem_for_each(gmem, add_range, vm);

	if (r)
		return err_sys(err, r, "kvm: cannot give the guest its memory");
	return 0;
}
