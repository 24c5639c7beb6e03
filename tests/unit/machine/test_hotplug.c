/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices that come and go while a guest runs: real ports and the real
 * passthru model on a fake VFIO kernel; the guest is this file, which switches
 * slots on and lets go of them, or does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/log.h"
#include "dev/pcie_port.h"
#include "fake_world.h"
#include "machine/hotplug.h"
#include "machine/ports.h"

#define SLOT	  6u
#define STEPS	  200u
#define STEP_MS	  50u
#define ANSWERED  60000u /* patience that no test outlasts */
#define IMPATIENT 20u

enum {
	NVME,
	CARD,
	CARD_1,
	GPU
};

struct scene {
	struct world w;
	struct hotplug *hotplug;
	struct pci_dev *port;
	unsigned exp;
	int lock_result;
	char told[2048]; /* by events, a line each */
};

/* ---- the machine around it ---- */

static void on_event(void *ctx, const struct status *status)
{
	struct scene *s = ctx;
	size_t len = strlen(s->told);
	char *end = s->told + len;
	size_t left = sizeof(s->told) - len;

	if (status->kind == STATUS_ATTACHED)
		snprintf(end, left, "+%s\n", status->bdf);
	else if (status->kind == STATUS_DETACHED)
		snprintf(end, left, "-%s\n", status->bdf);
	else
		snprintf(end, left, "%s\n", status->text);
}

static int on_lock(void *ctx, struct err *err)
{
	struct scene *s = ctx;

	return s->lock_result
		   ? err_set(err, s->lock_result, "memory cannot be locked")
		   : 0;
}

static bool on_leave(void *ctx, struct pci_dev *dev, bool broken,
		     const char *why)
{
	struct scene *s = ctx;

	return hotplug_leave(s->hotplug, dev, broken, why);
}

static uint64_t at(const struct pci_dev *port, unsigned off)
{
	return WORLD_ECAM + (uint64_t)port->addr.slot * 0x8000 + off;
}

static uint16_t rd(struct scene *s, unsigned reg)
{
	uint64_t v = 0;

	(void)aspace_read(s->w.mmio, at(s->port, s->exp + reg), 2, &v);
	return (uint16_t)v;
}

static void wr(struct scene *s, unsigned reg, unsigned value)
{
	(void)aspace_write(s->w.mmio, at(s->port, s->exp + reg), 2, value);
}

/* What is behind the port, as the guest finds it; ones: nothing. */
static uint32_t behind(struct scene *s, unsigned func, unsigned off,
		       unsigned size)
{
	uint64_t v = 0, bus = pci_bridge_secondary(s->port);

	assert_int_not_equal(bus, 0);
	(void)aspace_read(s->w.mmio,
			  WORLD_ECAM + (bus << 20) + func * 0x1000u + off, size,
			  &v);
	return (uint32_t)v;
}

static void add(struct scene *s, struct fake_device *dev, unsigned bus,
		unsigned func, int group)
{
	fake_device_place(dev, bus, 0, func, group);
	fake_kernel_add(&s->w.kernel, dev);
}

static void port_make(struct scene *s, unsigned slot, const char *opts)
{
	struct err err = {0};
	struct cfg *node;
	char path[32];

	snprintf(path, sizeof(path), "pci.0.%u.0", slot);
	assert_int_equal(cfg_make(s->w.cfg, path, &err, &node), 0);
	assert_int_equal(cfg_set_list(node, opts, &err), 0);
	assert_int_equal(
	    pcie_port_model.create(
		&s->w.env, (struct pci_addr){0, (uint8_t)slot, 0}, node, &err),
	    0);
}

