/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hyper-V enlightenments (x86.hyperv): what Windows asks of a hypervisor, from
 * what KVM offers.
 *
 * CPUID leaves 40000000 to 40000005 are Hyper-V's then, and KVM's own move to
 * 40000100, where guests that know KVM look as well. Only registers are
 * offered, and no hypercalls besides those that come with them (long spin
 * waits): what KVM cannot do alone is not announced.
 */
#include <asm/kvm_para.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "kvm/vm_internal.h"
#include "spec/hyperv.h"

#define ENTRIES	     64u
#define SPIN_RETRIES 0x1fffu

/* What is offered when KVM has it. */
#define FEATURES_A                                                    \
	(HV_A_RUNTIME | HV_A_REF_COUNT | HV_A_APIC | HV_A_HYPERCALL | \
	 HV_A_VP_INDEX | HV_A_RESET | HV_A_REF_TSC | HV_A_FREQUENCY)
#define FEATURES_D (HV_D_FREQUENCY | HV_D_CRASH)
#define SYNIC_A	   (HV_A_SYNIC | HV_A_STIMER)
#define SYNIC_D	   HV_D_STIMER_DIRECT
#define NEEDED_A   (HV_A_HYPERCALL | HV_A_VP_INDEX)

static bool has_cap(const struct kvm_vm *vm, int cap)
{
	return ioctl(vm->sys_fd, KVM_CHECK_EXTENSION, cap) > 0;
}

static bool has_synic(const struct kvm_vm *vm)
{
	return has_cap(vm, KVM_CAP_HYPERV_SYNIC2);
}

int kvm_hyperv_check(const struct kvm_vm *vm, struct err *err)
{
	if (has_cap(vm, KVM_CAP_HYPERV) && has_cap(vm, KVM_CAP_HYPERV_CPUID))
		return 0;
	return err_set(err, -ENOTSUP,
		       "x86.hyperv: this kernel's KVM has no Hyper-V"
		       " enlightenments (CONFIG_KVM_HYPERV); set it to false");
}

static const struct kvm_cpuid_entry2 *find_leaf(const struct kvm_cpuid2 *cpuid,
						uint32_t function)
{
	unsigned i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function)
			return &cpuid->entries[i];
	return NULL;
}

/* What KVM said of a leaf becomes what byway offers of it. */
static void choose(const struct kvm_vm *vm, struct kvm_cpuid_entry2 *e)
{
	bool synic = has_synic(vm);

	switch (e->function) {
	case HV_LEAF_VENDOR:
		e->eax = HV_LEAF_LIMITS;
		e->ebx = HV_VENDOR_EBX;
		e->ecx = HV_VENDOR_ECX;
		e->edx = HV_VENDOR_EDX;
		break;
	case HV_LEAF_INTERFACE:
		e->eax = HV_INTERFACE_EAX;
		e->ebx = e->ecx = e->edx = 0;
		break;
	case HV_LEAF_FEATURES:
		e->eax &= FEATURES_A | (synic ? SYNIC_A : 0);
		e->ebx = e->ecx = 0;
		e->edx &= FEATURES_D | (synic ? SYNIC_D : 0);
		break;
	case HV_LEAF_HINTS:
		e->eax = HV_HINT_APIC | HV_HINT_RELAXED | HV_HINT_NO_AUTOEOI;
		e->ebx = SPIN_RETRIES;
		e->ecx = e->edx = 0;
		break;
	default: /* version and limits: KVM's */
		break;
	}
}

/* KVM's own leaves 400000xx become 400001xx. */
static void move_kvm_leaves(struct kvm_cpuid2 *cpuid)
{
	unsigned i;

	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function >> 8 != HV_LEAF_VENDOR >> 8)
			continue;
		if (e->function == KVM_CPUID_SIGNATURE && e->eax)
			e->eax += 0x100;
		e->function += 0x100;
	}
}

