/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of guest file keys; the contract is keys.h. */
#include "vm/keys.h"

#include <ctype.h>
#include <string.h>

#include "base/cfg.h"
#include "vm/firmware.h"
#include "vm/screen.h"

/* What this version does with a key. */
enum key_use {
	KEY_USED,
	KEY_LINUX,     /* loader="linux" only */
	KEY_UEFI,      /* loader="uefi" and its kin only */
	KEY_SCREEN,    /* graphics="yes" only */
	KEY_MANAGED,   /* passthru_managed="yes" only */
	KEY_NO_EFFECT, /* belongs to a loader or host system we do not have */
	KEY_LATER,     /* accepted in the file, acted on by a later version */
};

struct key {
	const char *pattern; /* '%' stands for a number */
	enum key_use use;
	bool family; /* the key that makes number N exist */
};

static const struct key key_table[] = {
    {"loader", KEY_USED, false},
    {"linux_kernel", KEY_LINUX, false},
    {"linux_initrd", KEY_LINUX, false},
    {"linux_cmdline", KEY_LINUX, false},
    {"uefi_vars", KEY_UEFI, false},
    {"bhyveload_loader", KEY_NO_EFFECT, false},
    {"bhyveload_args", KEY_NO_EFFECT, false},
    {"loader_timeout", KEY_NO_EFFECT, false},
    {"grub_install%", KEY_NO_EFFECT, false},
    {"grub_run%", KEY_NO_EFFECT, false},
    {"grub_run_partition", KEY_NO_EFFECT, false},
    {"grub_run_no_partition", KEY_NO_EFFECT, false},
    {"grub_run_dir", KEY_NO_EFFECT, false},
    {"grub_run_file", KEY_NO_EFFECT, false},
    {"cpu", KEY_USED, false},
    {"cpu_sockets", KEY_USED, false},
    {"cpu_cores", KEY_USED, false},
    {"cpu_threads", KEY_USED, false},
    {"memory", KEY_USED, false},
    {"wired_memory", KEY_USED, false},
    {"hostbridge", KEY_USED, false},
    {"fwcfg", KEY_USED, false},
    {"hugepages", KEY_USED, false},
    {"hyperv", KEY_USED, false},
    {"hide_hypervisor", KEY_USED, false},
    {"ignore_bad_msr", KEY_USED, false},
    {"ignore_msr", KEY_USED, false},
    {"bhyve_options", KEY_USED, false},
    {"comports", KEY_USED, false},
    {"utctime", KEY_USED, false},
    {"debug", KEY_USED, false},
    {"uuid", KEY_USED, false},
    {"start_slot", KEY_USED, false},
    {"install_slot", KEY_USED, false},
    {"ahci_device_limit", KEY_USED, false},
    {"disk%_type", KEY_USED, true},
    {"disk%_name", KEY_USED, false},
    {"disk%_dev", KEY_USED, false},
    {"disk%_opts", KEY_USED, false},
    {"disk%_size", KEY_USED, false},
    {"disk%_format", KEY_USED, false},
    {"network%_type", KEY_USED, true},
    {"network%_switch", KEY_USED, false},
    {"network%_device", KEY_USED, false},
    {"network%_name", KEY_USED, false},
    {"network%_mac", KEY_USED, false},
    {"network%_span", KEY_LATER, false},
    {"passthru%", KEY_USED, true},
    {"passthru%_options", KEY_USED, false},
    {"passthru_slots", KEY_USED, false},
    {"passthru_slots_mem32", KEY_USED, false},
    {"passthru_slots_mem64", KEY_USED, false},
    {"passthru_unsafe", KEY_USED, false},
    {"passthru%_required", KEY_USED, false},
    {"passthru_managed", KEY_USED, false},
    {"passthru_siblings", KEY_MANAGED, false},
    {"virt_random", KEY_USED, false},
    {"graphics", KEY_USED, false},
    {"graphics_port", KEY_SCREEN, false},
    {"graphics_listen", KEY_SCREEN, false},
    {"graphics_res", KEY_SCREEN, false},
    {"graphics_vga", KEY_SCREEN, false},
    {"graphics_wait", KEY_SCREEN, false},
    {"vnc_password", KEY_SCREEN, false},
    {"xhci_mouse", KEY_USED, false},
    {"tpm", KEY_USED, false},
    {"sound", KEY_LATER, false},
    {"sound_play", KEY_LATER, false},
    {"sound_rec", KEY_LATER, false},
    {"virt_console%", KEY_USED, true},
    {"zfs_dataset_opts", KEY_USED, false},
    {"zfs_zvol_opts", KEY_USED, false},
    {"prestart", KEY_USED, false},
    {"priority", KEY_USED, false},
    {"run_as", KEY_USED, false},
    {"limit_pcpu", KEY_LATER, false},
    {"limit_rbps", KEY_LATER, false},
    {"limit_wbps", KEY_LATER, false},
    {"limit_riops", KEY_LATER, false},
    {"limit_wiops", KEY_LATER, false},
    {"on_restart", KEY_USED, false},
    {"on_fault", KEY_USED, false},
    {"nulliso_fix", KEY_NO_EFFECT, false},
    {"tags", KEY_USED, false},
};

