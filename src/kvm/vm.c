/* SPDX-License-Identifier: BSD-2-Clause */
/* The VM object: creation, destruction, questions about the whole. */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/log.h"
#include "kvm/vm_internal.h"

/* Below the I/O APIC, above the ECAM: used by Intel hosts only. */
#define IDENTITY_MAP_ADDR 0xfeffc000ull
#define TSS_ADDR	  0xfeffd000ull

/* A vCPU that used less than this since the last look may be dead. */
#define IDLE_CPU_NS (20 * NS_PER_MS)

static int open_system(struct kvm_vm *vm, struct err *err)
{
	vm->sys_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->sys_fd < 0 &&
	    (errno == ENOENT || errno == ENXIO || errno == ENODEV))
		return err_set(
		    err, -errno,
		    "/dev/kvm: not there; load kvm_intel or kvm_amd, and if"
		    " that fails enable VT-x or SVM in the firmware");
	if (vm->sys_fd < 0 && errno == EACCES)
		return err_set(
		    err, -EACCES,
		    "/dev/kvm: permission denied; run as root or join the"
		    " group that owns it (usually kvm)");
	if (vm->sys_fd < 0)
		return err_sys(err, errno, "/dev/kvm: cannot open");
	if (ioctl(vm->sys_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return err_set(err, -ENOTSUP,
			       "/dev/kvm: speaks another API version than %d",
			       KVM_API_VERSION);
	return 0;
}

int kvm_host_phys_bits(struct err *err, unsigned *ret_bits)
{
	struct kvm_vm *vm = calloc(1, sizeof(*vm));
	int r;

	if (!vm)
		return err_set(err, -ENOMEM, "kvm: out of memory");
	vm->sys_fd = -1;
	r = open_system(vm, err);
	if (!r)
		r = kvm_cpuid_load(vm, err);
	if (!r)
		*ret_bits = vm->phys_bits;
	if (vm->sys_fd >= 0)
		close(vm->sys_fd);
	free(vm->cpuid);
	free(vm);
	return r;
}

static int open_kvm(struct kvm_vm *vm, struct err *err)
{
	int r = open_system(vm, err);

	if (r)
		return r;
	vm->fd = ioctl(vm->sys_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return err_sys(err, errno, "kvm: cannot create a VM");
	return 0;
}

static int check_caps(struct kvm_vm *vm, struct err *err)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
	    {KVM_CAP_IRQCHIP, "in-kernel interrupt controllers"},
	    {KVM_CAP_PIT2, "in-kernel timer"},
	    {KVM_CAP_PIT_STATE2, "in-kernel timer that stops for an HPET"},
	    {KVM_CAP_IRQFD, "irqfd"},
	    {KVM_CAP_IRQFD_RESAMPLE, "resampling irqfd"},
	    {KVM_CAP_IOEVENTFD, "ioeventfd"},
	    {KVM_CAP_SIGNAL_MSI, "message interrupts"},
	    {KVM_CAP_IMMEDIATE_EXIT, "immediate exit"},
	    {KVM_CAP_READONLY_MEM, "read-only memory"},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(needed); i++)
		if (ioctl(vm->sys_fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return err_set(
			    err, -ENOTSUP,
			    "kvm: this kernel has no %s; use Linux 5.10 or"
			    " newer",
			    needed[i].name);
	return 0;
}

static int set_options(struct kvm_vm *vm, struct err *err)
{
	uint64_t identity = IDENTITY_MAP_ADDR;
	struct kvm_enable_cap msrs = {
	    .cap = KVM_CAP_X86_USER_SPACE_MSR,
	    .args = {KVM_MSR_EXIT_REASON_UNKNOWN},
	};

	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) ||
	    ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDR))
		return err_sys(err, errno, "kvm: cannot place its own pages");
	if (!vm->params.strict_msr && ioctl(vm->fd, KVM_ENABLE_CAP, &msrs))
		log_warn("kvm: -w: cannot ignore unknown MSRs here: %s",
			 strerror(errno));
	return 0;
}