int kvm_hyperv_cpuid(struct kvm_vcpu *vcpu, struct kvm_cpuid2 *cpuid,
		     unsigned room, struct err *err)
{
	CLEANUP_FREE struct kvm_cpuid2 *hv =
	    calloc(1, sizeof(*hv) + ENTRIES * sizeof(hv->entries[0]));
	const struct kvm_cpuid_entry2 *leaf;
	uint32_t function;

	if (!hv)
		return err_set(err, -ENOMEM, "kvm: out of memory");
	hv->nent = ENTRIES;
	if (ioctl(vcpu->fd, KVM_GET_SUPPORTED_HV_CPUID, hv))
		return err_sys(err, errno,
			       "x86.hyperv: cannot read what KVM supports");
	leaf = find_leaf(hv, HV_LEAF_FEATURES);
	if (!leaf || (leaf->eax & NEEDED_A) != NEEDED_A)
		return err_set(err, -ENOTSUP,
			       "x86.hyperv: this kernel's KVM offers too little"
			       " of Hyper-V; set it to false");
	move_kvm_leaves(cpuid);
	for (function = HV_LEAF_VENDOR; function <= HV_LEAF_LIMITS;
	     function++) {
		leaf = find_leaf(hv, function);
		if (cpuid->nent >= room)
			return err_set(err, -ENOSPC, "kvm: too many leaves");
		cpuid->entries[cpuid->nent] =
		    leaf ? *leaf
			 : (struct kvm_cpuid_entry2){.function = function};
		choose(vcpu->vm, &cpuid->entries[cpuid->nent++]);
	}
	return 0;
}

/* KVM_GET_MSRS or KVM_SET_MSRS of all `count` entries. */
static int transfer(struct kvm_vcpu *vcpu, unsigned long request,
		    struct kvm_msr_entry *entries, unsigned count)
{
	size_t bytes = count * sizeof(*entries);
	CLEANUP_FREE struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + bytes);

	if (!msrs)
		return -ENOMEM;
	msrs->nmsrs = count;
	memcpy(msrs->entries, entries, bytes);
	if (ioctl(vcpu->fd, request, msrs) != (int)count)
		return -EIO;
	memcpy(entries, msrs->entries, bytes);
	return 0;
}

int kvm_hyperv_vcpu_setup(struct kvm_vcpu *vcpu, struct err *err)
{
	struct kvm_enable_cap synic = {.cap = KVM_CAP_HYPERV_SYNIC2};
	/* Says that a crash can be told. */
	struct kvm_msr_entry control = {.index = HV_MSR_CRASH_CTL,
					.data = HV_CRASH_CTL_NOTIFY};

	if (has_synic(vcpu->vm) && ioctl(vcpu->fd, KVM_ENABLE_CAP, &synic))
		return err_sys(err, errno,
			       "x86.hyperv: vcpu %u: no synthetic interrupts",
			       vcpu->id);
	if (transfer(vcpu, KVM_SET_MSRS, &control, 1))
		return err_set(err, -EIO,
			       "x86.hyperv: vcpu %u: no crash registers",
			       vcpu->id);
	return 0;
}

void kvm_hyperv_exit(struct kvm_vcpu *vcpu)
{
	struct kvm_hyperv_exit *hv = &vcpu->run->hyperv;

	/* The rest only tells what the kernel has done already. */
	if (hv->type == KVM_EXIT_HYPERV_HCALL)
		hv->u.hcall.result = HV_STATUS_INVALID_HYPERCALL_CODE;
}

void kvm_hyperv_crash(struct kvm_vcpu *vcpu)
{
	struct kvm_msr_entry p[HV_CRASH_PARAMS] = {0};
	unsigned i;

	for (i = 0; i < HV_CRASH_PARAMS; i++)
		p[i].index = HV_MSR_CRASH_P0 + i;
	if (transfer(vcpu, KVM_GET_MSRS, p, HV_CRASH_PARAMS))
		log_guest("guest crashed (vcpu %u)", vcpu->id);
	else
		log_guest("guest crashed (vcpu %u): code 0x%llx, parameters"
			  " 0x%llx 0x%llx 0x%llx 0x%llx",
			  vcpu->id, p[0].data, p[1].data, p[2].data, p[3].data,
			  p[4].data);
}