#define KEY_COUNT ARRAY_LEN(key_table)

/*
 * Does `key` fit `pattern`? The number standing for '%' has no leading zero
 * and at most three digits.
 */
static bool pattern_fits(const char *pattern, const char *key,
			 unsigned *ret_number)
{
	const char *mark = strchr(pattern, '%');
	unsigned number = 0;
	size_t digits;

	if (!mark)
		return strcmp(pattern, key) == 0;
	if (strncmp(pattern, key, (size_t)(mark - pattern)) != 0)
		return false;
	key += mark - pattern;
	digits = strspn(key, "0123456789");
	if (digits == 0 || digits > 3 || (key[0] == '0' && digits > 1))
		return false;
	for (size_t i = 0; i < digits; i++)
		number = number * 10 + (unsigned)(key[i] - '0');
	if (strcmp(mark + 1, key + digits) != 0)
		return false;
	*ret_number = number;
	return true;
}

static const struct key *key_find(const char *key, unsigned *ret_number)
{
	*ret_number = 0;
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (pattern_fits(key_table[i].pattern, key, ret_number))
			return &key_table[i];
	return NULL;
}

bool key_known(const char *key)
{
	unsigned number;

	return key_find(key, &number) != NULL;
}

/* `pattern` with its '%' replaced by the first number in `like`, or by 0. */
static void pattern_expand(const char *pattern, const char *like, char *buf,
			   size_t size)
{
	const char *mark = strchr(pattern, '%');
	const char *digits = like + strcspn(like, "0123456789");

	if (!mark)
		snprintf(buf, size, "%s", pattern);
	else
		snprintf(buf, size, "%.*s%lu%s", (int)(mark - pattern), pattern,
			 strtoul(digits, NULL, 10) % 1000, mark + 1);
}

static void warn_unknown(const struct conf *conf,
			 const struct conf_entry *entry,
			 const struct warner *warner)
{
	char names[KEY_COUNT][CONF_KEY_MAX * 2];
	const char *list[KEY_COUNT + 1] = {NULL};
	const char *near;

	for (size_t i = 0; i < KEY_COUNT; i++) {
		pattern_expand(key_table[i].pattern, entry->key, names[i],
			       sizeof(names[i]));
		list[i] = names[i];
	}
	near = nearest_word(entry->key, list);
	if (near)
		warner_say(
		    warner,
		    "%s:%u: unknown key '%s' is ignored; did you mean '%s'?",
		    conf->path, entry->line, entry->key, near);
	else
		warner_say(warner, "%s:%u: unknown key '%s' is ignored",
			   conf->path, entry->line, entry->key);
}

/* A family counts up from 0 and ends at the first number that is missing. */
static void warn_gap(const struct conf *conf, const struct conf_entry *entry,
		     const struct key *key, unsigned number,
		     const struct warner *warner)
{
	const char *mark = strchr(key->pattern, '%');

	for (unsigned n = 0; n < number; n++) {
		char lower[CONF_KEY_MAX * 2];

		snprintf(lower, sizeof(lower), "%.*s%u%s",
			 (int)(mark - key->pattern), key->pattern, n, mark + 1);
		if (conf_get_or(conf, lower, NULL))
			continue;
		warner_say(warner, "%s:%u: %s is ignored because %s is %s",
			   conf->path, entry->line, entry->key, lower,
			   conf_line(conf, lower) ? "empty" : "missing");
		return;
	}
}

