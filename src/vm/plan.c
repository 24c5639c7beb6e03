/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * byway's command line from a guest file; the contract is plan.h.
 *
 * Theory of operation
 *
 * One pass in vm-bhyve's order. `next` is the place the next automatic device
 * gets; device_add() writes a device there and does not move it, the kinds
 * move it each in their way: disks and NICs by one function, and to a fresh
 * slot when the kind is done; passed-through functions by one function as long
 * as they belong together on the host; all others by one slot. A pinned
 * passthru device is written at its own place with `next` set aside.
 *
 * Values go to byway as they stand in the file, since byway explains what it
 * does not understand; only paths are made absolute and quoted against
 * byway's %(name).
 */
#include "vm/plan.h"

#include <string.h>

#include "base/cfg.h"

/* Where the next automatic device goes. */
struct place_next {
	unsigned bus, slot, func;
	bool beyond_bus0;
};

struct planner {
	const struct plan_input *in;
	const struct conf *conf;
	struct err *err;
	struct plan *plan;
	struct place_next next;
	struct words ahci; /* disks collected for one shared controller */
};

/* Slot 31 of bus 0 belongs to the LPC bridge; other buses end at 32. */
static void place_settle(struct place_next *next)
{
	if (next->slot < (next->bus == 0 ? 31 : 32))
		return;
	next->slot = 0;
	next->bus++;
	next->beyond_bus0 = true;
}

static void place_next_slot(struct place_next *next)
{
	next->slot++;
	next->func = 0;
	place_settle(next);
}

static void place_next_func(struct place_next *next)
{
	if (++next->func == 8)
		place_next_slot(next);
}

