/* SPDX-License-Identifier: BSD-2-Clause */
/* bhyve's command line; the contract is in options.h. */
#include "byway/options.h"

#include <getopt.h>
#include <string.h>

#include "backend/display/keymap.h"
#include "backend/tpm/tpm.h"
#include "base/log.h"
#include "byway/usage.h"
#include "dev/firmware/fwcfg.h"
#include "machine/catalog.h"

#define SLOT_BUS_MAX	255
#define SLOT_SLOT_MAX	31
#define SLOT_FUNC_MAX	7
#define CPUS_SYNTAX_MAX 65535

/* ---- -c ---- */

static int set_number(struct cfg *root, const char *path, uint64_t value,
		      struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return cfg_set(root, path, text, err);
}

static int cpu_word(struct cfg *root, const char *word, const char *arg,
		    struct err *err)
{
	static const char *const names[] = {"cpus", "sockets", "cores",
					    "threads", NULL};
	const char *eq = strchr(word, '='), *value = eq ? eq + 1 : word;
	const char *path = "cpus";
	uint64_t n;
	size_t i;

	if (eq) {
		for (i = 0; names[i]; i++)
			if (strlen(names[i]) == (size_t)(eq - word) &&
			    !strncmp(names[i], word, (size_t)(eq - word)))
				break;
		if (!names[i])
			return err_set(
			    err, -EINVAL,
			    "-c %s: '%s' is not one of cpus, sockets, cores,"
			    " threads",
			    arg, word);
		path = names[i];
	}
	if (parse_u64(value, &n) || n < 1 || n > CPUS_SYNTAX_MAX)
		return err_set(err, -EINVAL,
			       "-c %s: '%s' is not a number from 1 to %d", arg,
			       value, CPUS_SYNTAX_MAX);
	return set_number(root, path, n, err);
}

int options_cpus(struct cfg *root, const char *arg, struct err *err)
{
	CLEANUP_FREE char *copy = strdup(arg);
	char *word, *rest = copy;
	int r = 0;

	if (!copy)
		return err_set(err, -ENOMEM, "-c: out of memory");
	while (!r && (word = strsep(&rest, ",")))
		if (*word)
			r = cpu_word(root, word, arg, err);
	return r;
}

/* ---- -m ---- */

int options_memory(struct cfg *root, const char *arg, struct err *err)
{
	uint64_t bytes;

	if (parse_memory(arg, &bytes) || bytes == 0)
		return err_set(
		    err, -EINVAL,
		    "-m %s: not a memory size; write for example 512M or 8G",
		    arg);
	if (bytes < MIB(1))
		return err_set(
		    err, -EINVAL,
		    "-m %s: must be at least 2M; write for example 512M or 8G",
		    arg);
	return set_number(root, "memory.size", bytes, err);
}

/* ---- -s ---- */

struct slot_name {
	uint64_t bus, slot, func;
};

static int slot_parse(const char *text, struct err *err,
		      struct slot_name *ret_name)
{
	CLEANUP_FREE char *copy = strdup(text);
	uint64_t part[3] = {0};
	char *word, *rest = copy;
	unsigned n = 0;

	if (!copy)
		return err_set(err, -ENOMEM, "-s: out of memory");
	while ((word = strsep(&rest, ":"))) {
		if (n == 3 || strspn(word, "0123456789") != strlen(word) ||
		    parse_u64(word, &part[n++]))
			return err_set(
			    err, -EINVAL,
			    "Invalid PCI slot info field \"%s\": expected"
			    " [bus:]slot[:function] in decimal",
			    text);
	}
	*ret_name = n == 1   ? (struct slot_name){0, part[0], 0}
		    : n == 2 ? (struct slot_name){0, part[0], part[1]}
			     : (struct slot_name){part[0], part[1], part[2]};
	if (ret_name->bus > SLOT_BUS_MAX || ret_name->slot > SLOT_SLOT_MAX ||
	    ret_name->func > SLOT_FUNC_MAX)
		return err_set(
		    err, -EINVAL,
		    "Invalid PCI slot info field \"%s\": bus is 0-%d, slot"
		    " 0-%d, function 0-%d",
		    text, SLOT_BUS_MAX, SLOT_SLOT_MAX, SLOT_FUNC_MAX);
	return 0;
}

/* Those that bhyve has and this version does not. */
static bool is_missing_device(const char *name)
{
	static const char *const missing[] = {"hda", "uart", "virtio-9p",
					      "virtio-input"};

	for (size_t i = 0; i < ARRAY_LEN(missing); i++)
		if (!strcmp(missing[i], name))
			return true;
	return false;
}

static int unknown_device(const struct slot_name *at, const char *name,
			  struct err *err)
{
	const char *near = catalog_nearest(name);

