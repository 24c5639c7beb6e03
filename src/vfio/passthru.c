/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model `passthru`: -s N,passthru,ADDRESS[,OPTION=VALUE]..., or
 * -s N,passthru,vfio-user=SOCKET[,...] for a device that a process serves, or
 * -s N,passthru,mdev=UUID[,...] for one that a driver of the host gives away.
 *
 * Creation opens the host's device in the order in which things can go wrong
 * for the user: is it there, is it ready, is its group free, does guest memory
 * fit, is the device alive. Only then does the guest's function take shape.
 */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "vfio/vfio_internal.h"

struct options {
	struct hostpci_addr addr;
	char socket[VFIO_USER_PATH_MAX]; /* "": not served */
	char mdev[HOSTPCI_UUID_MAX];	 /* "": not mediated */
	bool has_rom, no_rom;
	char rom[CFG_VALUE_MAX];
	enum vfio_rung first_rung;
	bool rung_chosen;
	uint8_t intpin; /* 1 to 4, 0: the device's */
	bool no_mirror;
	unsigned accepted; /* HOSTPCI_RISK_* */
	struct hostpci_bars bars;
};

/* ---- options ---- */

static int set_number(struct cfg *node, const char *path, unsigned value,
		      struct err *err)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return cfg_set(node, path, text, err);
}

static int parse_selector(struct cfg *node, const char *word, struct err *err)
{
	struct hostpci_addr addr;
	int r;

	if (strncmp(word, "ppt", 3) == 0)
		return err_set(
		    err, -EINVAL,
		    "passthru: \"%s\" is a FreeBSD driver's name; give the"
		    " device's address (3/0/0 or 0000:03:00.0, see 'vm"
		    " passthru')",
		    word);
	r = hostpci_parse_addr(word, err, &addr);
	if (r)
		return r;
	r = set_number(node, "bus", addr.bus, err);
	if (!r)
		r = set_number(node, "slot", addr.slot, err);
	if (!r)
		r = set_number(node, "func", addr.func, err);
	if (!r && addr.domain)
		r = set_number(node, "domain", addr.domain, err);
	return r;
}

/* "3/0/0,rom=FILE,...": the first word is the address. */
static int passthru_parse(struct cfg *node, const char *opts, struct err *err)
{
	const char *comma = strchrnul(opts, ',');
	size_t len = (size_t)(comma - opts);
	char word[64];
	int r;

	if (len == 0 || len >= sizeof(word) || memchr(opts, '=', len))
		return cfg_set_list(node, opts, err);
	memcpy(word, opts, len);
	word[len] = '\0';
	r = parse_selector(node, word, err);
	if (!r && *comma)
		r = cfg_set_list(node, comma + 1, err);
	return r;
}

static int options_address(struct cfg *node, struct hostpci_addr *addr,
			   struct err *err)
{
	static const char *const part[] = {"bus", "slot", "func"};
	static const uint64_t max[] = {255, 31, 7};
	uint64_t v[ARRAY_LEN(part)], domain;
	size_t i;
	int r;

	if (cfg_raw(node, "pptdev"))
		return err_set(
		    err, -EINVAL,
		    "passthru: pptdev names a FreeBSD driver's device; set"
		    " bus, slot and func");
	for (i = 0; i < ARRAY_LEN(part); i++) {
		if (!cfg_raw(node, part[i]))
			return err_set(
			    err, -EINVAL,
			    "passthru: which device? Give its address, such as"
			    " 3/0/0 (missing %s)",
			    part[i]);
		r = cfg_u64(node, part[i], 0, 0, max[i], err, &v[i]);
		if (r)
			return r;
	}
	r = cfg_u64(node, "domain", 0, 0, UINT32_MAX, err, &domain);
	if (r)
		return r;
	*addr = (struct hostpci_addr){
	    .domain = (uint32_t)domain,
	    .bus = (uint8_t)v[0],
	    .slot = (uint8_t)v[1],
	    .func = (uint8_t)v[2],
	};
	return 0;
}

/* What is not one of the host's functions has no address there. */
static int only_one(struct cfg *node, const char *key, const char *value,
		    struct err *err)
{
	if (cfg_raw(node, "bus") || cfg_raw(node, "slot") ||
	    cfg_raw(node, "func") ||
	    (cfg_raw(node, "mdev") && cfg_raw(node, "vfio-user")))
		return err_set(
		    err, -EINVAL,
		    "passthru: %s=%s: a device of the host, a served and a"
		    " mediated one exclude each other",
		    key, value);
	return 0;
}

