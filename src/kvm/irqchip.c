/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt controllers in the kernel (8259 pair, I/O APIC, local APICs, PIT)
 * and the routing table: which GSI ends where.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "kvm/vm_internal.h"

#define IOAPIC_PIN_OF_IRQ0 2u /* as the ACPI interrupt override says */

static void add_pin(struct kvm_irq_routing *table, unsigned gsi, unsigned chip,
		    unsigned pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
	    .gsi = gsi,
	    .type = KVM_IRQ_ROUTING_IRQCHIP,
	    .u.irqchip = {.irqchip = chip, .pin = pin},
	};
}

static void add_pic(struct kvm_irq_routing *table, unsigned gsi, unsigned irq)
{
	add_pin(table, gsi,
		irq < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
		irq & 7);
}

static void add_lines(struct kvm_vm *vm, struct kvm_irq_routing *table)
{
	unsigned i;

	for (i = 0; i < 16; i++) {
		if (i == 2)
			continue; /* the 8259s' cascade */
		add_pic(table, i, i);
		add_pin(table, i, KVM_IRQCHIP_IOAPIC,
			i == 0 ? IOAPIC_PIN_OF_IRQ0 : i);
	}
	for (i = 0; i < IRQ_PIRQS; i++) {
		add_pin(table, IRQ_PIRQ_FIRST + i, KVM_IRQCHIP_IOAPIC,
			IRQ_PIRQ_FIRST + i);
		if (vm->pirq_isa[i] >= 0)
			add_pic(table, IRQ_PIRQ_FIRST + i,
				(unsigned)vm->pirq_isa[i]);
	}
}

/* Publishes the whole table; lock held. */
static int routes_commit(struct kvm_vm *vm)
{
	struct kvm_irq_routing *table = vm->routing;
	unsigned i;

	table->nr = 0;
	table->flags = 0;
	add_lines(vm, table);
	for (i = 0; i < vm->msi_limit; i++) {
		if (!vm->msi[i].set)
			continue;
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		    .gsi = IRQ_LINES + i,
		    .type = KVM_IRQ_ROUTING_MSI,
		    .u.msi =
			{
			    .address_lo = (uint32_t)vm->msi[i].msg.addr,
			    .address_hi = (uint32_t)(vm->msi[i].msg.addr >> 32),
			    .data = vm->msi[i].msg.data,
			},
		};
	}
	return ioctl(vm->fd, KVM_SET_GSI_ROUTING, table) ? -errno : 0;
}

static void op_line_set(void *ctx, unsigned gsi, bool level)
{
	struct kvm_vm *vm = ctx;
	struct kvm_irq_level line = {.irq = gsi, .level = level};

	/* Cannot fail for a routed GSI of a live VM. */
	(void)ioctl(vm->fd, KVM_IRQ_LINE, &line);
}

static int op_msi_send(void *ctx, struct irq_msg msg)
{
	struct kvm_vm *vm = ctx;
	struct kvm_msi msi = {
	    .address_lo = (uint32_t)msg.addr,
	    .address_hi = (uint32_t)(msg.addr >> 32),
	    .data = msg.data,
	};

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}

