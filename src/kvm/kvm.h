/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual machine on Linux KVM: memory slots, interrupt controllers,
 * vCPU threads. The only users of <linux/kvm.h> are the files of this folder.
 *
 * Call order: kvm_vm_create(); hand kvm_vm_irq() and kvm_vm_memmap() to the
 * devices; kvm_vm_add_ram() once the guest's memory is laid out;
 * kvm_vm_boot_regs() or nothing (then vCPU 0 starts at the reset vector);
 * kvm_vm_start(); kvm_vm_stop(); kvm_vm_destroy().
 *
 * Threads: one per vCPU, created by kvm_vm_start(), joined by kvm_vm_stop().
 * They end the guest through params->end and then wait to be stopped.
 * Limits: KVM_VCPUS_MAX vCPUs or what the host's KVM allows, whichever is
 * less; APIC id = vCPU number.
 * Source: Linux Documentation/virt/kvm/api.rst.
 */
#ifndef KVM_KVM_H
#define KVM_KVM_H

#include "base/base.h"
#include "base/cfg.h"
#include "base/err.h"
#include "bus/aspace.h"
#include "bus/irq.h"
#include "bus/memmap.h"
#include "bus/model.h"
#include "gmem/gmem.h"

#define KVM_VCPUS_MAX 255u

struct kvm_vm;

struct kvm_params {
	unsigned cpus, sockets, cores, threads; /* cpus is their product */
	struct aspace *pio, *mmio;
	struct cfg *root;   /* vcpu.N.cpuset, x86.* */
	bool strict_io;	    /* -e: an unclaimed port ends the guest */
	bool strict_msr;    /* not -w: an unknown MSR gives #GP */
	bool x2apic;	    /* offer x2APIC to the guest */
	unsigned phys_bits; /* the guest's physical address bits, 0: KVM's */
	bool hyperv;	    /* Hyper-V enlightenments */
	bool no_kvm;	    /* KVM's own CPUID leaves are left out */
	bool no_hypervisor; /* and so is the bit that tells of a hypervisor */
	vm_end_fn *end;
	void *end_ctx;
};

/* vCPU 0 in 64-bit mode with paging on, as the Linux boot protocol asks. */
struct kvm_boot_regs {
	uint64_t rip, rsp, rsi, cr3;
	uint64_t gdt_base;
	uint16_t gdt_limit;
	uint16_t code_selector, data_selector;
};

/* Counters since start, for `stats` and the benchmark. */
struct kvm_stats {
	uint64_t exits, io, mmio, other; /* exits that reached user space */
};

/* Physical address bits that a guest can have at most; without a VM. */
MUST_CHECK int kvm_host_phys_bits(struct err *err, unsigned *ret_bits);

/* Errors name /dev/kvm or the missing capability and the cure. */
MUST_CHECK int kvm_vm_create(const struct kvm_params *params, struct err *err,
			     struct kvm_vm **ret_vm);
MUST_CHECK int kvm_vm_add_ram(struct kvm_vm *vm, const struct gmem *gmem,
			      struct err *err);
void kvm_vm_destroy(struct kvm_vm *vm); /* NULL allowed; vCPUs stopped */

struct irq_ctl *kvm_vm_irq(struct kvm_vm *vm);
struct memmap *kvm_vm_memmap(struct kvm_vm *vm);

/*
 * Guest writes to these ports are queued and reach the address space before
 * the next other port access. -ENOTSUP: they trap one by one, as before.
 * After kvm_vm_create(), before kvm_vm_start().
 */
MUST_CHECK int kvm_vm_coalesce_port(struct kvm_vm *vm, uint16_t port,
				    unsigned size);
/* Delivers what is queued now; any thread. */
void kvm_vm_coalesce_drain(struct kvm_vm *vm);
/* Plain traps again; what was queued is delivered. Any thread. */
void kvm_vm_coalesce_end(struct kvm_vm *vm, uint16_t port, unsigned size);

/* Tells KVM about a VFIO group in use (non-coherent DMA, posted interrupts). */
MUST_CHECK int kvm_vm_vfio_add(struct kvm_vm *vm, int group_fd);
MUST_CHECK int kvm_vm_vfio_del(struct kvm_vm *vm, int group_fd);

MUST_CHECK int kvm_vm_boot_regs(struct kvm_vm *vm,
				const struct kvm_boot_regs *regs,
				struct err *err);

MUST_CHECK int kvm_vm_start(struct kvm_vm *vm, struct err *err);
/* Kicks every vCPU out of the guest and joins its thread. Idempotent. */
void kvm_vm_stop(struct kvm_vm *vm);

/*
 * Is every vCPU halted with interrupts off, so that the guest will never do
 * anything again? Cheap when vCPUs used processor time since the last call;
 * otherwise asks each of them. Call every few seconds from the event loop.
 */
bool kvm_vm_is_dead(struct kvm_vm *vm);

struct kvm_stats kvm_vm_stats(const struct kvm_vm *vm);

/* Guest physical address bits the vCPUs report. */
unsigned kvm_vm_phys_bits(const struct kvm_vm *vm);

#endif