	if (is_missing_device(name))
		return err_set(err, -EINVAL,
			       "pci slot %llu:%llu:%llu: bhyve's device \"%s\""
			       " is not in this version; leave it out",
			       (unsigned long long)at->bus,
			       (unsigned long long)at->slot,
			       (unsigned long long)at->func, name);
	return err_set(err, -EINVAL,
		       "pci slot %llu:%llu:%llu: unknown device \"%s\"%s%s%s",
		       (unsigned long long)at->bus,
		       (unsigned long long)at->slot,
		       (unsigned long long)at->func, name,
		       near ? "; did you mean " : "; -s help lists them",
		       near ? near : "", near ? "?" : "");
}

static int slot_set(struct cfg *root, const struct slot_name *at,
		    const char *name, const char *opts, struct err *err)
{
	const struct pci_model *model = catalog_find(name);
	struct cfg *node;
	char path[48];
	int r;

	if (!model)
		return unknown_device(at, name, err);
	snprintf(path, sizeof(path), "pci.%llu.%llu.%llu",
		 (unsigned long long)at->bus, (unsigned long long)at->slot,
		 (unsigned long long)at->func);
	r = cfg_make(root, path, err, &node);
	if (r)
		return r;
	if (cfg_raw(node, "device"))
		return err_set(
		    err, -EEXIST, "pci slot %llu:%llu:%llu already occupied!",
		    (unsigned long long)at->bus, (unsigned long long)at->slot,
		    (unsigned long long)at->func);
	r = cfg_set(node, "device", model->name, err);
	if (r || !opts)
		return r;
	return model->parse ? model->parse(node, opts, err)
			    : cfg_set_list(node, opts, err);
}

int options_slot(struct cfg *root, const char *arg, struct err *err)
{
	CLEANUP_FREE char *copy = strdup(arg);
	char *rest = copy, *slot, *name;
	struct slot_name at = {0};
	int r;

	if (!copy)
		return err_set(err, -ENOMEM, "-s: out of memory");
	slot = strsep(&rest, ",");
	name = strsep(&rest, ",");
	if (!name || !*name)
		return err_set(
		    err, -EINVAL,
		    "-s %s: expected slot,device[,options]; -s help lists"
		    " devices",
		    arg);
	r = slot_parse(slot, err, &at);
	return r ? r : slot_set(root, &at, name, rest, err);
}

/* ---- -l ---- */

/* bootrom,FILE[,VARS][,fwcfg=qemu] */
static int lpc_bootrom(struct cfg *root, const char *arg, char *rest,
		       struct err *err)
{
	const char *rom = strsep(&rest, ","), *word;
	bool vars = false;
	int r;

	if (!rom || !*rom)
		return err_set(err, -EINVAL,
			       "-l %s: which firmware? expected"
			       " bootrom,FILE[,VARIABLES]",
			       arg);
	r = cfg_set(root, "bootrom", rom, err);
	while (!r && (word = strsep(&rest, ","))) {
		if (!strncmp(word, "fwcfg=", 6)) {
			r = cfg_set(root, "lpc.fwcfg", word + 6, err);
		} else if (!vars && *word) {
			r = cfg_set(root, "bootvars", word, err);
			vars = true;
		} else {
			r = err_set(err, -EINVAL,
				    "-l %s: \"%s\" is not expected here", arg,
				    word);
		}
	}
	return r;
}

static int lpc_tpm(struct cfg *root, const char *arg, const char *rest,
		   struct err *err)
{
	struct cfg *node;
	int r = cfg_make(root, "tpm", err, &node);

	if (!r)
		r = tpm_parse(node, rest ? rest : "", err);
	return r ? err_prefix(err, "-l %s", arg) : 0;
}

static int lpc_com(struct cfg *root, const char *arg, const char *name,
		   const char *rest, struct err *err)
{
	char path[32];

	if (!rest || !*rest)
		return err_set(
		    err, -EINVAL,
		    "-l %s: where to? expected %s,stdio or a tty, tcp=ip:port"
		    " or a socket path",
		    arg, name);
	snprintf(path, sizeof(path), "lpc.%s.path", name);
	return cfg_set(root, path, rest, err);
}

static int lpc_unknown(const char *name, const char *arg, struct err *err)
{
	static const char *const known[] = {"com1",    "com2", "com3",	"com4",
					    "bootrom", "tpm",  "fwcfg", NULL};
	const char *near = nearest_word(name, known);

	if (!strcmp(name, "pc-testdev"))
		return err_set(err, -ENOTSUP,
			       "-l %s: %s is not in this version", arg, name);
	return err_set(err, -EINVAL, "-l %s: unknown LPC device \"%s\"%s%s%s",
		       arg, name,
		       near ? "; did you mean " : "; -l help lists them",
		       near ? near : "", near ? "?" : "");
}