/* 1: a mediated device. */
static int options_mdev(struct cfg *node, struct options *o, struct err *err)
{
	char text[CFG_VALUE_MAX];
	int r = cfg_get(node, "mdev", text, sizeof(text), err);

	if (r <= 0)
		return r;
	r = only_one(node, "mdev", text, err);
	if (r)
		return r;
	if (hostpci_mdev_parse(text, o->mdev))
		return err_set(
		    err, -EINVAL,
		    "passthru: mdev=%s: expected a UUID, such as"
		    " 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001, or its path in"
		    " /sys/bus/mdev/devices",
		    text);
	return 1;
}

/* 1: a served device. */
static int options_socket(struct cfg *node, struct options *o, struct err *err)
{
	char path[CFG_VALUE_MAX];
	const char *p;
	int r = cfg_get(node, "vfio-user", path, sizeof(path), err);

	if (r <= 0)
		return r;
	r = only_one(node, "vfio-user", path, err);
	if (r)
		return r;
	/* Words of status lines: no blanks. */
	for (p = path; *p > ' ' && *p < 0x7f; p++)
		;
	if (path[0] != '/' || *p || strlen(path) >= sizeof(o->socket))
		return err_set(
		    err, -EINVAL,
		    "passthru: vfio-user=%s: expected the absolute path of a"
		    " socket, without blanks, at most %zu bytes",
		    path, sizeof(o->socket) - 1);
	snprintf(o->socket, sizeof(o->socket), "%s", path);
	return 1;
}

static int options_reset(struct cfg *node, struct options *o, struct err *err)
{
	char text[16];
	int r = cfg_get(node, "reset", text, sizeof(text), err);

	if (r <= 0)
		return r;
	o->rung_chosen = true;
	if (strcmp(text, "flr") == 0)
		o->first_rung = VFIO_RUNG_FUNCTION;
	else if (strcmp(text, "bus") == 0)
		o->first_rung = VFIO_RUNG_BUS;
	else if (strcmp(text, "pm") == 0)
		o->first_rung = VFIO_RUNG_PM;
	else if (strcmp(text, "d3cold") == 0)
		o->first_rung = VFIO_RUNG_D3COLD;
	else if (strcmp(text, "auto") == 0)
		o->rung_chosen = false;
	else
		return err_set(
		    err, -EINVAL,
		    "passthru: reset=%s: expected auto, flr, bus, pm or d3cold",
		    text);
	if (o->mdev[0] && o->rung_chosen && o->first_rung != VFIO_RUNG_FUNCTION)
		return err_set(err, -EINVAL,
			       "passthru: reset=%s: a mediated device has only"
			       " its driver's reset",
			       text);
	return 0;
}

static int options_intpin(struct cfg *node, struct options *o, struct err *err)
{
	char text[16];
	int r = cfg_get(node, "intpin", text, sizeof(text), err);

	if (r <= 0)
		return r;
	if (text[0] < 'a' || text[0] > 'd' || text[1])
		return err_set(err, -EINVAL,
			       "passthru: intpin=%s: expected a, b, c or d",
			       text);
	o->intpin = (uint8_t)(text[0] - 'a' + 1);
	return 0;
}

static int options_mirror(struct cfg *node, struct options *o, struct err *err)
{
	char text[16];
	int r = cfg_get(node, "mirror", text, sizeof(text), err);

	if (r <= 0)
		return r;
	o->no_mirror = strcmp(text, "off") == 0;
	if (!o->no_mirror && strcmp(text, "on") != 0)
		return err_set(err, -EINVAL,
			       "passthru: mirror=%s: expected on or off", text);
	return 0;
}

static int options_unsafe(struct cfg *node, struct options *o, struct err *err)
{
	char text[64];
	int r = cfg_get(node, "unsafe", text, sizeof(text), err);

	if (r <= 0)
		return r;
	if (hostpci_risk_parse(text, &o->accepted))
		return err_set(err, -EINVAL,
			       "passthru: unsafe=%s: expected interrupts, acs"
			       " or interrupts+acs",
			       text);
	return 0;
}

static int options_rom(struct cfg *node, struct options *o, struct err *err)
{
	int r = cfg_get(node, "rom", o->rom, sizeof(o->rom), err);

	if (r <= 0)
		return r;
	o->no_rom = strcmp(o->rom, "none") == 0;
	o->has_rom = !o->no_rom;
	return 0;
}

int vfio_bar_sizes(struct cfg *node, struct err *err,
		   struct hostpci_bars *ret_bars)
{
	struct hostpci_bars bars = {{0}};
	char key[] = "bar0size", text[32];
	int r;