static int create_vcpus(struct kvm_vm *vm, struct err *err)
{
	int limit = ioctl(vm->sys_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	unsigned max = limit > 0 ? MIN((unsigned)limit, KVM_VCPUS_MAX) : 4;
	unsigned i;
	int r = kvm_vcpu_check_pins(vm, err);

	if (r)
		return r;
	if (vm->params.cpus > max)
		return err_set(
		    err, -EINVAL,
		    "-c %u: more vCPUs than the %u this host's KVM and byway"
		    " allow",
		    vm->params.cpus, max);
	vm->vcpus = calloc(vm->params.cpus, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		return err_set(err, -ENOMEM, "kvm: out of memory");
	for (i = 0; i < vm->params.cpus && !r; i++)
		r = kvm_vcpu_create(vm, i, err);
	return r;
}

static int vm_setup(struct kvm_vm *vm, struct err *err)
{
	int r = open_kvm(vm, err);

	if (!r)
		r = check_caps(vm, err);
	if (!r)
		r = set_options(vm, err);
	if (r)
		return r;
	kvm_memslot_init(vm);
	r = kvm_irqchip_create(vm, err);
	if (!r && vm->params.hyperv)
		r = kvm_hyperv_check(vm, err);
	if (!r)
		r = kvm_cpuid_load(vm, err);
	if (!r)
		r = create_vcpus(vm, err);
	return r;
}

int kvm_vm_create(const struct kvm_params *params, struct err *err,
		  struct kvm_vm **ret_vm)
{
	struct kvm_vm *vm = calloc(1, sizeof(*vm));
	int r;

	if (!vm)
		return err_set(err, -ENOMEM, "kvm: out of memory");
	vm->params = *params;
	vm->sys_fd = vm->fd = vm->vfio_fd = -1;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->ring_lock, NULL);
	r = vm_setup(vm, err);
	if (r) {
		kvm_vm_destroy(vm);
		return r;
	}
	*ret_vm = vm;
	return 0;
}

void kvm_vm_destroy(struct kvm_vm *vm)
{
	unsigned i;

	if (!vm)
		return;
	kvm_vm_stop(vm);
	for (i = 0; i < vm->vcpu_count; i++)
		kvm_vcpu_destroy(&vm->vcpus[i]);
	free(vm->vcpus);
	free(vm->cpuid);
	free(vm->msi);
	free(vm->routing);
	if (vm->vfio_fd >= 0)
		close(vm->vfio_fd);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->sys_fd >= 0)
		close(vm->sys_fd);
	pthread_mutex_destroy(&vm->ring_lock);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}

struct irq_ctl *kvm_vm_irq(struct kvm_vm *vm)
{
	return &vm->irq;
}

struct memmap *kvm_vm_memmap(struct kvm_vm *vm)
{
	return &vm->memmap;
}

unsigned kvm_vm_phys_bits(const struct kvm_vm *vm)
{
	return vm->params.phys_bits ? vm->params.phys_bits : vm->phys_bits;
}

static int vfio_attr(struct kvm_vm *vm, uint64_t attr, int group_fd)
{
	struct kvm_device_attr device_attr = {
	    .group = KVM_DEV_VFIO_GROUP,
	    .attr = attr,
	    .addr = (uintptr_t)&group_fd,
	};

	return ioctl(vm->vfio_fd, KVM_SET_DEVICE_ATTR, &device_attr) ? -errno
								     : 0;
}

int kvm_vm_vfio_add(struct kvm_vm *vm, int group_fd)
{
	struct kvm_create_device device = {.type = KVM_DEV_TYPE_VFIO};

	if (vm->vfio_fd < 0) {
		if (ioctl(vm->fd, KVM_CREATE_DEVICE, &device))
			return -errno;
		vm->vfio_fd = (int)device.fd;
	}
	return vfio_attr(vm, KVM_DEV_VFIO_GROUP_ADD, group_fd);
}

int kvm_vm_vfio_del(struct kvm_vm *vm, int group_fd)
{
	if (vm->vfio_fd < 0)
		return -ENODEV;
	return vfio_attr(vm, KVM_DEV_VFIO_GROUP_DEL, group_fd);
}

/* Did any vCPU use processor time since the last call? */
static bool any_busy(struct kvm_vm *vm)
{
	bool busy = false;
	unsigned i;

	for (i = 0; i < vm->vcpu_count; i++) {
		struct kvm_vcpu *vcpu = &vm->vcpus[i];
		struct timespec ts;
		clockid_t clock;
		uint64_t ns;

		if (!vcpu->started ||
		    pthread_getcpuclockid(vcpu->thread, &clock) ||
		    clock_gettime(clock, &ts))
			return true;
		ns = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
		if (ns - vcpu->last_cpu_ns > IDLE_CPU_NS)
			busy = true;
		vcpu->last_cpu_ns = ns;
	}
	return busy;
}

bool kvm_vm_is_dead(struct kvm_vm *vm)
{
	bool dead = true;
	unsigned i;

	if (any_busy(vm)) {
		vm->dead_rounds = 0;
		return false;
	}
	/* The answer to the question of the previous call, then ask again. */
	for (i = 0; i < vm->vcpu_count; i++) {
		struct kvm_vcpu *vcpu = &vm->vcpus[i];

		if (__atomic_exchange_n(&vcpu->halted, 0, __ATOMIC_ACQ_REL) !=
		    1)
			dead = false;
	}
	/* Twice in a row: vCPUs that wait for each other look dead once. */
	vm->dead_rounds = dead ? vm->dead_rounds + 1 : 0;
	if (vm->dead_rounds >= 2)
		return true;
	for (i = 0; i < vm->vcpu_count; i++) {
		__atomic_store_n(&vm->vcpus[i].asked, true, __ATOMIC_RELEASE);
		kvm_vcpu_kick(&vm->vcpus[i]);
	}
	return false;
}

struct kvm_stats kvm_vm_stats(const struct kvm_vm *vm)
{
	struct kvm_stats sum = {0};
	unsigned i;

	for (i = 0; i < vm->vcpu_count; i++) {
		const struct kvm_stats *s = &vm->vcpus[i].stats;

		sum.exits += __atomic_load_n(&s->exits, __ATOMIC_RELAXED);
		sum.io += __atomic_load_n(&s->io, __ATOMIC_RELAXED);
		sum.mmio += __atomic_load_n(&s->mmio, __ATOMIC_RELAXED);
		sum.other += __atomic_load_n(&s->other, __ATOMIC_RELAXED);
	}
	return sum;
}
