/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * byway's command line from a guest file; the contract is plan.h.
 *
 * Theory of operation
 *
 * One pass in vm-bhyve's order. `next` is the place the next automatic device
 * gets; device_add() writes a device there and does not move it, the kinds
 * move it each in their way: NICs, and disks without UEFI, by one function,
 * and to a fresh slot when the kind is done; passed-through functions by one
 * function as long as they belong together on the host; all others by one
 * slot. A pinned passthru device and the installation image are written at
 * their own place with `next` set aside.
 *
 * What is to boot is left to the firmware, but for an installation: then the
 * image comes first in the first run, and the first disk in later ones, so
 * that a guest that reboots at the end of its installation runs the system it
 * has installed. A bootindex in the guest's file leaves it to the person.
 *
 * Values go to byway as they stand in the file, since byway explains what it
 * does not understand; only paths are made absolute and quoted against
 * byway's %(name).
 */
#include "vm/plan.h"

#include <string.h>
#include <strings.h>

#include "base/cfg.h"
#include "hostpci/hostpci.h"

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
	bool uefi;
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
	char *text = NULL, bus[16] = "";
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (next->bus > 0)
		snprintf(bus, sizeof(bus), "%u:", next->bus);
	words_add(&p->plan->devices, "-s");
	words_add(&p->plan->devices, "%s%u:%u,%s", bus, next->slot, next->func,
		  text ? text : "");
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

/* Has the person said what boots first? */
static bool has_bootindex(const struct conf *conf)
{
	for (size_t i = 0; i < conf->count; i++)
		if (strstr(conf->entry[i].value, "bootindex="))
			return true;
	return false;
}

static bool has_firmware(const struct planner *p)
{
	return p->in->firmware && p->in->firmware->code[0];
}

/* Is the first disk to boot before the installation image? */
static bool disk_goes_first(const struct planner *p)
{
	return p->in->iso && p->in->later_run && has_firmware(p) &&
	       !has_bootindex(p->conf);
}

static void place_next_disk(struct planner *p)
{
	if (p->uefi)
		place_next_slot(&p->next);
	else
		place_next_func(&p->next);
}

static void ahci_flush(struct planner *p)
{
	CLEANUP_FREE char *list = words_join(&p->ahci, ',');

	if (p->ahci.count == 0)
		return;
	device_add(p, "ahci,%s", or_empty(list));
	place_next_disk(p);
	p->plan->devices.failed |= p->ahci.failed || !list;
	words_free(&p->ahci);
}

/* What follows the emulation: the path as byway is to see it, and options. */
static int disk_text(struct planner *p, unsigned n, char buf[2 * PATH_MAX])
{
	const char *opts = conf_get(p->conf, "disk%u_opts", n);
	const char *dev = conf_get(p->conf, "disk%u_dev", n);
	const char *path = p->in->disks->word[n];
	char quoted[PATH_MAX];
	int rc = 0;

	if (!dev || strcmp(dev, "9p") != 0) {
		rc = text_quote(path, p->err, quoted, sizeof(quoted));
		path = quoted;
	}
	if (rc == 0 &&
	    snprintf(buf, 2 * PATH_MAX, "%s%s%s%s", path, comma(opts),
		     or_empty(opts),
		     n == 0 && disk_goes_first(p) ? ",bootindex=1" : "") >=
		2 * PATH_MAX)
		rc = err_set(p->err, -E2BIG, "disk%u: too long", n);
	return rc;
}