	for (; key[3] <= '5'; key[3]++) {
		r = cfg_get(node, key, text, sizeof(text), err);
		if (r > 0)
			r = hostpci_bars_set(&bars, key, text, err);
		if (r < 0)
			return r;
		if (r > 0 && cfg_raw(node, "vfio-user"))
			return err_set(err, -EINVAL,
				       "passthru: %s: a served device's BARs"
				       " have the sizes its server gives them",
				       key);
		if (r > 0 && cfg_raw(node, "mdev"))
			return err_set(err, -EINVAL,
				       "passthru: %s: a mediated device's BARs"
				       " have the sizes its driver gives them",
				       key);
	}
	*ret_bars = bars;
	return 0;
}

static int options_read(struct cfg *node, struct options *o, struct err *err)
{
	static const char *const known[] = {
	    "device",	"bus",	     "slot",	 "func",      "domain",
	    "pptdev",	"rom",	     "reset",	 "bootindex", "intpin",
	    "unsafe",	"vfio-user", "port",	 "bar0size",  "bar1size",
	    "bar2size", "bar3size",  "bar4size", "bar5size",  "mirror",
	    "mdev",	NULL};
	uint64_t bootindex;
	int r;

	r = cfg_check_known(node, known, err);
	if (!r)
		r = options_socket(node, o, err);
	if (!r)
		r = options_mdev(node, o, err);
	if (!r)
		r = options_address(node, &o->addr, err);
	if (r >= 0)
		r = options_reset(node, o, err);
	if (!r)
		r = options_intpin(node, o, err);
	if (!r)
		r = options_mirror(node, o, err);
	if (!r)
		r = options_unsafe(node, o, err);
	if (!r)
		r = vfio_bar_sizes(node, err, &o->bars);
	/* For the firmware, which reads it from the tree. */
	if (!r)
		r = cfg_u64(node, "bootindex", 0, 0, INT32_MAX, err,
			    &bootindex);
	return r ? r : options_rom(node, o, err);
}

/* ---- the function ---- */

static void hook_bar_moved(struct pci_dev *dev, unsigned bar, bool on)
{
	if (bar == PCI_BAR_ROM)
		vfio_rom_moved(vfio_device_of(dev), on);
	else
		vfio_bar_moved(vfio_device_of(dev), bar, on);
}

static void device_free(struct vfio_device *d)
{
	vfio_ctx_remove(d->ctx, d);
	if (d->fd >= 0)
		vfio_events_destroy(d);
	vfio_irq_destroy(d);
	vfio_rom_destroy(d);
	vfio_bars_destroy(d);
	vfio_device_close(d);
	vfio_config_destroy(d);
	pci_dev_fini(&d->pci);
	free(d);
}

static void hook_destroy(struct pci_dev *dev)
{
	device_free(vfio_device_of(dev));
}

const char *vfio_selector(struct pci_dev *dev)
{
	return vfio_device_of(dev)->host.selector;
}

const char *vfio_bdf(struct pci_dev *dev)
{
	return vfio_name(vfio_device_of(dev));
}

static const struct pci_ops passthru_ops = {
    .cfg_read = vfio_config_hook_read,
    .cfg_write = vfio_config_hook_write,
    .command_changed = vfio_config_hook_command,
    .bar_read = vfio_bar_read,
    .bar_write = vfio_bar_write,
    .bar_moved = hook_bar_moved,
    .msi_changed = vfio_irq_hook_msi,
    .msix_changed = vfio_irq_hook_msix,
    .destroy = hook_destroy,
};

static struct vfio_device *device_alloc(const struct model_env *env,
					struct pci_addr addr)
{
	struct vfio_device *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->ctx = env->vfio;
	d->ops = d->ctx->ops;
	d->env = *env;
	d->fd = -1;
	d->raw_fd = -1;
	d->parent_fd = -1;
	d->irq.epoll_fd = -1;
	d->irq.intx_fd = -1;
	d->irq.resample_fd = -1;
	d->events.error_fd = -1;
	d->events.request_fd = -1;
	d->rom.slot = VFIO_NO_SLOT;
	if (pci_dev_init(&d->pci, addr, "passthru", &passthru_ops, d)) {
		free(d);
		return NULL;
	}
	d->pci.upstream = env->upstream;
	return d;
}

/*
 * A BAR is resized while no driver has the device, that is not from here: who
 * binds devices does it, as for the manager's guests.
 */
