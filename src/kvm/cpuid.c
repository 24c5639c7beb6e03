/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUID: what the host's KVM supports, with this VM's topology and without
 * what byway does not offer (nested virtualisation).
 * Sources: Intel SDM vol. 2A CPUID; AMD APM vol. 3 appendix E; Linux
 * Documentation/virt/kvm/x86/cpuid.rst.
 */
#include <string.h>
#include <sys/ioctl.h>

#include <asm/kvm_para.h>

#include "kvm/vm_internal.h"

#define CPUID_ENTRIES 256u

/* Leaf 1 ECX, leaf 1 EDX, leaf 8000_0001h ECX. */
#define F1C_VMX		 BIT(5)
#define F1C_X2APIC	 BIT(21)
#define F1C_TSC_DEADLINE BIT(24)
#define F1C_HYPERVISOR	 BIT(31)
#define F1D_HTT		 BIT(28)
#define F81C_CMP_LEGACY	 BIT(1)
#define F81C_SVM	 BIT(2)

enum {
	LEVEL_NONE,
	LEVEL_SMT,
	LEVEL_CORE
};

/* What a guest can address: its own field wins where the host fills it in. */
static unsigned phys_bits(uint32_t eax)
{
	unsigned host = eax & 0xff, guest = eax >> 16 & 0xff;

	return guest && guest < host ? guest : host;
}

int kvm_cpuid_load(struct kvm_vm *vm, struct err *err)
{
	struct kvm_cpuid2 *cpuid = calloc(
	    1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	unsigned i;

	if (!cpuid)
		return err_set(err, -ENOMEM, "kvm: out of memory");
	cpuid->nent = CPUID_ENTRIES;
	vm->cpuid = cpuid;
	if (ioctl(vm->sys_fd, KVM_GET_SUPPORTED_CPUID, cpuid))
		return err_sys(err, errno, "kvm: cannot read supported CPUID");
	vm->phys_bits = 36;
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0x80000008)
			vm->phys_bits = phys_bits(cpuid->entries[i].eax);
	return 0;
}

/* Bits needed to number n things. */
static unsigned bits_for(unsigned n)
{
	unsigned bits = 0;

	while ((1u << bits) < n)
		bits++;
	return bits;
}

static void leaf_1(struct kvm_vm *vm, unsigned id, struct kvm_cpuid_entry2 *e)
{
	unsigned per_socket = vm->params.cores * vm->params.threads;
	int deadline =
	    ioctl(vm->sys_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER);

	e->ebx = (e->ebx & 0xffff) | id << 24 |
		 MIN(1u << bits_for(per_socket), 255u) << 16;
	e->ecx &= ~(F1C_VMX | F1C_X2APIC | F1C_HYPERVISOR);
	if (!vm->params.no_hypervisor)
		e->ecx |= F1C_HYPERVISOR;
	if (vm->params.x2apic)
		e->ecx |= F1C_X2APIC;
	if (deadline > 0)
		e->ecx |= F1C_TSC_DEADLINE;
	e->edx &= ~F1D_HTT;
	if (per_socket > 1)
		e->edx |= F1D_HTT;
}

/* Intel's cache leaf: how many share a cache and how many cores there are. */
static void leaf_4(struct kvm_vm *vm, struct kvm_cpuid_entry2 *e)
{
	unsigned threads = vm->params.threads;
	unsigned per_socket = vm->params.cores * threads;
	unsigned level = e->eax >> 5 & 7;
	unsigned sharing = level >= 3 ? per_socket : threads;

	if (!(e->eax & 0x1f))
		return;
	e->eax = (e->eax & 0x3fff) | ((1u << bits_for(sharing)) - 1) << 14 |
		 ((1u << bits_for(vm->params.cores)) - 1) << 26;
}

static void leaf_topology(struct kvm_vm *vm, unsigned id,
			  struct kvm_cpuid_entry2 *e)
{
	unsigned threads = vm->params.threads;
	unsigned per_socket = vm->params.cores * threads;
	unsigned thread_bits = bits_for(threads);

	e->edx = id;
	e->ecx = e->index & 0xff;
	if (e->index == 0) {
		e->eax = thread_bits;
		e->ebx = threads;
		e->ecx |= LEVEL_SMT << 8;
	} else if (e->index == 1) {
		e->eax = bits_for(vm->params.cores) + thread_bits;
		e->ebx = per_socket;
		e->ecx |= LEVEL_CORE << 8;
	} else {
		e->eax = e->ebx = 0;
	}
}