int options_lpc(struct cfg *root, const char *arg, struct err *err)
{
	CLEANUP_FREE char *copy = strdup(arg);
	char *rest = copy, *name;

	if (!copy)
		return err_set(err, -ENOMEM, "-l: out of memory");
	name = strsep(&rest, ",");
	if (strlen(name) == 4 && !strncmp(name, "com", 3) && name[3] >= '1' &&
	    name[3] <= '4')
		return lpc_com(root, arg, name, rest, err);
	if (!strcmp(name, "bootrom"))
		return lpc_bootrom(root, arg, rest, err);
	if (!strcmp(name, "tpm"))
		return lpc_tpm(root, arg, rest, err);
	if (!strcmp(name, "fwcfg"))
		return cfg_set(root, "lpc.fwcfg", rest ? rest : "", err);
	return lpc_unknown(name, arg, err);
}

/* ---- -k ---- */

int options_file(struct cfg *root, const char *path, struct err *err)
{
	CLEANUP_FCLOSE FILE *file = fopen(path, "re");
	CLEANUP_FREE char *line = NULL;
	unsigned number = 0;
	size_t room = 0;
	ssize_t len;
	int r = 0;

	if (!file)
		return err_sys(err, errno, "-k %s: cannot read", path);
	while (!r && (len = getline(&line, &room, file)) >= 0) {
		number++;
		while (len > 0 && strchr("\r\n \t", line[len - 1]))
			line[--len] = '\0';
		if (len == 0 || line[0] == '#')
			continue;
		r = cfg_set_assignment(root, line, err);
		if (r)
			err_prefix(err, "%s: line %u: invalid config option",
				   path, number);
	}
	return r;
}

/* ---- the rest ---- */

static int pin(struct cfg *root, const char *arg, struct err *err)
{
	char path[48], list[CFG_VALUE_MAX];
	const char *colon = strchr(arg, ':'), *old;
	uint64_t vcpu, cpu;
	char number[16] = "";

	if (colon && (size_t)(colon - arg) < sizeof(number))
		memcpy(number, arg, (size_t)(colon - arg));
	if (!colon || parse_u64(number, &vcpu) || parse_u64(colon + 1, &cpu) ||
	    vcpu > CPUS_SYNTAX_MAX)
		return err_set(err, -EINVAL,
			       "-p %s: expected vcpu:hostcpu, two numbers",
			       arg);
	snprintf(path, sizeof(path), "vcpu.%llu.cpuset",
		 (unsigned long long)vcpu);
	old = cfg_raw(root, path);
	snprintf(list, sizeof(list), "%s%s%llu", old ? old : "", old ? "," : "",
		 (unsigned long long)cpu);
	return cfg_set(root, path, list, err);
}

/* Flags that set one variable, as in bhyve. */
struct flag {
	char letter;
	const char *path, *value;
};

static const struct flag flags[] = {
    {'a', "x86.x2apic", "false"},	   {'A', "acpi_tables", "true"},
    {'C', "memory.guest_in_core", "true"}, {'D', "destroy_on_poweroff", "true"},
    {'e', "x86.strictio", "true"},	   {'H', "x86.vmexit_on_hlt", "true"},
    {'P', "x86.vmexit_on_pause", "true"},  {'S', "memory.wired", "true"},
    {'u', "rtc.use_localtime", "false"},   {'w', "x86.strictmsr", "false"},
    {'W', "virtio_msix", "false"},	   {'x', "x86.x2apic", "true"},
    {'Y', "x86.mptable", "false"},
};

static const struct flag values[] = {
    {'K', "keyboard.layout", NULL},
    {'U', "uuid", NULL},
};

static int apply_flag(struct cfg *root, int letter, const char *arg,
		      struct err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].letter == letter)
			return cfg_set(root, flags[i].path, flags[i].value,
				       err);
	for (i = 0; i < ARRAY_LEN(values); i++)
		if (values[i].letter == letter)
			return cfg_set(root, values[i].path, arg, err);
	return err_set(err, -ENOTSUP, "-%c: not in this version", letter);
}

static int apply(struct cfg *root, int letter, const char *arg, struct err *err)
{
	switch (letter) {
	case 'c':
		return options_cpus(root, arg, err);
	case 'm':
		return options_memory(root, arg, err);
	case 's':
		return options_slot(root, arg, err);
	case 'l':
		return options_lpc(root, arg, err);
	case 'k':
		return options_file(root, arg, err);
	case 'o':
		return cfg_set_assignment(root, arg, err)
			   ? err_prefix(err, "-o %s", arg)
			   : 0;
	case 'p':
		return pin(root, arg, err);
	case 'f':
		return fwcfg_parse_user(root, arg, err);
	case 'I':
		return 0; /* obsolete in bhyve too */
	default:
		return apply_flag(root, letter, arg, err);
	}
}

