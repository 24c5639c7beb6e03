/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of kvm/ share. */
#ifndef KVM_VM_INTERNAL_H
#define KVM_VM_INTERNAL_H

#include <linux/kvm.h>
#include <pthread.h>

#include "kvm/kvm.h"

#define KVM_SLOTS_MAX  512u
#define KVM_ROUTES_MAX 4096u

struct kvm_slot {
	uint64_t base, size; /* size 0: free */
};

/*
 * Locking: `lock` guards slots[] and routes[] and the ioctls that publish
 * them, so that what the kernel has is what the arrays say; and the timer's
 * state while it is read, changed and written.
 */
struct kvm_vm {
	struct kvm_params params;
	int sys_fd, fd, vfio_fd;
	pthread_mutex_t lock;
	struct kvm_slot slots[KVM_SLOTS_MAX];
	unsigned slot_limit;
	/* Message routes by GSI - IRQ_LINES; PIRQ n also on ISA pirq_isa[n]. */
	struct {
		bool used, set;
		struct irq_msg msg;
	} * msi;
	unsigned msi_limit;
	int pirq_isa[IRQ_PIRQS];
	struct kvm_irq_routing *routing; /* scratch of KVM_ROUTES_MAX */
	struct irq_ctl irq;
	struct memmap memmap;
	struct kvm_cpuid2 *cpuid; /* what the host supports, before patching */
	unsigned phys_bits;
	/* Queued port writes; ring_lock: one thread drains. */
	struct kvm_coalesced_mmio_ring *ring;
	pthread_mutex_t ring_lock;
	struct kvm_vcpu *vcpus;
	unsigned vcpu_count;
	unsigned dead_rounds; /* looks in a row that found every vCPU halted */
	bool stopping;	      /* atomic */
};

struct kvm_vcpu {
	struct kvm_vm *vm;
	unsigned id;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	bool started;
	bool asked; /* atomic: report halted state at the next chance */
	int halted; /* atomic: -1 unknown, 0 no, 1 dead halt */
	bool ended; /* own thread: it ended the guest and runs no more */
	uint64_t last_cpu_ns;
	struct kvm_stats stats; /* written by the vCPU's thread only */
};

/* irqchip.c */
MUST_CHECK int kvm_irqchip_create(struct kvm_vm *vm, struct err *err);
/* memslot.c */
void kvm_memslot_init(struct kvm_vm *vm);
/* cpuid.c */
MUST_CHECK int kvm_cpuid_load(struct kvm_vm *vm, struct err *err);
MUST_CHECK int kvm_cpuid_apply(struct kvm_vcpu *vcpu, struct err *err);
/* hyperv.c; only with params.hyperv */
MUST_CHECK int kvm_hyperv_check(const struct kvm_vm *vm, struct err *err);
/* Adds its leaves to `cpuid`, which has room for so many entries. */
MUST_CHECK int kvm_hyperv_cpuid(struct kvm_vcpu *vcpu, struct kvm_cpuid2 *cpuid,
				unsigned room, struct err *err);
MUST_CHECK int kvm_hyperv_vcpu_setup(struct kvm_vcpu *vcpu, struct err *err);
void kvm_hyperv_exit(struct kvm_vcpu *vcpu);  /* KVM_EXIT_HYPERV */
void kvm_hyperv_crash(struct kvm_vcpu *vcpu); /* the guest said so */
/* vcpu.c */
MUST_CHECK int kvm_vcpu_create(struct kvm_vm *vm, unsigned id, struct err *err);
/* vcpu.N.cpuset of every vCPU makes sense. */
MUST_CHECK int kvm_vcpu_check_pins(const struct kvm_vm *vm, struct err *err);
void kvm_vcpu_destroy(struct kvm_vcpu *vcpu);
void *kvm_vcpu_thread(void *arg);
void kvm_vcpu_kick(struct kvm_vcpu *vcpu);

#endif