static void device_add(struct planner *p, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

static void device_add(struct planner *p, const char *fmt, ...)
{
	const struct place_next *next = &p->next;
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	words_add(&p->plan->devices, "-s");
	words_add(&p->plan->devices, "%u:%u:%u,%s", next->bus, next->slot,
		  next->func, text ? text : "");
	p->plan->devices.failed |= !text;
	free(text);
}

/* "," before something that is there, "" before nothing. */
static const char *comma(const char *text)
{
	return text && text[0] ? "," : "";
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* byway expands %(name) in values; "%%" is a plain per cent sign. */
static int text_quote(const char *text, struct err *err, char *buf, size_t size)
{
	const char *start = text;
	size_t len = 0;

	for (; *text && len + 3 < size; text++) {
		if (*text == '%')
			buf[len++] = '%';
		buf[len++] = *text;
	}
	buf[len] = '\0';
	if (*text)
		return err_set(err, -E2BIG, "'%.60s...': too long for byway",
			       start);
	return 0;
}

static bool is_ahci(const char *type)
{
	return strcmp(type, "ahci-hd") == 0 || strcmp(type, "ahci-cd") == 0;
}

static void ahci_flush(struct planner *p)
{
	CLEANUP_FREE char *list = words_join(&p->ahci, ',');

	if (p->ahci.count == 0)
		return;
	device_add(p, "ahci,%s", or_empty(list));
	place_next_func(&p->next);
	p->plan->devices.failed |= p->ahci.failed || !list;
	words_free(&p->ahci);
}

/* What follows the emulation: the disk's path as byway is to see it. */
static int disk_path(struct planner *p, unsigned n, char buf[PATH_MAX])
{
	const char *dev = conf_get(p->conf, "disk%u_dev", n);
	const char *name = conf_get(p->conf, "disk%u_name", n);
	char path[PATH_MAX];
	int rc;

	if (dev && strcmp(dev, "9p") == 0) {
		if (snprintf(buf, PATH_MAX, "%s", name) >= PATH_MAX)
			return err_set(p->err, -E2BIG, "disk%u_name: too long",
				       n);
		return 0;
	}
	rc = guest_path(p->in->guest, name, p->err, path);
	if (rc < 0)
		return rc;
	return text_quote(path, p->err, buf, PATH_MAX);
}

static int disks_plan(struct planner *p)
{
	const char *limit_text = conf_get_or(p->conf, "ahci_device_limit", "1");
	unsigned long limit = strtoul(limit_text, NULL, 10);
	const char *type;

	for (unsigned n = 0; (type = conf_member(p->conf, "disk%u_type", n));
	     n++) {
		const char *opts = conf_get(p->conf, "disk%u_opts", n);
		char path[PATH_MAX];
		int rc = disk_path(p, n, path);

		if (rc < 0)
			return rc;
		if (limit > 1 && is_ahci(type)) {
			words_add(&p->ahci, "%s:%s%s%s", type + 5, path,
				  comma(opts), or_empty(opts));
			if (p->ahci.count >= limit)
				ahci_flush(p);
			continue;
		}
		device_add(p, "%s,%s%s%s", type, path, comma(opts),
			   or_empty(opts));
		place_next_func(&p->next);
	}
	ahci_flush(p);
	if (p->next.func > 0)
		place_next_slot(&p->next);
	return 0;
}

static void nics_plan(struct planner *p)
{
	const struct words *nics = p->in->nics;

	for (unsigned n = 0; nics && n < nics->count; n++) {
		const char *type = conf_member(p->conf, "network%u_type", n);
		const char *mac = conf_get(p->conf, "network%u_mac", n);

		if (!type)
			break;
		device_add(p, "%s,%s%s%s", type, nics->word[n],
			   mac ? ",mac=" : "", or_empty(mac));
		place_next_func(&p->next);
	}
	if (p->next.func > 0)
		place_next_slot(&p->next);
}

static void simple_plan(struct planner *p, const char *text)
{
	device_add(p, "%s", text);
	place_next_slot(&p->next);
}

/*
 * What decides whether two host functions share a guest slot: for B/S/F the
 * bus alone (vm-bhyve's rule, kept so that guests keep their addresses), for
 * the other ways of writing an address the whole of it without the function.
 */
static void passthru_group(const char *address, char *buf, size_t size)
{
	const char *end = strchr(address, '/');

	if (!end)
		end = strrchr(address, '.');
	if (!end)
		end = strrchr(address, ':');
	if (!end)
		end = address + strlen(address);
	snprintf(buf, size, "%.*s", (int)(end - address), address);
}

static int passthru_plan(struct planner *p)
{
	unsigned count = plan_passthru_count(p->conf);
	char last[64] = "", group[64];
	bool any_auto = false;

	for (unsigned n = 0; n < count; n++) {
		const char *opts = conf_get(p->conf, "passthru%u_options", n);
		struct place_next saved = p->next;
		struct plan_passthru pt;
		int rc = plan_passthru_parse(p->conf, n, p->err, &pt);

		if (rc < 0)
			return rc;
		passthru_group(pt.address, group, sizeof(group));
		if (pt.pinned) {
			p->next.slot = pt.slot;
			p->next.func = pt.func;
		} else if (any_auto && strcmp(group, last) == 0) {
			place_next_func(&p->next);
		} else if (any_auto) {
			place_next_slot(&p->next);
		}
		device_add(p, "passthru,%s%s%s", pt.address, comma(opts),
			   or_empty(opts));
		if (pt.pinned) {
			p->next = saved;
			continue;
		}
		any_auto = true;
		strcpy(last, group);
	}
	if (count > 0)
		place_next_slot(&p->next);
	return 0;
}

static void sound_plan(struct planner *p)
{
	const char *rec = conf_get_or(p->conf, "sound_rec", NULL);

	device_add(p, "hda,play=%s%s%s",
		   conf_get_or(p->conf, "sound_play", "/dev/dsp0"),
		   rec ? ",rec=" : "", or_empty(rec));
	place_next_slot(&p->next);
}

/* One device, a port for each virt_consoleN; a plain "yes" is named N. */
static void consoles_plan(struct planner *p)
{
	CLEANUP_WORDS struct words ports = {0};
	CLEANUP_FREE char *list = NULL;

	for (unsigned n = 0; n < 16; n++) {
		const char *name = conf_get(p->conf, "virt_console%u", n);
		char number[8];

		if (!name || conf_text_is_no(name))
			break;
		snprintf(number, sizeof(number), "%u", n);
		if (!strcmp(name, "yes") || !strcmp(name, "on") ||
		    !strcmp(name, "1"))
			name = number;
		words_add(&ports, "%s=%s/vtcon.%s", name, p->in->guest->dir,
			  name);
	}
	if (ports.count == 0)
		return;
	list = words_join(&ports, ',');
	p->plan->devices.failed |= ports.failed || !list;
	device_add(p, "virtio-console,%s", or_empty(list));
	place_next_slot(&p->next);
}

static int devices_plan(struct planner *p)
{
	const char *bridge = conf_get_or(p->conf, "hostbridge", "standard");
	const char *fwcfg = conf_get(p->conf, "fwcfg");
	struct words *devices = &p->plan->devices;
	int rc;

	if (strncmp(bridge, "no", 2) != 0) {
		words_add(devices, "-s");
		words_add(devices, "0,%s",
			  strcmp(bridge, "amd") == 0 ? "amd_hostbridge"
						     : "hostbridge");
	}
	words_add(devices, "-s");
	words_add(devices, "31,lpc%s%s", fwcfg && fwcfg[0] ? ",fwcfg=" : "",
		  fwcfg ? fwcfg : "");
	rc = disks_plan(p);
	if (rc < 0)
		return rc;
	nics_plan(p);
	if (conf_bool(p->conf, "virt_random", false))
		simple_plan(p, "virtio-rnd");
	rc = passthru_plan(p);
	if (rc < 0)
		return rc;
	if (conf_bool(p->conf, "xhci_mouse", false))
		simple_plan(p, "xhci,tablet");
	if (conf_bool(p->conf, "sound", false))
		sound_plan(p);
	consoles_plan(p);
	return 0;
}

static void topology_plan(struct planner *p)
{
	static const char *const part[] = {"sockets", "cores", "threads"};
	CLEANUP_WORDS struct words parts = {0};
	CLEANUP_FREE char *list = NULL;

	words_add(&parts, "%s", conf_get_or(p->conf, "cpu", ""));
	for (size_t i = 0; i < ARRAY_LEN(part); i++) {
		const char *value = conf_get(p->conf, "cpu_%s", part[i]);

		if (value && value[0])
			words_add(&parts, "%s=%s", part[i], value);
	}
	list = words_join(&parts, ',');
	words_add(&p->plan->options, "-c");
	words_add(&p->plan->options, "%s", or_empty(list));
	p->plan->options.failed |= parts.failed || !list;
}

/* -o NAME=PATH for a file of the guest. */
static int file_plan(struct planner *p, const char *key, const char *variable)
{
	const char *value = conf_get(p->conf, "%s", key);
	char path[PATH_MAX], quoted[2 * PATH_MAX];
	int rc;

	if (!value || !value[0])
		return 0;
	rc = guest_path(p->in->guest, value, p->err, path);
	if (rc < 0)
		return rc;
	rc = text_quote(path, p->err, quoted, sizeof(quoted));
	if (rc < 0)
		return rc;
	words_add(&p->plan->options, "-o");
	words_add(&p->plan->options, "%s=%s", variable, quoted);
	return 0;
}

static int options_plan(struct planner *p)
{
	struct words *options = &p->plan->options;
	const char *cmdline = conf_get(p->conf, "linux_cmdline");
	const char *uuid = conf_get(p->conf, "uuid");
	int rc;

	topology_plan(p);
	words_add(options, "-m");
	words_add(options, "%s", conf_get_or(p->conf, "memory", ""));
	words_add(options, "-AHPw");
	rc = file_plan(p, "linux_kernel", "boot.kernel");
	if (rc == 0)
		rc = file_plan(p, "linux_initrd", "boot.initrd");
	if (rc < 0)
		return rc;
	if (cmdline && cmdline[0]) {
		char quoted[CFG_VALUE_MAX];

		rc = text_quote(cmdline, p->err, quoted, sizeof(quoted));
		if (rc < 0)
			return rc;
		words_add(options, "-o");
		words_add(options, "boot.cmdline=%s", quoted);
	}
	words_split(options, conf_get(p->conf, "bhyve_options"));
	if (plan_is_wired(p->conf))
		words_add(options, "-S");
	if (uuid && uuid[0]) {
		words_add(options, "-U");
		words_add(options, "%s", uuid);
	}
	if (conf_bool(p->conf, "utctime", true))
		words_add(options, "-u");
	if (p->next.beyond_bus0)
		words_add(options, "-Y");
	return 0;
}

static void console_plan(struct planner *p)
{
	for (unsigned i = 0; i < PLAN_COMS; i++) {
		if (!p->in->com[i])
			continue;
		words_add(&p->plan->console, "-l");
		words_add(&p->plan->console, "com%u,%s", i + 1, p->in->com[i]);
	}
}

int plan_make(const struct plan_input *input, struct err *err,
	      struct plan *ret_plan)
{
	const char *start = conf_get_or(input->conf, "start_slot", "4");
	struct plan plan = {0};
	struct planner p = {
	    .in = input,
	    .conf = input->conf,
	    .err = err,
	    .plan = &plan,
	    .next = {.slot = (unsigned)strtoul(start, NULL, 10)},
	};
	int rc;

	place_settle(&p.next);
	rc = devices_plan(&p);
	if (rc == 0)
		rc = options_plan(&p);
	if (rc == 0) {
		console_plan(&p);
		rc = words_check(&plan.devices, err);
	}
	if (rc == 0)
		rc = words_check(&plan.options, err);
	if (rc == 0)
		rc = words_check(&plan.console, err);
	words_free(&p.ahci);
	if (rc < 0) {
		plan_free(&plan);
		return rc;
	}
	*ret_plan = plan;
	return 0;
}

void plan_free(struct plan *plan)
{
	words_free(&plan->devices);
	words_free(&plan->options);
	words_free(&plan->console);
}

bool plan_is_wired(const struct conf *conf)
{
	return conf_bool(conf, "wired_memory", false) ||
	       plan_passthru_count(conf) > 0;
}

bool plan_has_com(const struct conf *conf, unsigned com)
{
	CLEANUP_WORDS struct words ports = {0};
	char name[16];

	snprintf(name, sizeof(name), "com%u", com + 1);
	words_split(&ports, conf_get_or(conf, "comports", "com1"));
	return words_contain(&ports, name);
}

unsigned plan_first_com(const struct conf *conf)
{
	const char *ports = conf_get_or(conf, "comports", "com1");

	ports += strspn(ports, " \t");
	if (strncmp(ports, "com", 3) == 0 && ports[3] >= '1' &&
	    ports[3] < '1' + (int)PLAN_COMS)
		return (unsigned)(ports[3] - '1');
	return 0;
}

unsigned plan_passthru_count(const struct conf *conf)
{
	unsigned n = 0;
	const char *value;

	while ((value = conf_get(conf, "passthru%u", n)) && value[0])
		n++;
	return n;
}

int plan_passthru_parse(const struct conf *conf, unsigned n, struct err *err,
			struct plan_passthru *ret_passthru)
{
	const char *value = conf_get(conf, "passthru%u", n);
	struct plan_passthru pt = {0};
	int used = -1;
	char key[32];
	size_t len;

	snprintf(key, sizeof(key), "passthru%u", n);
	if (!value)
		return err_set(err, -ENOENT, "%s is not set", key);
	len = strcspn(value, "=");
	snprintf(pt.address, sizeof(pt.address), "%.*s", (int)len, value);
	pt.pinned = value[len] == '=';
	if (pt.pinned &&
	    (sscanf(value + len, "=%2u:%1u%n", &pt.slot, &pt.func, &used) !=
		 2 ||
	     used < 0 || value[len + used] || pt.slot > 31 || pt.func > 7))
		return err_set(
		    err, -EINVAL,
		    "%s:%u: %s=\"%s\": expected =SLOT:FUNCTION (0 to 31, 0 to "
		    "7) after the address",
		    conf->path, conf_line(conf, key), key, value);
	if (len == 0 || len >= sizeof(pt.address) ||
	    strpbrk(pt.address, ", \t"))
		return err_set(
		    err, -EINVAL,
		    "%s:%u: %s=\"%s\": expected BUS/SLOT/FUNCTION (decimal), "
		    "as `vm passthru` prints it",
		    conf->path, conf_line(conf, key), key, value);
	*ret_passthru = pt;
	return 0;
}