static enum options_result take_name(int argc, char **argv, struct cfg *root,
				     struct err *err)
{
	if (argc - optind > 1) {
		usage_print(stderr);
		return OPTIONS_USAGE;
	}
	if (argc - optind == 1 && cfg_set(root, "name", argv[optind], err))
		return OPTIONS_BAD;
	if (!cfg_raw(root, "name")) {
		usage_print(stderr);
		return OPTIONS_USAGE;
	}
	return OPTIONS_RUN;
}

/* Here, as a guest without a screen has no other who would look. */
static int check_layout(struct cfg *root, struct err *err)
{
	char layout[KEYMAP_NAME_MAX];
	int r = cfg_get(root, "keyboard.layout", layout, sizeof(layout), err);

	return r > 0 ? keymap_check(layout, err) : r;
}

enum options_result options_parse(int argc, char **argv, struct cfg *root,
				  struct err *err)
{
	static const char letters[] =
	    ":aehuwxACDHIMPSWYk:f:o:p:G:c:s:m:n:l:K:U:r:";
	int c;

	optind = 1;
	while ((c = getopt(argc, argv, letters)) != -1) {
		if (c == 'h') {
			usage_print(stdout);
			return OPTIONS_HELP;
		}
		if ((c == 's' || c == 'l') && !strcmp(optarg, "help")) {
			usage_devices(stdout, c);
			return OPTIONS_HELP;
		}
		if (c == '?' || c == ':') {
			err_set(
			    err, -EINVAL,
			    c == '?'
				? "-%c: unknown option; byway -h lists them"
				: "-%c: needs an argument; byway -h shows it",
			    optopt);
			return OPTIONS_BAD;
		}
		if (apply(root, c, optarg, err))
			return OPTIONS_BAD;
	}
	if (check_layout(root, err))
		return OPTIONS_BAD;
	return take_name(argc, argv, root, err);
}

static const char *const known_variables[] = {"acpi_tables",
					      "acpi_tables_in_memory",
					      "bios.release_date",
					      "bios.vendor",
					      "bios.version",
					      "board.asset_tag",
					      "board.location",
					      "board.manufacturer",
					      "board.product_name",
					      "board.serial_number",
					      "board.version",
					      "boot.cache",
					      "boot.cmdline",
					      "boot.initrd",
					      "boot.kernel",
					      "boot.unpack",
					      "bootrom",
					      "bootvars",
					      "chassis.asset_tag",
					      "chassis.manufacturer",
					      "chassis.serial_number",
					      "chassis.sku",
					      "chassis.version",
					      "config.dump",
					      "control",
					      "cores",
					      "cpus",
					      "destroy_on_poweroff",
					      "keyboard.layout",
					      "log.debug",
					      "memory.guest_in_core",
					      "memory.hugepages",
					      "memory.size",
					      "memory.wired",
					      "name",
					      "pci.enable_bars",
					      "plan",
					      "rtc.use_localtime",
					      "sockets",
					      "status.fd",
					      "system.family_name",
					      "system.manufacturer",
					      "system.product_name",
					      "system.serial_number",
					      "system.sku",
					      "system.version",
					      "threads",
					      "tpm.path",
					      "tpm.type",
					      "tpm.version",
					      "uuid",
					      "virtio_msix",
					      "x86.hide_hypervisor",
					      "x86.hpet",
					      "x86.hyperv",
					      "x86.kvm",
					      "x86.mptable",
					      "x86.phys_bits",
					      "x86.strictio",
					      "x86.strictmsr",
					      "x86.verbosemsr",
					      "x86.vmexit_on_hlt",
					      "x86.vmexit_on_pause",
					      "x86.x2apic",
					      NULL};

static bool variable_known(const char *path)
{
	/* Device nodes are checked by their models. */
	static const char *const families[] = {"pci.", "lpc.", "vcpu.",
					       "fwcfg.", "vfio.group."};
	size_t i;

	for (i = 0; i < ARRAY_LEN(families); i++)
		if (!strncmp(path, families[i], strlen(families[i])))
			return true;
	for (i = 0; known_variables[i]; i++)
		if (!strcmp(path, known_variables[i]))
			return true;
	return false;
}

static void warn_below(struct cfg *node)
{
	char path[CFG_PATH_MAX];
	const char *near;
	struct cfg *child;

	for (child = cfg_first(node); child; child = cfg_next(child)) {
		cfg_path(child, path, sizeof(path));
		if (cfg_raw(child, "") && !variable_known(path)) {
			near = nearest_word(path, known_variables);
			log_warn("%s: unknown config variable%s%s%s", path,
				 near ? "; did you mean " : "",
				 near ? near : "", near ? "?" : "");
		}
		warn_below(child);
	}
}

void options_warn_unknown(struct cfg *root)
{
	warn_below(root);
}