static int disks_plan(struct planner *p)
{
	const char *limit_text = conf_get_or(p->conf, "ahci_device_limit", "1");
	unsigned long limit = strtoul(limit_text, NULL, 10);
	size_t count = p->in->disks ? p->in->disks->count : 0;

	for (unsigned n = 0; n < count; n++) {
		const char *type = conf_member(p->conf, "disk%u_type", n);
		char text[2 * PATH_MAX];
		int rc = disk_text(p, n, text);

		if (rc < 0)
			return rc;
		if (limit > 1 && is_ahci(or_empty(type))) {
			words_add(&p->ahci, "%s:%s", type + 5, text);
			if (p->ahci.count >= limit)
				ahci_flush(p);
			continue;
		}
		device_add(p, "%s,%s", or_empty(type), text);
		place_next_disk(p);
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

/* ",unsafe=interrupts+acs": a comma would begin the next option. */
static void unsafe_option(const struct conf *conf, char *buf, size_t size)
{
	const char *words = conf_get_or(conf, "passthru_unsafe", NULL);
	char *comma;

	buf[0] = '\0';
	if (!words)
		return;
	snprintf(buf, size, ",unsafe=%s", words);
	while ((comma = strchr(buf + 1, ',')))
		*comma = '+';
}

/* What the automatic places of passed-through functions depend on. */
struct passthru_places {
	char last[PLAN_ADDRESS_MAX]; /* group of the function before */
	bool any;
};

/* Moves `next` to where an automatic function belongs. */
static void function_place(struct planner *p, const struct plan_function *fn,
			   struct passthru_places *places)
{
	char group[PLAN_ADDRESS_MAX] = "";
	bool own = fn->all || fn->alone || plan_is_foreign(fn->address);

	if (!own)
		passthru_group(fn->address, group, sizeof(group));
	if (places->any && !own && strcmp(group, places->last) == 0)
		place_next_func(&p->next);
	else if (places->any && !(fn->all && !fn->first))
		place_next_slot(&p->next);
	if (fn->all)
		p->next.func = fn->func;
	places->any = true;
	strcpy(places->last, own ? "/" : group);
}

static int function_plan(struct planner *p, const struct plan_function *fn,
			 struct passthru_places *places)
{
	const char *opts = conf_get(p->conf, "passthru%u_options", fn->n);
	struct place_next saved = p->next;
	struct plan_passthru pt;
	char unsafe[64];
	int rc = plan_passthru_parse(p->conf, fn->n, p->err, &pt);

	if (rc < 0)
		return rc;
	if (pt.pinned) {
		p->next.slot = pt.slot;
		p->next.func = fn->all ? fn->func : pt.func;
	} else {
		function_place(p, fn, places);
	}
	if (!fn->first)
		opts = NULL;
	unsafe_option(p->conf, unsafe, sizeof(unsafe));
	if (!fn->dropped)
		device_add(p, "passthru,%s%s%s%s", fn->address, comma(opts),
			   or_empty(opts), unsafe);
	if (pt.pinned)
		p->next = saved;
	return 0;
}

static int passthru_plan(struct planner *p)
{
	unsigned count = p->in->functions ? p->in->functions->count
					  : plan_passthru_count(p->conf);
	struct passthru_places places = {0};

	for (unsigned i = 0; i < count; i++) {
		struct plan_function plain = {.n = i, .first = true};
		const struct plan_function *fn = &plain;
		struct plan_passthru pt;
		int rc = 0;

		if (p->in->functions)
			fn = &p->in->functions->fn[i];
		else
			rc = plan_passthru_parse(p->conf, i, p->err, &pt);
		if (rc == 0 && fn == &plain)
			strcpy(plain.address, pt.address);
		if (rc == 0)
			rc = function_plan(p, fn, &places);
		if (rc < 0)
			return rc;
	}
	if (count > 0)
		place_next_slot(&p->next);
	return 0;
}

/* ",mem64=16G" from passthru_slots_mem64, or nothing. */
static int slots_room(struct planner *p, const char *name, char *buf,
		      size_t size)
{
	const char *text = conf_get(p->conf, "passthru_slots_%s", name);
	uint64_t bytes;

	buf[0] = '\0';
	if (!text)
		return 0;
	if (parse_size(text, &bytes) < 0 ||
	    (size_t)snprintf(buf, size, ",%s=%s", name, text) >= size)
		return err_set(
		    p->err, -EINVAL,
		    "%s: passthru_slots_%s=\"%s\": not a size; write "
		    "for example 64M or 16G",
		    p->conf->path, name, text);
	return 0;
}

/* Empty slots for devices that come while the guest runs. */
static int slots_plan(struct planner *p)
{
	const char *text = conf_get_or(p->conf, "passthru_slots", "0");
	char mem32[32], mem64[32];
	uint64_t count;

	if (parse_u64(text, &count) < 0 || count > PLAN_SLOTS_MAX)
		return err_set(p->err, -EINVAL,
			       "%s:%u: passthru_slots=\"%s\": expected 0 to %u",
			       p->conf->path,
			       conf_line(p->conf, "passthru_slots"), text,
			       PLAN_SLOTS_MAX);
	if (slots_room(p, "mem32", mem32, sizeof(mem32)) < 0 ||
	    slots_room(p, "mem64", mem64, sizeof(mem64)) < 0)
		return -EINVAL;
	while (count--) {
		device_add(p, "pcie-port%s%s", mem32, mem64);
		place_next_slot(&p->next);
	}
	return 0;
}

static bool screen_waits(const struct planner *p)
{
	switch (p->in->screen->wait) {
	case SCREEN_WAIT_YES:
		return true;
	case SCREEN_WAIT_NO:
		return false;
	case SCREEN_WAIT_AUTO:
		break;
	}
	return p->in->iso && !p->in->later_run;
}

/* The password goes where only byway reads it. */
static int password_plan(struct planner *p)
{
	const char *password = conf_get_or(p->conf, "vnc_password", NULL);
	char quoted[CFG_VALUE_MAX];
	int rc;

	if (!password)
		return 0;
	rc = text_quote(password, p->err, quoted, sizeof(quoted));
	if (rc == 0)
		words_add(&p->plan->secrets, "pci.%u.%u.%u.password=%s",
			  p->next.bus, p->next.slot, p->next.func, quoted);
	return rc;
}

static int screen_plan(struct planner *p)
{
	const struct screen *screen = p->in->screen;
	const char *vga = conf_get_or(p->conf, "graphics_vga", NULL);
	char address[SCREEN_ADDRESS_MAX], quoted[2 * SCREEN_ADDRESS_MAX];
	const struct firmware *firmware = p->in->firmware;
	const char *video = firmware ? firmware->video : "";
	char size[32] = "";
	int rc;

	if (!screen || !screen->on)
		return 0;
	screen_address(screen, address);
	rc = text_quote(address, p->err, quoted, sizeof(quoted));
	if (rc == 0)
		rc = password_plan(p);
	if (rc < 0)
		return rc;
	p->plan->waits = screen_waits(p);
	if (screen->width)
		snprintf(size, sizeof(size), ",w=%u,h=%u", screen->width,
			 screen->height);
	device_add(p, "fbuf,%s=%s%s%s%s%s%s%s",
		   screen->is_unix ? "unix" : "tcp", quoted, size,
		   vga ? ",vga=" : "", or_empty(vga), video[0] ? ",rom=" : "",
		   video, p->plan->waits ? ",wait" : "");
	place_next_slot(&p->next);
	return 0;
}

/* One device, a port for each virt_consoleN; a plain "yes" is named N. */
static int consoles_plan(struct planner *p)
{
	CLEANUP_WORDS struct words ports = {0};
	CLEANUP_FREE char *list = NULL;

	for (unsigned n = 0; n < 16; n++) {
		const char *name = conf_get(p->conf, "virt_console%u", n);
		char number[8], quoted[2][PATH_MAX];
		int rc;

		if (!name || conf_text_is_no(name))
			break;
		snprintf(number, sizeof(number), "%u", n);
		if (!strcmp(name, "yes") || !strcmp(name, "on") ||
		    !strcmp(name, "1"))
			name = number;
		rc = text_quote(name, p->err, quoted[0], PATH_MAX);
		if (rc == 0)
			rc = text_quote(p->in->guest->dir, p->err, quoted[1],
					PATH_MAX);
		if (rc < 0)
			return rc;
		words_add(&ports, "%s=%s/vtcon.%s", quoted[0], quoted[1],
			  quoted[0]);
	}
	if (ports.count == 0)
		return 0;
	list = words_join(&ports, ',');
	p->plan->devices.failed |= ports.failed || !list;
	device_add(p, "virtio-console,%s", or_empty(list));
	place_next_slot(&p->next);
	return 0;
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
	if (rc == 0)
		rc = slots_plan(p);
	if (rc == 0)
		rc = screen_plan(p);
	if (rc < 0)
		return rc;
	if (conf_bool(p->conf, "xhci_mouse", false))
		simple_plan(p, "xhci,tablet");
	if (conf_bool(p->conf, "sound", false))
		place_next_slot(&p->next); /* none here: its place stays free */
	return consoles_plan(p);
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

/* Where the guest starts: firmware, or a kernel that byway loads. */
static int boot_plan(struct planner *p)
{
	struct words *options = &p->plan->options;
	const char *cmdline = conf_get(p->conf, "linux_cmdline");
	const struct firmware *fw = p->in->firmware;
	char quoted[2][PATH_MAX], line[CFG_VALUE_MAX];
	int rc;

	if (has_firmware(p)) {
		rc = text_quote(fw->code, p->err, quoted[0], PATH_MAX);
		if (rc == 0)
			rc = text_quote(fw->vars, p->err, quoted[1], PATH_MAX);
		/* As one word, the way vm-bhyve writes it. */
		words_add(options, "-Hwl");
		words_add(options, "bootrom,%s%s%s", quoted[0], comma(fw->vars),
			  quoted[1]);
		return rc;
	}
	words_add(options, "-AHPw");
	rc = file_plan(p, "linux_kernel", "boot.kernel");
	if (rc == 0)
		rc = file_plan(p, "linux_initrd", "boot.initrd");
	if (rc < 0 || !cmdline || !cmdline[0])
		return rc;
	rc = text_quote(cmdline, p->err, line, sizeof(line));
	words_add(options, "-o");
	words_add(options, "boot.cmdline=%s", line);
	return rc;
}

/* Processor and memory: keys that vm-bhyve does not have. */
static void machine_plan(struct planner *p)
{
	static const struct {
		const char *key, *option;
	} known[] = {
	    {"hyperv", "x86.hyperv=true"},
	    {"hide_hypervisor", "x86.hide_hypervisor=true"},
	    {"hugepages", "memory.hugepages=true"},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!conf_bool(p->conf, known[i].key, false))
			continue;
		words_add(&p->plan->options, "-o");
		words_add(&p->plan->options, "%s", known[i].option);
	}
}

static int options_plan(struct planner *p)
{
	struct words *options = &p->plan->options;
	const char *uuid = conf_get(p->conf, "uuid");
	bool asked = conf_bool(p->conf, "wired_memory", false);
	int rc;

	topology_plan(p);
	words_add(options, "-m");
	words_add(options, "%s", conf_get_or(p->conf, "memory", ""));
	rc = boot_plan(p);
	if (rc < 0)
		return rc;
	if (p->in->tpm) {
		words_add(options, "-l");
		words_add(options, "tpm,swtpm,%s", p->in->tpm);
	}
	words_split(options, conf_get(p->conf, "bhyve_options"));
	if (asked)
		words_add(options, "-S");
	if (uuid && uuid[0]) {
		words_add(options, "-U");
		words_add(options, "%s", uuid);
	}
	if (conf_bool(p->conf, "utctime", true))
		words_add(options, "-u");
	machine_plan(p);
	if (!asked && plan_is_wired(p->conf))
		words_add(options, "-S");
	if (p->next.beyond_bus0)
		words_add(options, "-Y");
	return 0;
}

/* An image that is not called .iso is a disk, as in vm-bhyve. */
static int iso_plan(struct planner *p)
{
	const char *slot = conf_get_or(p->conf, "install_slot", "3");
	const char *iso = p->in->iso, *index = "";
	char quoted[PATH_MAX];
	size_t len = iso ? strlen(iso) : 0;
	bool cd = len > 4 && strcasecmp(iso + len - 4, ".iso") == 0;
	int rc;

	if (!iso)
		return 0;
	rc = text_quote(iso, p->err, quoted, sizeof(quoted));
	if (rc < 0)
		return rc;
	if (!has_firmware(p))
		index = "";
	else if (!has_bootindex(p->conf))
		index = p->in->later_run ? ",bootindex=2" : ",bootindex=1";
	else if (!p->in->later_run)
		index = ",bootindex=0";
	words_add(&p->plan->iso, "-s");
	words_add(&p->plan->iso, "%s:0,%s,%s%s%s", slot,
		  cd ? "ahci-cd" : "ahci-hd", quoted, cd ? "" : ",ro", index);
	return 0;
}

static void console_plan(struct planner *p)
{
	unsigned coms[PLAN_COMS], count = plan_coms(p->conf, coms);

	for (unsigned i = 0; i < count; i++) {
		const char *tty = p->in->com[coms[i]];

		if (!tty)
			continue;
		words_add(&p->plan->console, "-l");
		words_add(&p->plan->console, "com%u,%s", coms[i] + 1, tty);
	}
}

static int plan_fill(struct planner *p)
{
	struct plan *plan = p->plan;
	const struct words *all[] = {&plan->options, &plan->devices, &plan->iso,
				     &plan->console, &plan->secrets};
	int rc = devices_plan(p);

	if (rc == 0)
		rc = options_plan(p);
	if (rc == 0)
		rc = iso_plan(p);
	if (rc < 0)
		return rc;
	console_plan(p);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(all); i++)
		rc = words_check(all[i], p->err);
	return rc;
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
	    .uefi = loader_is_uefi(input->conf),
	};
	int rc;

	place_settle(&p.next);
	rc = plan_fill(&p);
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
	words_free(&plan->options);
	words_free(&plan->devices);
	words_free(&plan->iso);
	words_free(&plan->console);
	words_free(&plan->secrets);
}

bool plan_is_wired(const struct conf *conf)
{
	return conf_bool(conf, "wired_memory", false) ||
	       plan_passthru_count(conf) > 0;
}

bool plan_may_pin(const struct conf *conf)
{
	return plan_is_wired(conf) ||
	       strcmp(conf_get_or(conf, "passthru_slots", "0"), "0") != 0;
}

unsigned plan_coms(const struct conf *conf, unsigned ret_coms[PLAN_COMS])
{
	CLEANUP_WORDS struct words ports = {0};
	unsigned count = 0;

	words_split(&ports, conf_get_or(conf, "comports", "com1"));
	for (size_t i = 0; i < ports.count && count < PLAN_COMS; i++) {
		const char *port = ports.word[i];
		unsigned com, seen = 0;

		if (strncmp(port, "com", 3) || port[3] < '1' ||
		    port[3] >= '1' + (int)PLAN_COMS || port[4])
			continue;
		com = (unsigned)(port[3] - '1');
		while (seen < count && ret_coms[seen] != com)
			seen++;
		if (seen == count)
			ret_coms[count++] = com;
	}
	return count;
}