static int op_msi_alloc(void *ctx, unsigned *ret_gsi)
{
	struct kvm_vm *vm = ctx;
	int r = -ENOSPC;
	unsigned i;

	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < vm->msi_limit && r; i++) {
		if (vm->msi[i].used)
			continue;
		vm->msi[i].used = true;
		*ret_gsi = IRQ_LINES + i;
		r = 0;
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static bool is_msi_gsi(const struct kvm_vm *vm, unsigned gsi)
{
	return gsi >= IRQ_LINES && gsi - IRQ_LINES < vm->msi_limit;
}

static void op_msi_free(void *ctx, unsigned gsi)
{
	struct kvm_vm *vm = ctx;

	if (!is_msi_gsi(vm, gsi))
		return;
	pthread_mutex_lock(&vm->lock);
	if (vm->msi[gsi - IRQ_LINES].set) {
		vm->msi[gsi - IRQ_LINES].set = false;
		(void)routes_commit(vm);
	}
	vm->msi[gsi - IRQ_LINES].used = false;
	pthread_mutex_unlock(&vm->lock);
}

static int op_msi_set(void *ctx, unsigned gsi, struct irq_msg msg)
{
	struct kvm_vm *vm = ctx;
	int r = 0;

	if (!is_msi_gsi(vm, gsi))
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	/* Publishing waits for every vCPU: skip what changes nothing. */
	if (!vm->msi[gsi - IRQ_LINES].set ||
	    vm->msi[gsi - IRQ_LINES].msg.addr != msg.addr ||
	    vm->msi[gsi - IRQ_LINES].msg.data != msg.data) {
		vm->msi[gsi - IRQ_LINES].msg = msg;
		vm->msi[gsi - IRQ_LINES].set = true;
		r = routes_commit(vm);
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static int op_event_attach(void *ctx, unsigned gsi, int fd, int resample_fd)
{
	struct kvm_vm *vm = ctx;
	struct kvm_irqfd irqfd = {.fd = (uint32_t)fd, .gsi = gsi};

	if (resample_fd >= 0) {
		irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
		irqfd.resamplefd = (uint32_t)resample_fd;
	}
	return ioctl(vm->fd, KVM_IRQFD, &irqfd) ? -errno : 0;
}

static int op_event_detach(void *ctx, unsigned gsi, int fd)
{
	struct kvm_vm *vm = ctx;
	struct kvm_irqfd irqfd = {
	    .fd = (uint32_t)fd, .gsi = gsi, .flags = KVM_IRQFD_FLAG_DEASSIGN};

	return ioctl(vm->fd, KVM_IRQFD, &irqfd) ? -errno : 0;
}

static int op_pirq_route(void *ctx, unsigned pirq, int isa_irq)
{
	struct kvm_vm *vm = ctx;
	int r = 0;

	if (pirq >= IRQ_PIRQS || isa_irq > 15)
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	if (vm->pirq_isa[pirq] != isa_irq) {
		vm->pirq_isa[pirq] = isa_irq;
		r = routes_commit(vm);
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

/* A guest that programs the timer just now sees its write done or undone. */
static int op_timer_irq(void *ctx, bool driven)
{
	struct kvm_vm *vm = ctx;
	struct kvm_pit_state2 pit;
	int r = 0;

	pthread_mutex_lock(&vm->lock);
	if (ioctl(vm->fd, KVM_GET_PIT2, &pit))
		r = -errno;
	pit.flags &= ~(uint32_t)KVM_PIT_FLAGS_HPET_LEGACY;
	if (!driven)
		pit.flags |= KVM_PIT_FLAGS_HPET_LEGACY;
	if (!r && ioctl(vm->fd, KVM_SET_PIT2, &pit))
		r = -errno;
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static int doorbell(struct kvm_vm *vm, bool port, uint64_t addr, unsigned len,
		    const uint64_t *match, int fd, uint32_t flags)
{
	struct kvm_ioeventfd event = {
	    .datamatch = match ? *match : 0,
	    .addr = addr,
	    .len = len,
	    .fd = fd,
	    .flags = flags | (port ? KVM_IOEVENTFD_FLAG_PIO : 0) |
		     (match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &event) ? -errno : 0;
}

static int op_doorbell_add(void *ctx, bool port, uint64_t addr, unsigned len,
			   const uint64_t *match, int fd)
{
	return doorbell(ctx, port, addr, len, match, fd, 0);
}

static int op_doorbell_del(void *ctx, bool port, uint64_t addr, unsigned len,
			   const uint64_t *match, int fd)
{
	return doorbell(ctx, port, addr, len, match, fd,
			KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static const struct irq_ops kvm_irq_ops = {
    .line_set = op_line_set,
    .msi_send = op_msi_send,
    .msi_alloc = op_msi_alloc,
    .msi_free = op_msi_free,
    .msi_set = op_msi_set,
    .event_attach = op_event_attach,
    .event_detach = op_event_detach,
    .pirq_route = op_pirq_route,
    .timer_irq = op_timer_irq,
    .doorbell_add = op_doorbell_add,
    .doorbell_del = op_doorbell_del,
};

int kvm_irqchip_create(struct kvm_vm *vm, struct err *err)
{
	/* The kernel then also answers port 61h (speaker gate, refresh bit). */
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
	struct kvm_reinject_control reinject = {.pit_reinject = 0};
	unsigned i;

	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		return err_sys(err, errno,
			       "kvm: cannot create interrupt controllers");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit))
		return err_sys(err, errno, "kvm: cannot create the timer");
	/*
	 * Ticks that were missed are lost, as on hardware: a guest that was
	 * held up would otherwise see nothing but ticks for a while. Guests
	 * that count ticks to know the time are long gone.
	 */
	if (ioctl(vm->fd, KVM_REINJECT_CONTROL, &reinject))
		return err_sys(err, errno, "kvm: cannot set up the timer");
	for (i = 0; i < IRQ_PIRQS; i++)
		vm->pirq_isa[i] = -1;
	vm->msi_limit = KVM_ROUTES_MAX / 2;
	vm->msi = calloc(vm->msi_limit, sizeof(*vm->msi));
	vm->routing =
	    calloc(1, sizeof(*vm->routing) +
			  KVM_ROUTES_MAX * sizeof(vm->routing->entries[0]));
	if (!vm->msi || !vm->routing)
		return err_set(err, -ENOMEM, "kvm: out of memory");
	vm->irq = (struct irq_ctl){.ops = &kvm_irq_ops, .ctx = vm};
	if (routes_commit(vm))
		return err_sys(err, errno, "kvm: cannot route interrupts");
	return 0;
}
