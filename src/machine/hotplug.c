/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that come and go while the guest runs; contract in hotplug.h. */
#include "machine/hotplug.h"

#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "dev/pcie_port.h"

#define FUNCS	8u
#define WHY_MAX 192

struct slot {
	struct hotplug *hotplug;
	struct pci_dev *port;
	struct ev_timer *patience; /* armed while `coming` or `leaving` */
	bool coming;		   /* was the guest ever seen to have it? */
	bool leaving;		   /* the button was pressed */
	bool wanted;		   /* the host asked for it */
	bool posted;		   /* atomic: on_released() is on its way */
	char why[WHY_MAX];
};

struct hotplug {
	struct hotplug_params params;
	struct slot *slot;
	unsigned slots;
};

/* ---- slots ---- */

static unsigned children(const struct slot *slot, struct pci_dev *dev[FUNCS])
{
	unsigned func, n = 0;

	for (func = 0; func < FUNCS; func++) {
		dev[n] = pci_bridge_child(slot->port, func);
		n += dev[n] != NULL;
	}
	return n;
}

/* "4/0/0+4/0/1", or "empty". */
static void contents(const struct slot *slot, char *buf, size_t size)
{
	struct pci_dev *dev[FUNCS + 1];
	unsigned i, n = children(slot, dev);
	size_t len = 0;

	snprintf(buf, size, "empty");
	for (i = 0; i < n && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s",
					i ? "+" : "", vfio_selector(dev[i]));
}

/* As in -s, the shortest form. */
static void slot_name(const struct slot *slot, char buf[16])
{
	const struct pci_addr *at = &slot->port->addr;

	if (at->bus)
		snprintf(buf, 16, "%u:%u:%u", at->bus, at->slot, at->func);
	else if (at->func)
		snprintf(buf, 16, "%u:%u", at->slot, at->func);
	else
		snprintf(buf, 16, "%u", at->slot);
}

static int slot_parse(const char *text, struct pci_addr *ret_addr)
{
	unsigned part[3] = {0}, n = 0;
	const char *p = text;
	char *end;

	do {
		if (n == 3 || *p < '0' || *p > '9')
			return -EINVAL;
		part[n++] = (unsigned)strtoul(p, &end, 10);
		p = end + 1;
	} while (*end == ':');
	if (*end || part[0] > 255 || part[1] > 255 || part[2] > 7)
		return -EINVAL;
	*ret_addr =
	    n == 1   ? (struct pci_addr){0, (uint8_t)part[0], 0}
	    : n == 2 ? (struct pci_addr){0, (uint8_t)part[0], (uint8_t)part[1]}
		     : (struct pci_addr){(uint8_t)part[0], (uint8_t)part[1],
					 (uint8_t)part[2]};
	return 0;
}

static int slot_find(struct hotplug *h, const char *text, struct err *err,
		     struct slot **ret_slot)
{
	struct pci_addr at;
	unsigned i;

	for (i = 0; !slot_parse(text, &at) && i < h->slots; i++) {
		const struct pci_addr *a = &h->slot[i].port->addr;

		if (a->bus == at.bus && a->slot == at.slot &&
		    a->func == at.func) {
			*ret_slot = &h->slot[i];
			return 0;
		}
	}
	return err_set(err, -ENOENT,
		       "slot %.20s: not a hot-plug slot of this guest; -s"
		       " N,pcie-port makes one",
		       text);
}