/* Keys of one kind of loader; a loader that is refused is told elsewhere. */
static const char *loader_lacks(const struct conf *conf, bool uefi)
{
	enum loader loader;

	if (loader_find(conf, NULL, &loader) < 0)
		return NULL;
	if (uefi)
		return loader_is_uefi(conf) ? NULL : "without loader=\"uefi\"";
	return loader == LOADER_LINUX ? NULL : "without loader=\"linux\"";
}

/* Why a key does nothing in this file; NULL when it does something. */
static const char *useless(const struct conf *conf, const struct key *key)
{
	switch (key->use) {
	case KEY_USED:
		return NULL;
	case KEY_LINUX:
		return loader_lacks(conf, false);
	case KEY_UEFI:
		return loader_lacks(conf, true);
	case KEY_SCREEN:
		return conf_bool(conf, "graphics", false)
			   ? NULL
			   : "without graphics=\"yes\"";
	case KEY_MANAGED:
		return conf_bool(conf, "passthru_managed", false)
			   ? NULL
			   : "without passthru_managed=\"yes\"";
	case KEY_NO_EFFECT:
		return "on this host";
	case KEY_LATER:
		break;
	}
	return "in this version";
}

static void warn_use(const struct conf *conf, const struct conf_entry *entry,
		     const struct key *key, const struct warner *warner)
{
	const char *why = useless(conf, key);

	/* "network0_span=no" asks for nothing that is missing. */
	if (why && !conf_text_is_no(entry->value))
		warner_say(warner, "%s:%u: %s has no effect %s", conf->path,
			   entry->line, entry->key, why);
}

/* VNC looks at so many characters of a password, and no more. */
static void warn_password(const struct conf *conf, const struct warner *warner)
{
	const char *password = conf_get(conf, "vnc_password");

	if (password && strlen(password) > SCREEN_PASSWORD_MAX)
		warner_say(warner,
			   "%s:%u: vnc_password: only the first %u characters "
			   "count in VNC",
			   conf->path, conf_line(conf, "vnc_password"),
			   SCREEN_PASSWORD_MAX);
}

/* What is not the word for one thing is taken for the other. */
static void warn_policy(const struct conf *conf, const char *key,
			const struct warner *warner)
{
	const char *value = conf_get_or(conf, key, NULL);

	if (value && strcmp(value, "restart") && strcmp(value, "shutdown"))
		warner_say(warner,
			   "%s:%u: %s=\"%s\" is taken as shutdown; expected "
			   "restart or shutdown",
			   conf->path, conf_line(conf, key), key, value);
}

void place_keys_check(const struct conf *conf, const struct warner *warner)
{
	static const char *const known[] = {
	    "vm_dir",		"vm_list",     "vm_delay",  "vm_stop_timeout",
	    "vm_start_timeout", "vm_lvm_thin", "vm_run_as", NULL};
	const char *near;

	for (size_t i = 0; conf && i < conf->count; i++) {
		const struct conf_entry *entry = &conf->entry[i];
		size_t n = 0;

		/* vm-bhyve's switch of its service. */
		if (strcmp(entry->key, "vm_enable") == 0)
			continue;
		while (known[n] && strcmp(known[n], entry->key) != 0)
			n++;
		if (known[n])
			continue;
		near = nearest_word(entry->key, known);
		warner_say(warner, "%s:%u: unknown key '%s' is ignored%s%s%s",
			   conf->path, entry->line, entry->key,
			   near ? "; did you mean '" : "", near ? near : "",
			   near ? "'?" : "");
	}
}

void keys_check(const struct conf *conf, const struct warner *warner)
{
	for (size_t i = 0; i < conf->count; i++) {
		const struct conf_entry *entry = &conf->entry[i];
		unsigned number;
		const struct key *key = key_find(entry->key, &number);

		if (!key) {
			warn_unknown(conf, entry, warner);
			continue;
		}
		if (key->family)
			warn_gap(conf, entry, key, number, warner);
		warn_use(conf, entry, key, warner);
	}
	warn_password(conf, warner);
	warn_policy(conf, "on_restart", warner);
	warn_policy(conf, "on_fault", warner);
}
