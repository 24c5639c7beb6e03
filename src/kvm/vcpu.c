/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU: its thread, its run loop, what each exit means.
 *
 * The kick: stopping sets run->immediate_exit and sends SIGUSR1, whose handler
 * does nothing. Either the signal interrupts KVM_RUN, or it arrives before and
 * immediate_exit makes the next KVM_RUN return at once: no window is left.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/log.h"
#include "kvm/vm_internal.h"

#define VCPU_STACK_BYTES KIB(128)
#define KICK_SIGNAL	 SIGUSR1

static void stats_count(uint64_t *counter)
{
	/* One writer; readers may be other threads. */
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

int kvm_vcpu_create(struct kvm_vm *vm, unsigned id, struct err *err)
{
	struct kvm_vcpu *vcpu = &vm->vcpus[id];
	int size, r;

	*vcpu = (struct kvm_vcpu){.vm = vm, .id = id, .fd = -1};
	vm->vcpu_count = id + 1;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		return err_sys(err, errno, "vcpu %u: cannot create", id);
	size = ioctl(vm->sys_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(*vcpu->run))
		return err_set(err, -EINVAL, "vcpu %u: run area too small", id);
	vcpu->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return err_sys(err, errno, "vcpu %u: cannot map", id);
	}
	vcpu->run_size = (size_t)size;
	r = kvm_cpuid_apply(vcpu, err);
	if (!r && vm->params.hyperv)
		r = kvm_hyperv_vcpu_setup(vcpu, err);
	return r;
}

void kvm_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	vcpu->run = NULL;
	vcpu->fd = -1;
}

static struct kvm_segment segment(uint16_t selector, bool code)
{
	return (struct kvm_segment){
	    .base = 0,
	    .limit = 0xffffffff,
	    .selector = selector,
	    .type = code ? 11 : 3, /* execute/read or read/write, accessed */
	    .present = 1,
	    .db = !code,
	    .s = 1,
	    .l = code,
	    .g = 1,
	};
}

int kvm_vm_boot_regs(struct kvm_vm *vm, const struct kvm_boot_regs *boot,
		     struct err *err)
{
	const uint64_t cr0_pe = 1, cr0_et = 1u << 4, cr0_pg = 1u << 31;
	const uint64_t cr4_pae = 1u << 5, efer_lme = 1u << 8,
		       efer_lma = 1u << 10;
	struct kvm_regs regs = {
	    .rip = boot->rip,
	    .rsp = boot->rsp,
	    .rsi = boot->rsi,
	    .rflags = 2,
	};
	int fd = vm->vcpus[0].fd;
	struct kvm_sregs sregs;

	if (ioctl(fd, KVM_GET_SREGS, &sregs))
		return err_sys(err, errno, "vcpu 0: cannot read registers");
	sregs.cs = segment(boot->code_selector, true);
	sregs.ds = segment(boot->data_selector, false);
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	sregs.gdt.base = boot->gdt_base;
	sregs.gdt.limit = boot->gdt_limit;
	sregs.cr3 = boot->cr3;
	sregs.cr4 = cr4_pae;
	sregs.cr0 = cr0_pe | cr0_et | cr0_pg;
	sregs.efer = efer_lme | efer_lma;
	if (ioctl(fd, KVM_SET_SREGS, &sregs) || ioctl(fd, KVM_SET_REGS, &regs))
		return err_sys(err, errno, "vcpu 0: cannot set registers");
	return 0;
}

static uint64_t io_load(const uint8_t *data, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, data, MIN(size, 8u));
	return v;
}

static void unclaimed_port(struct kvm_vcpu *vcpu, unsigned port, bool write)
{
	char why[64];

	if (!vcpu->vm->params.strict_io)
		return;
	snprintf(why, sizeof(why), "%s port 0x%x, which no device has (-e)",
		 write ? "write to" : "read of", port);
	vcpu->vm->params.end(vcpu->vm->params.end_ctx, VM_END_ERROR, why);
}

static void exit_io(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct aspace *pio = vcpu->vm->params.pio;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned i, size = run->io.size;
	uint64_t v;
	int r = 0;

	stats_count(&vcpu->stats.io);
	kvm_vm_coalesce_drain(vcpu->vm);
	for (i = 0; i < run->io.count && !r; i++, data += size) {
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			r = aspace_write(pio, run->io.port, size,
					 io_load(data, size));
		} else {
			r = aspace_read(pio, run->io.port, size, &v);
			memcpy(data, &v, MIN(size, 4u));
		}
		if (r && !vcpu->vm->params.strict_io)
			r = 0;
	}
	if (r)
		unclaimed_port(vcpu, run->io.port,
			       run->io.direction == KVM_EXIT_IO_OUT);
}

