/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * e1000: Intel's 82545EM network card over the network back end.
 *
 * Theory of operation. The driver's register writes do the work: TDT sends,
 * RDT takes frames that waited, ICR and IMS move the interrupt line. Frames
 * come in on the event loop's thread, timers fire there. pci.lock is held by
 * each of them, so the card is one thing at a time.
 *
 * The files and who calls whom: e1000_internal.h.
 */
#include <string.h>

#include "base/log.h"
#include "dev/e1000/e1000_internal.h"
#include "dev/e1000/e1000_model.h"
#include "dev/nic.h"

#define BAR_MEM	  0u
#define BAR_FLASH 1u
#define BAR_IO	  2u

void e1000_reset(struct e1000 *e)
{
	e1000_irq_reset(e);
	e1000_regs_reset(e);
	e1000_nvm_reset(e);
	e1000_tx_forget(e);
	e1000_rx_sync(e);
}

/* ---- BARs ---- */

/* Registers are 32 bits wide and so are accesses (13.1). */
static uint64_t mem_read(struct e1000 *e, uint64_t off, unsigned size)
{
	uint32_t low = (uint32_t)align_down(off, 4);
	uint64_t v = e1000_reg_read(e, low);

	if (size == 8)
		return v | (uint64_t)e1000_reg_read(e, low + 4) << 32;
	return v >> (8 * (off - low));
}

static void mem_write(struct e1000 *e, uint64_t off, unsigned size,
		      uint64_t value)
{
	if (size < 4) {
		log_guest("%s: %u-byte write of register 0x%llx dropped",
			  e->pci.name, size, (unsigned long long)off);
		return;
	}
	e1000_reg_write(e, (uint32_t)off, (uint32_t)value);
	if (size == 8)
		e1000_reg_write(e, (uint32_t)off + 4, (uint32_t)(value >> 32));
}

static uint64_t e1000_bar_read(struct pci_dev *dev, unsigned bar, uint64_t off,
			       unsigned size)
{
	struct e1000 *e = dev->ctx;

	if (bar == BAR_MEM)
		return mem_read(e, off, size);
	if (bar == BAR_FLASH)
		return UINT64_MAX; /* no flash is fitted */
	if (off >= E1000_IODATA)
		return mem_read(e, e->io_addr + (off & 3), size);
	return e->io_addr >> (8 * off);
}

static void e1000_bar_write(struct pci_dev *dev, unsigned bar, uint64_t off,
			    unsigned size, uint64_t value)
{
	struct e1000 *e = dev->ctx;

	if (bar == BAR_MEM)
		mem_write(e, off, size, value);
	else if (bar != BAR_IO || size != 4)
		return;
	else if (off == E1000_IOADDR)
		e->io_addr = (uint32_t)align_down(value, 4);
	else
		mem_write(e, e->io_addr, size, value);
}

static void e1000_command(struct pci_dev *dev, uint16_t old_command UNUSED)
{
	struct e1000 *e = dev->ctx;

	/* Bus mastering decides whether rings are looked at. */
	e1000_rx_sync(e);
	e1000_tx_run(e);
}

/* The rest of the transmit ring, on the event loop. */
static void tx_more(void *ctx)
{
	struct e1000 *e = ctx;

	pthread_mutex_lock(&e->pci.lock);
	e1000_tx_run(e);
	pthread_mutex_unlock(&e->pci.lock);
}

/* ---- building ---- */

static void e1000_destroy(struct pci_dev *dev)
{
	struct e1000 *e = container_of(dev, struct e1000, pci);

	net_close(e->net);
	ev_timer_destroy(e->tx.more);
	ev_timer_destroy(e->irq.timer);
	pci_dev_fini(&e->pci);
	free(e);
}

static const struct pci_ops e1000_ops = {
    .bar_read = e1000_bar_read,
    .bar_write = e1000_bar_write,
    .command_changed = e1000_command,
    .destroy = e1000_destroy,
};

static int add_bars(struct e1000 *e)
{
	int r;

	r = pci_add_bar(&e->pci, BAR_MEM, PCI_BAR_MEM32, E1000_MEM_BYTES,
			false);
	if (!r)
		r = pci_add_bar(&e->pci, BAR_FLASH, PCI_BAR_MEM32,
				E1000_FLASH_BYTES, false);
	if (!r)
		r = pci_add_bar(&e->pci, BAR_IO, PCI_BAR_IO, E1000_IO_BYTES,
				false);
	return r;
}

static int build_function(struct e1000 *e, const struct model_env *env,
			  struct pci_addr addr)
{
	const struct pci_ids ids = {
	    .vendor = E1000_VENDOR,
	    .device = E1000_DEVICE,
	    .subvendor = E1000_VENDOR,
	    .subdevice = E1000_DEVICE,
	    .class = 0x02,
	};
	int r;

	r = pci_dev_init(&e->pci, addr, "e1000", &e1000_ops, e);
	if (r)
		return r;
	pci_set_ids(&e->pci, ids);
	pci_intx_init(&e->pci, 1);
	r = add_bars(e);
	if (!r)
		r = ev_timer_create(env->loop, e1000_irq_timer, e,
				    &e->irq.timer);
	if (!r)
		r = ev_timer_create(env->loop, tx_more, e, &e->tx.more);
	return r;
}

static int open_backend(struct e1000 *e, const struct model_env *env,
			struct pci_addr addr, struct cfg *node, struct err *err)
{
	int r;

	r = nic_check_options(node, NULL, err);
	if (!r)
		r = nic_mac(env, addr, node, err, e->mac);
	if (!r)
		r = net_open(node, env->loop, &e1000_receiver, e, err, &e->net);
	if (r)
		return err_prefix(err, "e1000");
	/* No offloads for what comes in: the chip has none that merge. */
	e->headers =
	    net_has_vnet_hdr(e->net) && net_set_vnet_hdr(e->net, true, 0) == 0;
	return 0;
}

static int e1000_build(struct e1000 *e, const struct model_env *env,
		       struct pci_addr addr, struct cfg *node, struct err *err)
{
	int r;

	e->gmem = env->gmem;
	e->clock = env->clock;
	r = build_function(e, env, addr);
	if (r)
		return err_sys(err, r, "e1000: cannot build its PCI function");
	r = open_backend(e, env, addr, node, err);
	if (r)
		return r;
	e1000_nvm_init(e);
	e1000_phy_reset(e);
	pthread_mutex_lock(&e->pci.lock);
	e1000_reset(e);
	pthread_mutex_unlock(&e->pci.lock);
	return pci_host_add(env->pci, &e->pci, err);
}

static int e1000_create(const struct model_env *env, struct pci_addr addr,
			struct cfg *node, struct err *err)
{
	struct e1000 *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return err_set(err, -ENOMEM, "e1000: out of memory");
	r = e1000_build(e, env, addr, node, err);
	if (r)
		e1000_destroy(&e->pci);
	return r;
}

/* "-s 2,e1000,tap0,mac=..." */
static int e1000_parse(struct cfg *node, const char *opts, struct err *err)
{
	return nic_parse("e1000", node, opts, err);
}

const struct pci_model e1000_model = {
    .name = "e1000",
    .summary = "Intel 82545EM network card: tapN | slirp[,hostfwd=RULES]"
	       "[,mac=ADDRESS]",
    .parse = e1000_parse,
    .create = e1000_create,
};