static void tell(const struct slot *slot, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(const struct slot *slot, const char *format, ...)
{
	const struct hotplug_params *params = &slot->hotplug->params;
	struct status status = {.kind = STATUS_LOG};
	char name[16], text[512];
	va_list args;

	slot_name(slot, name);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(status.text, sizeof(status.text), "slot %s: %s", name, text);
	params->event(params->event_ctx, &status);
}

/* Who supervises the guest keeps count of what it has. */
static void tell_each(const struct slot *slot, struct pci_dev *const *dev,
		      unsigned n, enum status_kind kind)
{
	const struct hotplug_params *params = &slot->hotplug->params;
	struct status status = {.kind = kind};
	unsigned i;

	for (i = 0; i < n; i++) {
		snprintf(status.selector, sizeof(status.selector), "%s",
			 vfio_selector(dev[i]));
		snprintf(status.bdf, sizeof(status.bdf), "%s",
			 vfio_bdf(dev[i]));
		params->event(params->event_ctx, &status);
	}
}

/* ---- going ---- */

static void take_out(struct slot *slot, const char *why)
{
	struct pci_dev *dev[FUNCS + 1];
	unsigned n = children(slot, dev);
	char what[128];

	ev_timer_disarm(slot->patience);
	slot->coming = slot->leaving = slot->wanted = false;
	if (!n)
		return;
	contents(slot, what, sizeof(what));
	/* A line each says how the reset went. */
	(void)!vfio_unplug(dev, n);
	pcie_port_unplug(slot->port);
	tell_each(slot, dev, n, STATUS_DETACHED);
	tell(slot, "%s left the guest: %s", what, why);
}

static void on_released(void *ctx)
{
	struct slot *slot = ctx;

	__atomic_store_n(&slot->posted, false, __ATOMIC_RELEASE);
	take_out(slot, slot->wanted    ? slot->why
		       : slot->leaving ? "detached"
				       : "the guest switched its power off");
}

static void post_released(void *ctx, struct pci_dev *port UNUSED)
{
	struct slot *slot = ctx;

	/* A guest that writes it again and again posts one at a time. */
	if (__atomic_exchange_n(&slot->posted, true, __ATOMIC_ACQ_REL))
		return;
	if (evloop_post(slot->hotplug->params.env->loop, on_released, slot)) {
		__atomic_store_n(&slot->posted, false, __ATOMIC_RELEASE);
		log_guest("%s: out of memory; the device stays",
			  slot->port->name);
	}
}

static unsigned patience_ms(const struct slot *slot)
{
	unsigned ms = slot->hotplug->params.patience_ms;

	return ms ? ms : HOTPLUG_PATIENCE_S * 1000;
}

static void be_patient(struct slot *slot)
{
	ev_timer_arm(slot->patience, patience_ms(slot) * NS_PER_MS);
}

/* Has the guest not switched it on yet? Then it need not be asked. */
static bool is_coming(struct slot *slot)
{
	slot->coming = slot->coming && !pcie_port_powered(slot->port);
	return slot->coming;
}

static void press(struct slot *slot)
{
	slot->leaving = true;
	pcie_port_press(slot->port);
	be_patient(slot);
}

static void out_of_patience(void *ctx)
{
	struct slot *slot = ctx;
	const struct model_env *env = slot->hotplug->params.env;
	char what[128];

	contents(slot, what, sizeof(what));
	if (!slot->leaving) {
		if (is_coming(slot))
			take_out(slot, "it did not switch its slot on; does it"
				       " have a driver for hot-plug?");
		return;
	}
	tell(slot, "the guest did not let go of %s within %u s", what,
	     patience_ms(slot) / 1000);
	slot->leaving = false;
	if (!slot->wanted)
		return;
	/* Whoever asks for it on the host waits until it is closed. */
	vfio_quiesce_all(env->vfio);
	env->end(env->end_ctx, VM_END_POWEROFF, slot->why);
}

int hotplug_detach(struct hotplug *h, const char *text, struct err *err)
{
	struct pci_dev *dev[FUNCS + 1];
	struct slot *slot;
	int r = slot_find(h, text, err, &slot);

	if (r)
		return r;
	if (!children(slot, dev))
		return err_set(err, -ENODEV, "slot %s: is empty", text);
	/* A second press would call the first off. */
	if (slot->leaving)
		return err_set(err, -EBUSY,
			       "slot %s: the guest was asked already", text);
	if (is_coming(slot))
		take_out(slot, "detached before it had switched its slot on");
	else
		press(slot);
	return 0;
}

bool hotplug_leave(struct hotplug *h, struct pci_dev *dev, bool broken,
		   const char *why)
{
	struct slot *slot = NULL;
	char text[WHY_MAX];
	unsigned i;

	for (i = 0; h && i < h->slots; i++)
		if (h->slot[i].port == dev->upstream)
			slot = &h->slot[i];
	if (!slot)
		return false;
	snprintf(text, sizeof(text), "%s", why);
	if (broken || is_coming(slot)) {
		take_out(slot, text);
		return true;
	}
	memcpy(slot->why, text, sizeof(text));
	slot->wanted = true;
	if (!slot->leaving) {
		tell(slot, "%s; the guest is asked to let go", text);
		press(slot);
	}
	return true;
}

/* ---- coming ---- */

struct arrival {
	struct pci_dev *dev[FUNCS + 1];
	unsigned count;
};

/* Creates one function from "ADDRESS[,OPTION]..."; `one`: as function 0. */
static int open_function(struct slot *slot, const char *word, bool one,
			 struct err *err, uint8_t *ret_func)
{
	struct model_env env = *slot->hotplug->params.env;
	struct pci_addr at = slot->port->addr;
	struct cfg *node = cfg_create();
	uint64_t func = 0;
	int r;

	if (!node)
		return err_set(err, -ENOMEM, "out of memory");
	env.upstream = slot->port;
	r = passthru_model.parse(node, word, err);
	if (!r && cfg_raw(node, "port"))
		r = err_set(err, -EINVAL, "port=: it comes into a slot");
	if (!r)
		r = cfg_u64(node, "func", 0, 0, 7, err, &func);
	at.func = one ? 0 : (uint8_t)func;
	if (!r)
		r = passthru_model.create(&env, at, node, err);
	cfg_destroy(node);
	*ret_func = at.func;
	return r;
}

/* All functions of the list, or none. */
static int open_all(struct slot *slot, char *words, struct err *err)
{
	bool one = !strchr(words, ' ');
	struct pci_dev *dev[FUNCS + 1];
	unsigned i, n;
	uint8_t func;
	char *word;
	int r = 0;

	while (!r && (word = strsep(&words, " ")))
		if (*word)
			r = open_function(slot, word, one, err, &func);
	n = children(slot, dev);
	if (!r && pci_bridge_child(slot->port, 0))
		r = pci_bridge_fits(slot->port, err);
	else if (!r)
		r = err_set(err, -EINVAL,
			    "no function 0: a guest would not look for the"
			    " others");
	if (r) {
		if (n && vfio_unplug(dev, n))
			log_warn("%s: what was opened did not come back",
				 slot->port->name);
		return r;
	}
	for (i = 0; n > 1 && i < n; i++)
		dev[i]->cfg[PCI_HEADER_TYPE] |= 0x80;
	return 0;
}

/* The words "group=NUMBER" at the beginning, which are taken away. */
static int lend_groups(struct hotplug *h, char **words, struct control_fds *fds,
		       struct err *err)
{
	struct vfio_ctx *vfio = h->params.env->vfio;
	unsigned n = 0;
	int r = 0;

	while (!r && *words && strncmp(*words, "group=", 6) == 0) {
		const char *word = strsep(words, " ");
		uint64_t group;

		if (parse_u64(word + 6, &group) || group > INT32_MAX)
			return err_set(err, -EINVAL,
				       "attach: %.40s: expected the number of"
				       " an IOMMU group",
				       word);
		if (!fds || n == fds->count)
			return err_set(err, -EINVAL,
				       "attach: %.40s: no descriptor came with"
				       " it",
				       word);
		r = vfio_lend(vfio, (int)group, fds->fd[n], err);
		fds->fd[n++] = -1;
	}
	return r;
}

/* All functions of the list, by groups that were lent or by our own right. */
static int open_lent(struct slot *slot, char *words, struct control_fds *fds,
		     struct err *err)
{
	int r = lend_groups(slot->hotplug, &words, fds, err);

	if (!r && (!words || !*words))
		r = err_set(err, -EINVAL, "attach: expected an address");
	return r ? r : open_all(slot, words, err);
}

int hotplug_attach(struct hotplug *h, const char *args, struct control_fds *fds,
		   struct err *err)
{
	CLEANUP_FREE char *copy = strdup(args);
	struct pci_dev *dev[FUNCS + 1];
	char what[128], *words = copy, *name;
	unsigned n;
	struct slot *slot;
	int r;

	if (!copy)
		return err_set(err, -ENOMEM, "attach: out of memory");
	name = strsep(&words, " ");
	if (!words || !*words)
		return err_set(err, -EINVAL,
			       "attach: expected SLOT ADDRESS, such as 8"
			       " 3/0/0");
	r = slot_find(h, name, err, &slot);
	if (r)
		return r;
	if (children(slot, dev)) {
		contents(slot, what, sizeof(what));
		return err_set(err, -EBUSY, "slot %s: has %s in it", name,
			       what);
	}
	if (!vfio_device_count(h->params.env->vfio))
		r = h->params.lock_memory(h->params.ctx, err);
	vfio_ctx_refresh(h->params.env->vfio);
	if (!r)
		r = open_lent(slot, words, fds, err);
	vfio_lent_drop(h->params.env->vfio);
	if (r)
		return err_prefix(err, "slot %s", name);
	slot->coming = true;
	pcie_port_plug(slot->port);
	be_patient(slot);
	n = children(slot, dev);
	tell_each(slot, dev, n, STATUS_ATTACHED);
	contents(slot, what, sizeof(what));
	tell(slot, "%s was attached", what);
	return 0;
}

/* ---- the rest ---- */

static const char *slot_state(struct slot *slot)
{
	if (slot->leaving)
		return ",leaving";
	return is_coming(slot) ? ",coming" : "";
}

void hotplug_slots(struct hotplug *h, char *buf, size_t size)
{
	char name[16], what[128];
	size_t len = 0;
	unsigned i;

	buf[0] = '\0';
	for (i = 0; i < h->slots && len < size; i++) {
		slot_name(&h->slot[i], name);
		contents(&h->slot[i], what, sizeof(what));
		len += (size_t)snprintf(buf + len, size - len, "%s%s=%s%s",
					i ? " " : "", name, what,
					slot_state(&h->slot[i]));
	}
}

static int count_port(void *ctx, struct pci_dev *dev)
{
	struct hotplug *h = ctx;

	h->slots += pcie_port_is(dev) && pcie_port_has_hotplug(dev);
	return 0;
}

static int add_port(void *ctx, struct pci_dev *dev)
{
	struct hotplug *h = ctx;
	struct slot *slot = &h->slot[h->slots];

	if (!pcie_port_is(dev) || !pcie_port_has_hotplug(dev))
		return 0;
	*slot = (struct slot){.hotplug = h, .port = dev};
	h->slots++;
	pcie_port_set_off(dev, post_released, slot);
	return ev_timer_create(h->params.env->loop, out_of_patience, slot,
			       &slot->patience);
}

/* The limit counts once byway has no capabilities any more. */
static void raise_lock_limit(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_MEMLOCK, &all))
		log_debug("the limit of locked memory stays: %s",
			  strerror(errno));
}

int hotplug_create(const struct hotplug_params *params, struct err *err,
		   struct hotplug **ret_hotplug)
{
	struct hotplug *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return err_set(err, -ENOMEM, "hot-plug: out of memory");
	h->params = *params;
	(void)pci_host_for_each(params->env->pci, count_port, h);
	h->slot = calloc(h->slots + 1, sizeof(*h->slot));
	if (!h->slot) {
		free(h);
		return err_set(err, -ENOMEM, "hot-plug: out of memory");
	}
	if (h->slots)
		raise_lock_limit();
	h->slots = 0;
	r = pci_host_for_each(params->env->pci, add_port, h);
	if (r) {
		hotplug_destroy(h);
		return err_sys(err, r, "hot-plug");
	}
	*ret_hotplug = h;
	return 0;
}

void hotplug_destroy(struct hotplug *h)
{
	unsigned i;

	if (!h)
		return;
	for (i = 0; i < h->slots; i++) {
		pcie_port_set_off(h->slot[i].port, NULL, NULL);
		ev_timer_destroy(h->slot[i].patience);
	}
	free(h->slot);
	free(h);
}