static void exit_mmio(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct aspace *mmio = vcpu->vm->params.mmio;
	unsigned size = MIN(run->mmio.len, 8u);
	uint64_t v;

	stats_count(&vcpu->stats.mmio);
	if (run->mmio.is_write) {
		(void)aspace_write(mmio, run->mmio.phys_addr, size,
				   io_load(run->mmio.data, size));
		return;
	}
	(void)aspace_read(mmio, run->mmio.phys_addr, size, &v);
	memcpy(run->mmio.data, &v, size);
}

static void end_with(struct kvm_vcpu *vcpu, enum vm_end end, const char *fmt,
		     ...) PRINTF_LIKE(3, 4);
static void end_with(struct kvm_vcpu *vcpu, enum vm_end end, const char *fmt,
		     ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	/* What KVM would run now is not the guest any more. */
	vcpu->ended = true;
	vcpu->vm->params.end(vcpu->vm->params.end_ctx, end, why);
}

static void end_internal_error(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_regs regs = {0};

	(void)ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		end_with(vcpu, VM_END_ERROR,
			 "vcpu %u: the processor refused to enter the guest"
			 " (hardware reason 0x%llx, rip 0x%llx)",
			 vcpu->id,
			 run->fail_entry.hardware_entry_failure_reason,
			 regs.rip);
	else
		end_with(
		    vcpu, VM_END_ERROR,
		    "vcpu %u: KVM could not go on (suberror %u, rip 0x%llx):"
		    " the guest ran code or touched memory KVM cannot emulate",
		    vcpu->id, run->internal.suberror, regs.rip);
}

static void exit_system_event(struct kvm_vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		end_with(vcpu, VM_END_POWEROFF, "guest powered off");
		break;
	case KVM_SYSTEM_EVENT_RESET:
		end_with(vcpu, VM_END_REBOOT, "guest reset");
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		/* It goes on: to write its dump, and to reset itself. */
		kvm_hyperv_crash(vcpu);
		break;
	default:
		end_with(vcpu, VM_END_ERROR,
			 "vcpu %u: system event %u is not known", vcpu->id,
			 vcpu->run->system_event.type);
		break;
	}
}

/* Only with -w: unknown MSRs read as zero and swallow writes. */
static void exit_msr(struct kvm_vcpu *vcpu)
{
	vcpu->run->msr.error = 0;
	if (vcpu->run->exit_reason == KVM_EXIT_X86_RDMSR)
		vcpu->run->msr.data = 0;
}

static void handle_exit(struct kvm_vcpu *vcpu)
{
	stats_count(&vcpu->stats.exits);
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		exit_io(vcpu);
		return;
	case KVM_EXIT_MMIO:
		exit_mmio(vcpu);
		return;
	default:
		stats_count(&vcpu->stats.other);
		break;
	}
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		exit_msr(vcpu);
		break;
	case KVM_EXIT_HYPERV:
		kvm_hyperv_exit(vcpu);
		break;
	case KVM_EXIT_SHUTDOWN:
		end_with(vcpu, VM_END_TRIPLE_FAULT, "vcpu %u: triple fault",
			 vcpu->id);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		exit_system_event(vcpu);
		break;
	case KVM_EXIT_HLT:
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	case KVM_EXIT_INTERNAL_ERROR:
	case KVM_EXIT_FAIL_ENTRY:
		end_internal_error(vcpu);
		break;
	default:
		end_with(vcpu, VM_END_ERROR,
			 "vcpu %u: KVM exit reason %u is not known", vcpu->id,
			 vcpu->run->exit_reason);
		break;
	}
}

/* Halted with interrupts off, or never started: nothing can wake it. */
static void report_halted(struct kvm_vcpu *vcpu)
{
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	int halted = 0;

	if (!ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp) &&
	    !ioctl(vcpu->fd, KVM_GET_REGS, &regs)) {
		halted = mp.mp_state == KVM_MP_STATE_UNINITIALIZED ||
			 mp.mp_state == KVM_MP_STATE_INIT_RECEIVED ||
			 (mp.mp_state == KVM_MP_STATE_HALTED &&
			  !(regs.rflags & BIT(9)));
	}
	__atomic_store_n(&vcpu->halted, halted, __ATOMIC_RELEASE);
}

static bool stopping(const struct kvm_vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->vm->stopping, __ATOMIC_ACQUIRE);
}

static void run_error(struct kvm_vcpu *vcpu, int code)
{
	if (code == EFAULT) {
		struct kvm_regs regs = {0};

		(void)ioctl(vcpu->fd, KVM_GET_REGS, &regs);
		end_with(
		    vcpu, VM_END_ERROR,
		    "vcpu %u: access to memory that cannot be reached (a device"
		    " that is asleep or gone?), rip 0x%llx",
		    vcpu->id, regs.rip);
		return;
	}
	end_with(vcpu, VM_END_ERROR, "vcpu %u: KVM_RUN: %s", vcpu->id,
		 strerror(code));
}