static void begin(struct scene *s, unsigned patience_ms, const char *opts)
{
	struct hotplug_params params = {
	    .env = &s->w.env,
	    .lock_memory = on_lock,
	    .ctx = s,
	    .event = on_event,
	    .event_ctx = s,
	    .patience_ms = patience_ms,
	};
	struct fake_device *gpu = fake_gpu(), *card_1 = fake_e1000e();
	struct err err = {0};

	memset(s, 0, sizeof(*s));
	world_init(&s->w);
	s->w.leave = on_leave;
	s->w.leave_ctx = s;
	add(s, fake_nvme(), 3, 0, 12);
	add(s, fake_nvme(), 4, 0, 13);
	/* As on real cards: the fake lines are not shared. */
	card_1->cfg[PCI_INTERRUPT_PIN] = 2;
	add(s, card_1, 4, 1, 13);
	gpu->region[1].size = GIB(8);
	add(s, gpu, 5, 0, 14);
	world_start(&s->w);
	port_make(s, SLOT, opts);
	port_make(s, SLOT + 1, "mem32=16M");
	world_assign(&s->w);
	ports_settle(s->w.host);
	assert_int_equal(hotplug_create(&params, &err, &s->hotplug), 0);
	s->port =
	    pci_host_find(s->w.host, (struct pci_addr){0, (uint8_t)SLOT, 0});
	s->exp = s->port->cfg[PCI_CAPABILITY_LIST];
	while (s->port->cfg[s->exp] != PCI_CAP_ID_EXP)
		s->exp = s->port->cfg[s->exp + 1];
}

static void end(struct scene *s)
{
	hotplug_destroy(s->hotplug);
	world_fini(&s->w);
}

/* ---- what is done and seen ---- */

static void slots_are(struct scene *s, const char *expected)
{
	char text[256];

	hotplug_slots(s->hotplug, text, sizeof(text));
	assert_string_equal(text, expected);
}

/* Until the slots are so: a deadline of ten seconds. */
static void slots_become(struct scene *s, const char *expected)
{
	char text[256];
	unsigned i;

	for (i = 0; i < STEPS; i++) {
		hotplug_slots(s->hotplug, text, sizeof(text));
		if (strcmp(text, expected) == 0)
			return;
		assert_int_equal(evloop_step(s->w.loop, STEP_MS), 0);
	}
	assert_string_equal(text, expected);
}

static void told(struct scene *s, const char *expected)
{
	assert_string_equal(s->told, expected);
	s->told[0] = '\0';
}

static void attach(struct scene *s, const char *args)
{
	struct err err = {0};

	if (hotplug_attach(s->hotplug, args, NULL, &err))
		fail_msg("%s", err.msg);
}

static void attach_refused(struct scene *s, const char *args, int code,
			   const char *sentence)
{
	struct err err = {0};

	assert_int_equal(hotplug_attach(s->hotplug, args, NULL, &err), code);
	if (sentence)
		assert_string_equal(err.msg, sentence);
	assert_true(err.msg[0] != '\0');
}

static void nothing_open(struct scene *s)
{
	unsigned i;

	for (i = 0; i < s->w.kernel.devices; i++)
		assert_int_equal(s->w.kernel.dev[i]->opens, 0);
	assert_int_equal(vfio_device_count(s->w.ctx), 0);
}

static void switch_on(struct scene *s)
{
	wr(s, PCI_EXP_SLTSTA, 0xffff);
	wr(s, PCI_EXP_SLTCTL,
	   PCI_EXP_SLTCTL_PWR_IND_ON | PCI_EXP_SLTCTL_ABPE |
	       PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_HPIE);
	wr(s, PCI_EXP_SLTSTA, 0xffff);
}

static void let_go(struct scene *s)
{
	wr(s, PCI_EXP_SLTCTL, PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PCC);
}