static void leaf_amd_1(struct kvm_vm *vm, struct kvm_cpuid_entry2 *e)
{
	unsigned per_socket = vm->params.cores * vm->params.threads;

	e->ecx &= ~(F81C_SVM | F81C_CMP_LEGACY);
	if (per_socket > 1)
		e->ecx |= F81C_CMP_LEGACY;
}

static void leaf_amd_8(struct kvm_vm *vm, struct kvm_cpuid_entry2 *e)
{
	unsigned per_socket = vm->params.cores * vm->params.threads;

	if (vm->params.phys_bits)
		e->eax = (e->eax & ~0x00ff00ffu) | vm->params.phys_bits;
	e->ecx = per_socket > 1
		     ? (bits_for(per_socket) << 12 | (per_socket - 1))
		     : 0;
}

static void leaf_amd_1d(struct kvm_vm *vm, struct kvm_cpuid_entry2 *e)
{
	unsigned threads = vm->params.threads;
	unsigned level = e->eax >> 5 & 7;
	unsigned sharing = level >= 3 ? vm->params.cores * threads : threads;

	if (e->eax & 0x1f)
		e->eax = (e->eax & 0x3fff) | (sharing - 1) << 14;
}

static void leaf_amd_1e(struct kvm_vm *vm, unsigned id,
			struct kvm_cpuid_entry2 *e)
{
	unsigned threads = vm->params.threads;

	e->eax = id;
	e->ebx = (id / threads & 0xff) | (threads - 1) << 8;
	e->ecx = id / (vm->params.cores * threads);
	e->edx = 0;
}

static void patch(struct kvm_vcpu *vcpu, struct kvm_cpuid_entry2 *e)
{
	struct kvm_vm *vm = vcpu->vm;

	switch (e->function) {
	case 0x1:
		leaf_1(vm, vcpu->id, e);
		break;
	case 0x4:
		leaf_4(vm, e);
		break;
	case 0xb:
	case 0x1f:
		leaf_topology(vm, vcpu->id, e);
		break;
	case 0x80000001:
		leaf_amd_1(vm, e);
		break;
	case 0x80000008:
		leaf_amd_8(vm, e);
		break;
	case 0x8000001d:
		leaf_amd_1d(vm, e);
		break;
	case 0x8000001e:
		leaf_amd_1e(vm, vcpu->id, e);
		break;
	default:
		break;
	}
}

/*
 * KVM lists only level 0 of a topology leaf (0bh, 1fh) on some hosts: make
 * sure of 0, 1 and 2 where the leaf exists.
 */
static void add_topology_levels(struct kvm_cpuid2 *cpuid, unsigned function)
{
	struct kvm_cpuid_entry2 *first = NULL;
	unsigned seen = 0, i;

	for (i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function != function)
			continue;
		if (cpuid->entries[i].index == 0)
			first = &cpuid->entries[i];
		if (cpuid->entries[i].index < 3)
			seen |= 1u << cpuid->entries[i].index;
	}
	for (i = 1; first && i < 3 && cpuid->nent < CPUID_ENTRIES; i++) {
		if (seen >> i & 1)
			continue;
		cpuid->entries[cpuid->nent] = *first;
		cpuid->entries[cpuid->nent].flags =
		    KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		cpuid->entries[cpuid->nent++].index = i;
	}
}

/* Leaves 400000xx: what the hypervisor says of itself. */
static void drop_kvm_leaves(struct kvm_cpuid2 *cpuid)
{
	unsigned i, kept = 0;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function >> 8 != KVM_CPUID_SIGNATURE >> 8)
			cpuid->entries[kept++] = cpuid->entries[i];
	cpuid->nent = kept;
}

int kvm_cpuid_apply(struct kvm_vcpu *vcpu, struct err *err)
{
	size_t bytes = sizeof(struct kvm_cpuid2) +
		       CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2);
	CLEANUP_FREE struct kvm_cpuid2 *cpuid = malloc(bytes);
	const struct kvm_params *params = &vcpu->vm->params;
	unsigned i;
	int r = 0;

	if (!cpuid)
		return err_set(err, -ENOMEM, "kvm: out of memory");
	memcpy(cpuid, vcpu->vm->cpuid, bytes);
	add_topology_levels(cpuid, 0xb);
	add_topology_levels(cpuid, 0x1f);
	if (params->no_kvm || params->no_hypervisor)
		drop_kvm_leaves(cpuid);
	if (params->hyperv)
		r = kvm_hyperv_cpuid(vcpu, cpuid, CPUID_ENTRIES, err);
	if (r)
		return r;
	for (i = 0; i < cpuid->nent; i++)
		patch(vcpu, &cpuid->entries[i]);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		return err_sys(err, errno, "vcpu %u: cannot set CPUID",
			       vcpu->id);
	return 0;
}