/* "0,2-3" to a set; -EINVAL for anything else. Cuts `list` up. */
static int parse_cpuset(char *list, cpu_set_t *ret_set)
{
	uint64_t first, last;
	char *word, *dash;

	CPU_ZERO(ret_set);
	while ((word = strsep(&list, ","))) {
		dash = strchr(word, '-');
		if (dash)
			*dash++ = '\0';
		if (parse_u64(word, &first) ||
		    parse_u64(dash ? dash : word, &last) || first > last ||
		    last >= CPU_SETSIZE)
			return -EINVAL;
		for (; first <= last; first++)
			CPU_SET(first, ret_set);
	}
	return 0;
}

static int check_pin(const struct kvm_vm *vm, struct cfg *node, struct err *err)
{
	char list[256];
	cpu_set_t set;
	uint64_t id;
	int r;

	if (parse_u64(cfg_name(node), &id) || id >= vm->params.cpus)
		return err_set(err, -EINVAL,
			       "-p %s: the guest has vCPUs 0 to %u",
			       cfg_name(node), vm->params.cpus - 1);
	r = cfg_get(node, "cpuset", list, sizeof(list), err);
	if (r <= 0)
		return r;
	if (parse_cpuset(list, &set))
		return err_set(err, -EINVAL,
			       "vcpu.%s.cpuset=%s: expected host CPUs, for"
			       " example 0,2-3",
			       cfg_name(node), cfg_raw(node, "cpuset"));
	return 0;
}

int kvm_vcpu_check_pins(const struct kvm_vm *vm, struct err *err)
{
	struct cfg *node;
	int r = 0;

	for (node = cfg_first(cfg_find(vm->params.root, "vcpu")); node && !r;
	     node = cfg_next(node))
		r = check_pin(vm, node, err);
	return r;
}

static void pin_thread(struct kvm_vcpu *vcpu)
{
	char path[32], list[256];
	cpu_set_t set;
	struct err err;

	snprintf(path, sizeof(path), "vcpu.%u.cpuset", vcpu->id);
	if (cfg_get(vcpu->vm->params.root, path, list, sizeof(list), &err) <=
		0 ||
	    parse_cpuset(list, &set))
		return;
	if (sched_setaffinity(0, sizeof(set), &set))
		log_warn("vcpu %u: cannot be pinned: %s", vcpu->id,
			 strerror(errno));
}

/*
 * After each KVM_RUN and before looking at why one was kicked: whoever kicks
 * stores the reason first, so a kick that this clears is one whose reason is
 * seen below or in the loop's condition. The other order loses kicks, or
 * leaves the flag set for ever.
 */
static void kick_taken(struct kvm_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

void *kvm_vcpu_thread(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	char name[16];

	snprintf(name, sizeof(name), "vcpu %u", vcpu->id);
	pthread_setname_np(pthread_self(), name);
	pin_thread(vcpu);
	while (!stopping(vcpu) && !vcpu->ended) {
		int r = ioctl(vcpu->fd, KVM_RUN, 0);
		int code = errno;

		kick_taken(vcpu);
		if (__atomic_exchange_n(&vcpu->asked, false, __ATOMIC_ACQ_REL))
			report_halted(vcpu);
		if (!r)
			handle_exit(vcpu);
		else if (code != EINTR && code != EAGAIN)
			run_error(vcpu, code);
	}
	return NULL;
}

void kvm_vcpu_kick(struct kvm_vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, KICK_SIGNAL);
}

static void on_kick(int sig UNUSED)
{
}

static int thread_start(struct kvm_vcpu *vcpu)
{
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, VCPU_STACK_BYTES);
	r = pthread_create(&vcpu->thread, &attr, kvm_vcpu_thread, vcpu);
	pthread_attr_destroy(&attr);
	vcpu->started = r == 0;
	return -r;
}

int kvm_vm_start(struct kvm_vm *vm, struct err *err)
{
	struct sigaction action = {.sa_handler = on_kick};
	unsigned i;
	int r;

	sigaction(KICK_SIGNAL, &action, NULL);
	for (i = 0; i < vm->vcpu_count; i++) {
		r = thread_start(&vm->vcpus[i]);
		if (r) {
			kvm_vm_stop(vm);
			return err_sys(err, r, "vcpu %u: cannot start thread",
				       i);
		}
	}
	return 0;
}

void kvm_vm_stop(struct kvm_vm *vm)
{
	unsigned i;

	__atomic_store_n(&vm->stopping, true, __ATOMIC_RELEASE);
	for (i = 0; i < vm->vcpu_count; i++)
		kvm_vcpu_kick(&vm->vcpus[i]);
	for (i = 0; i < vm->vcpu_count; i++) {
		if (!vm->vcpus[i].started)
			continue;
		pthread_join(vm->vcpus[i].thread, NULL);
		vm->vcpus[i].started = false;
	}
}