static void fire(int fd)
{
	const uint64_t one = 1;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

/* In the guest, and it has seen it. */
static void have(struct scene *s, const char *args, const char *slots)
{
	attach(s, args);
	switch_on(s);
	slots_are(s, slots);
	s->told[0] = '\0';
}

#define FREE "6=empty 7=empty"

/* ---- tests ---- */

static void test_answers(void **state UNUSED)
{
	struct err err = {0};
	struct scene s;

	begin(&s, ANSWERED, "mem32=16M");
	slots_are(&s, FREE);
	attach(&s, "6 3/0/0");
	slots_are(&s, "6=3/0/0,coming 7=empty");
	told(&s, "+0000:03:00.0\nslot 6: 3/0/0 was attached\n");
	assert_true(rd(&s, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS);
	assert_true(rd(&s, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_ABP);
	assert_int_equal(behind(&s, 0, 0, 2), 0xffff);
	switch_on(&s);
	slots_are(&s, "6=3/0/0 7=empty");
	assert_int_equal(behind(&s, 0, 0, 4), 0x00101b36);
	attach_refused(&s, "6 4/0/0", -EBUSY, "slot 6: has 3/0/0 in it");
	attach_refused(&s, "7 3/0/0", -EEXIST, NULL);
	assert_int_equal(hotplug_detach(s.hotplug, "6", &err), 0);
	slots_are(&s, "6=3/0/0,leaving 7=empty");
	assert_true(rd(&s, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_ABP);
	assert_int_equal(hotplug_detach(s.hotplug, "6", &err), -EBUSY);
	assert_string_equal(err.msg, "slot 6: the guest was asked already");
	let_go(&s);
	let_go(&s); /* once more before it is seen: no harm */
	slots_become(&s, FREE);
	told(&s, "-0000:03:00.0\nslot 6: 3/0/0 left the guest: detached\n");
	assert_int_equal(s.w.statuses, 1);
	assert_true(s.w.status[0].ok);
	nothing_open(&s);
	assert_int_equal(hotplug_detach(s.hotplug, "0:6:0", &err), -ENODEV);
	/* And again; the guest gives it back by itself. */
	have(&s, "6:0 3/0/0", "6=3/0/0 7=empty");
	let_go(&s);
	slots_become(&s, FREE);
	told(&s, "-0000:03:00.0\nslot 6: 3/0/0 left the guest: the guest"
		 " switched its power off\n");
	end(&s);
}

static void test_refused(void **state UNUSED)
{
	static const struct {
		const char *args;
		int code;
		const char *sentence;
	} bad[] = {
	    {"6", -EINVAL, "attach: expected SLOT ADDRESS, such as 8 3/0/0"},
	    {"", -EINVAL, "attach: expected SLOT ADDRESS, such as 8 3/0/0"},
	    {"9 3/0/0", -ENOENT,
	     "slot 9: not a hot-plug slot of this guest; -s N,pcie-port makes"
	     " one"},
	    {"6:0:0:0 3/0/0", -ENOENT, NULL},
	    {"x 3/0/0", -ENOENT, NULL},
	    {"99999999999999999999 3/0/0", -ENOENT, NULL},
	    {"6 9/0/0", -ENODEV, NULL},
	    {"6 3/0/0,reset=hard", -EINVAL, NULL},
	    {"6 3/0/0,port=pcie", -EINVAL,
	     "slot 6: port=: it comes into a slot"},
	    {"6 4/0/0 9/0/0", -ENODEV, NULL},
	    {"6 4/0/1 4/0/1", -EEXIST, NULL},
	};
	struct scene s;
	size_t i;

	begin(&s, ANSWERED, "mem32=16M");
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		attach_refused(&s, bad[i].args, bad[i].code, bad[i].sentence);
		slots_are(&s, FREE);
		nothing_open(&s);
	}
	told(&s, "");
	assert_int_equal(rd(&s, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS, 0);
	s.lock_result = -ENOMEM;
	attach_refused(&s, "6 3/0/0", -ENOMEM,
		       "slot 6: memory cannot be locked");
	s.lock_result = 0;
	have(&s, "6 3/0/0", "6=3/0/0 7=empty");
	end(&s);
}

/* It went away, or died, before it was there. */
static void test_dead_at_attach(void **state UNUSED)
{
	struct fake_device *dev;
	struct scene s;

	begin(&s, ANSWERED, "mem32=16M");
	dev = s.w.kernel.dev[NVME];
	s.w.kernel.device_fd_error = -ENODEV;
	attach_refused(&s, "6 3/0/0", -ENODEV, NULL);
	s.w.kernel.device_fd_error = 0;
	dev->dead = true;
	dev->by_function.error = dev->by_bus.error = -EIO;
	dev->by_pm.error = -EIO;
	attach_refused(&s, "6 3/0/0", -EIO, NULL);
	slots_are(&s, FREE);
	nothing_open(&s);
	told(&s, "");
	assert_int_equal(rd(&s, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS, 0);
	end(&s);
}

/* No driver for hot-plug in the guest. */
static void test_never_switched_on(void **state UNUSED)
{
	struct scene s;

	begin(&s, IMPATIENT, "mem32=16M");
	attach(&s, "6 3/0/0");
	slots_become(&s, FREE);
	told(&s, "+0000:03:00.0\nslot 6: 3/0/0 was attached\n"
		 "-0000:03:00.0\nslot 6: 3/0/0 left the guest: it did not"
		 " switch its slot on; does it have a driver for hot-plug?\n");
	assert_int_equal(rd(&s, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS, 0);
	assert_int_equal(s.w.statuses, 1);
	assert_true(s.w.status[0].ok);
	nothing_open(&s);
	assert_false(s.w.ended);
	end(&s);
}

static void test_detached_before_seen(void **state UNUSED)
{
	struct err err = {0};
	struct scene s;

	begin(&s, ANSWERED, "mem32=16M");
	attach(&s, "6 3/0/0");
	s.told[0] = '\0';
	assert_int_equal(hotplug_detach(s.hotplug, "6", &err), 0);
	slots_are(&s, FREE);
	told(&s, "-0000:03:00.0\nslot 6: 3/0/0 left the guest: detached before"
		 " it had switched its slot on\n");
	nothing_open(&s);
	end(&s);
}

static void test_never_lets_go(void **state UNUSED)
{
	struct err err = {0};
	struct scene s;

	begin(&s, IMPATIENT, "mem32=16M");
	have(&s, "6 3/0/0", "6=3/0/0 7=empty");
	assert_int_equal(hotplug_detach(s.hotplug, "6", &err), 0);
	slots_become(&s, "6=3/0/0 7=empty");
	told(&s, "slot 6: the guest did not let go of 3/0/0 within 0 s\n");
	assert_false(s.w.ended);
	assert_int_equal(behind(&s, 0, 0, 4), 0x00101b36);
	/* It may be asked again, and then does. */
	assert_int_equal(hotplug_detach(s.hotplug, "6", &err), 0);
	let_go(&s);
	slots_become(&s, FREE);
	end(&s);
}

/* An uncorrectable error: out at once, the guest sees it go and runs on. */
static void test_error(void **state UNUSED)
{
	struct scene s;

	begin(&s, ANSWERED, "mem32=16M");
	have(&s, "6 3/0/0", "6=3/0/0 7=empty");
	fire(s.w.kernel.dev[NVME]->err_fd);
	slots_become(&s, FREE);
	told(&s, "-0000:03:00.0\nslot 6: 3/0/0 left the guest: 0000:03:00.0:"
		 " reported an uncorrectable error (the host's kernel log has"
		 " it under AER)\n");
	assert_int_equal(rd(&s, PCI_EXP_SLTSTA) &
			     (PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_PDC),
			 PCI_EXP_SLTSTA_PDC);
	assert_int_equal(rd(&s, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_DLLLA, 0);
	assert_int_equal(behind(&s, 0, 0, 2), 0xffff);
	assert_false(s.w.ended);
	nothing_open(&s);
	/* Another one can come. */
	let_go(&s);
	have(&s, "6 4/0/0 4/0/1", "6=4/0/0+4/0/1 7=empty");
	/* Of a card all functions go, whichever had the error. */
	fire(s.w.kernel.dev[CARD]->err_fd);
	slots_become(&s, FREE);
	assert_false(s.w.ended);
	nothing_open(&s);
	end(&s);
}

/* The host wants it back. */
static void test_request(void **state UNUSED)
{
	struct scene s;

	begin(&s, ANSWERED, "mem32=16M");
	have(&s, "6 3/0/0", "6=3/0/0 7=empty");
	fire(s.w.kernel.dev[NVME]->req_fd);
	slots_become(&s, "6=3/0/0,leaving 7=empty");
	told(&s, "slot 6: the host asked for 0000:03:00.0 back (unbound, or"
		 " removed); the guest is asked to let go\n");
	assert_true(rd(&s, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_ABP);
	wr(&s, PCI_EXP_SLTSTA, 0xffff);
	/* The kernel asks again and again: the button is pressed once. */
	fire(s.w.kernel.dev[NVME]->req_fd);
	assert_int_equal(evloop_step(s.w.loop, STEP_MS), 0);
	assert_int_equal(rd(&s, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_ABP, 0);
	let_go(&s);
	slots_become(&s, FREE);
	told(&s, "-0000:03:00.0\nslot 6: 3/0/0 left the guest: the host asked"
		 " for 0000:03:00.0 back (unbound, or removed)\n");
	assert_false(s.w.ended);
	nothing_open(&s);
	/* While the guest has not switched it on nobody need be asked. */
	let_go(&s);
	attach(&s, "6 3/0/0");
	fire(s.w.kernel.dev[NVME]->req_fd);
	slots_become(&s, FREE);
	assert_false(s.w.ended);
	nothing_open(&s);
	end(&s);
}

/* It wants it back and the guest does not give it: as without a slot. */
static void test_request_unheard(void **state UNUSED)
{
	struct scene s;
	unsigned i;

	begin(&s, IMPATIENT, "mem32=16M");
	have(&s, "6 3/0/0", "6=3/0/0 7=empty");
	fire(s.w.kernel.dev[NVME]->req_fd);
	for (i = 0; i < STEPS && !s.w.ended; i++)
		assert_int_equal(evloop_step(s.w.loop, STEP_MS), 0);
	assert_true(s.w.ended);
	assert_int_equal(s.w.end, VM_END_POWEROFF);
	assert_string_equal(s.w.why, "the host asked for 0000:03:00.0 back"
				     " (unbound, or removed)");
	end(&s);
}

/* It does not come back from its reset: told, and gone all the same. */
static void test_reset_fails(void **state UNUSED)
{
	struct fake_device *dev;
	struct scene s;

	begin(&s, ANSWERED, "mem32=16M");
	have(&s, "6 3/0/0", "6=3/0/0 7=empty");
	dev = s.w.kernel.dev[NVME];
	dev->by_function.error = dev->by_bus.error = -EIO;
	dev->by_pm.error = -EIO;
	dev->dead = true;
	let_go(&s);
	slots_become(&s, FREE);
	assert_int_equal(s.w.statuses, 1);
	assert_int_equal(s.w.status[0].kind, STATUS_DEVICE);
	assert_string_equal(s.w.status[0].bdf, "0000:03:00.0");
	assert_false(s.w.status[0].ok);
	assert_false(s.w.ended);
	nothing_open(&s);
	end(&s);
}

static void test_card(void **state UNUSED)
{
	struct scene s;

	begin(&s, ANSWERED, "mem32=16M");
	/* A guest looks at function 0 first. */
	attach_refused(&s, "6 4/0/1 4/0/1", -EEXIST, NULL);
	have(&s, "6 4/0/0 4/0/1", "6=4/0/0+4/0/1 7=empty");
	assert_int_equal(behind(&s, 0, 0, 4), 0x00101b36);
	assert_int_equal(behind(&s, 1, 0, 4), 0x10d38086);
	assert_int_equal(behind(&s, 0, PCI_HEADER_TYPE, 1), 0x80);
	assert_int_equal(behind(&s, 2, 0, 2), 0xffff);
	let_go(&s);
	slots_become(&s, FREE);
	told(&s, "-0000:04:00.0\n-0000:04:00.1\nslot 6: 4/0/0+4/0/1 left the"
		 " guest: the guest switched its power off\n");
	/* One function alone is function 0. */
	have(&s, "6 4/0/1", "6=4/0/1 7=empty");
	assert_int_equal(behind(&s, 0, 0, 4), 0x10d38086);
	end(&s);
}

static void test_room(void **state UNUSED)
{
	struct scene s;

	begin(&s, ANSWERED, "mem32=32M,mem64=16G");
	attach_refused(&s, "7 5/0/0", -ENOSPC,
		       "slot 7: needs 8224 MiB of memory addresses of 64 bits,"
		       " the slot has 64 MiB; mem64=SIZE of pcie-port keeps"
		       " more free, from the guest's next start on");
	slots_are(&s, FREE);
	nothing_open(&s);
	have(&s, "6 5/0/0", "6=5/0/0 7=empty");
	/* Kept free where a BAR of 8 GiB can lie. */
	assert_int_equal((pci_cfg32(s.port, PCI_PREF_BASE_UPPER32) & 3), 0);
	end(&s);
}

/* ---- groups that come with the word ---- */

/* For who may not open them; `taken`: the descriptor is none of ours then. */
static int attach_lent(struct scene *s, const char *args, unsigned group,
		       bool taken)
{
	struct control_fds fds = {.count = 1};
	struct err err = {0};
	char path[128];
	int rc;

	snprintf(path, sizeof(path), "%s/dev/vfio/%u", s->w.root, group);
	fds.fd[0] = s->w.kernel.ops.open(&s->w.kernel, path, 0);
	assert_true(fds.fd[0] >= 0);
	s->w.kernel.open_group_error = -EACCES;
	rc = hotplug_attach(s->hotplug, args, &fds, &err);
	s->w.kernel.open_group_error = 0;
	assert_int_equal(fds.fd[0] == -1, taken);
	if (!taken)
		s->w.kernel.ops.close(&s->w.kernel, fds.fd[0]);
	return rc;
}

static void test_lent(void **state UNUSED)
{
	struct scene s;

	begin(&s, ANSWERED, "mem32=16M");
	/* Without the word it is not used; of another group it is no use. */
	assert_int_equal(attach_lent(&s, "6 3/0/0", 12, false), -EACCES);
	assert_int_equal(attach_lent(&s, "6 group=13 3/0/0", 13, true),
			 -EACCES);
	assert_int_equal(attach_lent(&s, "6 group=x 3/0/0", 12, false),
			 -EINVAL);
	assert_int_equal(attach_lent(&s, "6 group=12", 12, true), -EINVAL);
	attach_refused(&s, "6 group=12 3/0/0", -EINVAL,
		       "slot 6: attach: group=12: no descriptor came with it");
	/* What opening it would be refused for is refused. */
	assert_int_equal(attach_lent(&s, "6 group=12 3/0/1", 12, true),
			 -ENODEV);
	nothing_open(&s);
	assert_int_equal(s.w.kernel.groups, 0);
	assert_int_equal(attach_lent(&s, "6 group=12 3/0/0", 12, true), 0);
	switch_on(&s);
	slots_are(&s, "6=3/0/0 7=empty");
	assert_int_equal(s.w.kernel.groups, 1);
	/* Both functions of a card are in one group. */
	assert_int_equal(attach_lent(&s, "7 group=13 4/0/0 4/0/1", 13, true),
			 0);
	assert_int_equal(s.w.kernel.groups, 2);
	let_go(&s);
	slots_become(&s, "6=empty 7=4/0/0+4/0/1,coming");
	assert_int_equal(s.w.kernel.groups, 1);
	/* Ours again, and the next one is lent as well. */
	assert_int_equal(attach_lent(&s, "6 group=12 3/0/0", 12, true), 0);
	switch_on(&s);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_dead_at_attach),
	    cmocka_unit_test(test_never_switched_on),
	    cmocka_unit_test(test_detached_before_seen),
	    cmocka_unit_test(test_never_lets_go),
	    cmocka_unit_test(test_error),
	    cmocka_unit_test(test_request),
	    cmocka_unit_test(test_request_unheard),
	    cmocka_unit_test(test_reset_fails),
	    cmocka_unit_test(test_card),
	    cmocka_unit_test(test_room),
	    cmocka_unit_test(test_lent),
	};

	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