static int host_sizes(const struct hostpci *host, const struct hostpci_dev *dev,
		      const struct hostpci_bars *bars, struct err *err)
{
	char words[16 * ARRAY_LEN(bars->size) * 2] = "";
	size_t i, len = 0;
	int r = hostpci_bars_check(host, dev, bars, err);

	if (r <= 0)
		return r;
	for (i = 0; i < ARRAY_LEN(bars->size); i++)
		if (bars->size[i])
			len += (size_t)snprintf(
			    words + len, sizeof(words) - len,
			    " bar%zusize=%" PRIu64 "M", i, bars->size[i] >> 20);
	return err_set(err, -EBUSY,
		       "%s (%s): its BARs have other sizes than asked for;"
		       " 'vm passthru resize %s%s' changes that, as root and"
		       " while nobody has it open",
		       dev->bdf, dev->selector, dev->bdf, words);
}

/* The host's function, if a guest can have it now. */
static int host_find(struct vfio_device *d, const struct options *o,
		     struct err *err)
{
	const struct hostpci_dev *found;
	struct hostpci *host;
	int r;

	r = vfio_ctx_host(d->ctx, err, &host);
	if (!r)
		r = hostpci_lookup(host, o->addr, err, &found);
	if (!r)
		r = hostpci_usable(host, found, err);
	if (!r)
		r = hostpci_check_risks(host, found, o->accepted, err);
	if (!r)
		r = host_sizes(host, found, &o->bars, err);
	if (!r)
		d->host = *found;
	return r;
}

static int device_build(struct vfio_device *d, const struct options *o,
			struct err *err)
{
	int r;

	r = vfio_device_open(d, err);
	if (!r)
		r = vfio_config_scan(d, err);
	if (!r)
		r = vfio_reset_at_start(d, err);
	if (r)
		return r;
	vfio_verify_baseline(d);
	vfio_mirror_find(d);
	r = vfio_irq_create(d, err);
	if (!r)
		r = vfio_bars_create(d, err);
	if (!r)
		r = vfio_config_build(d, err);
	if (!r && vfio_mirror_build(d))
		r = err_set(err, -ENOMEM, "%s: out of memory", vfio_name(d));
	if (!r && !o->no_rom)
		r = vfio_rom_create(d, o->has_rom ? o->rom : NULL, err);
	if (!r)
		r = vfio_events_create(d, err);
	return r;
}

/* When the server is the cause, that is what helps, not what failed then. */
static int blame_server(struct vfio_device *d, int r, struct err *err)
{
	char why[VFIO_USER_WHY_MAX];

	if (!r || !d->user || !vfio_user_lost(d->user, why))
		return r;
	return err_set(err, r,
		       "%s: its vfio-user server %s; see its log, and restart"
		       " it",
		       vfio_name(d), why);
}

static int device_add(struct vfio_device *d, const struct options *o,
		      struct err *err)
{
	int r;

	if (o->socket[0])
		snprintf(d->socket, sizeof(d->socket), "%s", o->socket);
	memcpy(d->mdev, o->mdev, sizeof(d->mdev));
	if (o->mdev[0])
		r = vfio_mdev_find(d, err);
	else
		r = o->socket[0] ? 0 : host_find(d, o, err);
	if (!r)
		r = vfio_ctx_add(d->ctx, d, err);
	if (!r)
		r = blame_server(d, device_build(d, o, err), err);
	if (!r)
		r = pci_host_add(d->env.pci, &d->pci, err);
	return r;
}

static int passthru_create(const struct model_env *env, struct pci_addr addr,
			   struct cfg *node, struct err *err)
{
	CLEANUP_FREE struct options *o = calloc(1, sizeof(*o));
	struct vfio_device *d;
	int r;

	if (!o)
		return err_set(err, -ENOMEM, "passthru: out of memory");
	r = options_read(node, o, err);
	if (r)
		return r;
	d = device_alloc(env, addr);
	if (!d)
		return err_set(err, -ENOMEM, "passthru: out of memory");
	d->first_rung = o->first_rung;
	d->rung_chosen = o->rung_chosen;
	d->intpin = o->intpin;
	d->no_mirror = o->no_mirror;
	r = device_add(d, o, err);
	if (r) {
		device_free(d);
		return r;
	}
	/* INTx, until the guest asks for messages. */
	pthread_mutex_lock(&d->pci.lock);
	vfio_irq_sync(d);
	pthread_mutex_unlock(&d->pci.lock);
	return 0;
}

const struct pci_model passthru_model = {
    .name = "passthru",
    .summary = "a PCI device of the host (ADDRESS[,rom=FILE][,reset=METHOD]"
	       "[,intpin=a][,port=pcie][,barNsize=SIZE]), one served at "
	       "vfio-user=SOCKET, or a mediated one (mdev=UUID)",
    .parse = passthru_parse,
    .create = passthru_create,
};
