/* SPDX-License-Identifier: BSD-2-Clause */
/* What is parsed of the facts: processor, firmware tables, kernel, functions.
 */
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "hostpci/doctor/facts.h"

#define KCONFIG_MAX MIB(1)

/* Is `word` a word of the blank-separated text? */
static bool text_has_word(const char *text, const char *word)
{
	size_t len = strlen(word);
	const char *at = text;

	while (at && (at = strstr(at, word))) {
		if ((at == text || at[-1] == ' ' || at[-1] == '\t') &&
		    (at[len] == ' ' || at[len] == '\0' || at[len] == '\n'))
			return true;
		at += len;
	}
	return false;
}

/* Of the first processor: "flags\t\t: fpu vme" as a copy of the value. */
static bool cpuinfo_value(const char *text, const char *key, char *buf,
			  size_t size)
{
	const char *at = text;
	size_t len = strlen(key);

	buf[0] = '\0';
	while (at) {
		if (strncmp(at, key, len) == 0 &&
		    strspn(at + len, " \t") == strcspn(at + len, ":")) {
			at += len + strcspn(at + len, ":") + 1;
			at += strspn(at, " ");
			snprintf(buf, size, "%.*s", (int)strcspn(at, "\n"), at);
			return true;
		}
		at = strchr(at, '\n');
		if (at)
			at++;
	}
	return false;
}

static void cpu_parse(struct facts *f)
{
	const char *text = fact_text(f, "proc/cpuinfo");
	struct cpu_facts *cpu = &f->cpu;
	char value[8192];
	unsigned bits;

	if (!text)
		return;
	if (cpuinfo_value(text, "vendor_id", value, sizeof(value))) {
		cpu->intel = strcmp(value, "GenuineIntel") == 0;
		cpu->amd = strcmp(value, "AuthenticAMD") == 0 ||
			   strcmp(value, "HygonGenuine") == 0;
	}
	if (cpuinfo_value(text, "flags", value, sizeof(value))) {
		cpu->vmx = text_has_word(value, "vmx");
		cpu->svm = text_has_word(value, "svm");
		cpu->hypervisor = text_has_word(value, "hypervisor");
	}
	if (cpuinfo_value(text, "address sizes", value, sizeof(value)) &&
	    sscanf(value, "%u bits physical", &bits) == 1 && bits <= 64)
		cpu->phys_bits = bits;
}

/* Tables that are there but only for root are present all the same. */
static void acpi_parse(struct facts *f)
{
	const struct fact *dmar =
	    facts_get(f, FACT_FILE, "sys/firmware/acpi/tables/DMAR");
	const struct fact *ivrs =
	    facts_get(f, FACT_FILE, "sys/firmware/acpi/tables/IVRS");

	if (dmar->rc == 0)
		acpi_dmar_parse(dmar->data, dmar->len, &f->dmar);
	if (ivrs->rc == 0)
		acpi_ivrs_parse(ivrs->data, ivrs->len, &f->ivrs);
	f->dmar.present = dmar->rc != -ENOENT && dmar->rc != -ENOTDIR;
	f->ivrs.present = ivrs->rc != -ENOENT && ivrs->rc != -ENOTDIR;
}

/* Reading configuration space would wake a function that is off. */
static bool dev_is_off(struct facts *f, const struct dev_facts *d)
{
	const char *state = dev_attr(f, d, "power_state");

	return state && strcmp(state, "D3cold") == 0;
}

static void dev_parse(struct facts *f, struct dev_facts *d)
{
	const struct fact *config;
	char path[PATH_MAX];

	if (dev_is_off(f, d))
		return;
	snprintf(path, sizeof(path), SYS_DEVICES "/%s/config", d->dev->bdf);
	config = facts_get(f, FACT_FILE, path);
	if (config->rc < 0 || config->len < 64)
		return;
	d->config = (const uint8_t *)config->data;
	d->config_len = MIN(config->len, (size_t)CONFIG_MAX);
	caps_find(d->config, d->config_len, &d->caps);
}

static int devs_parse(struct facts *f)
{
	size_t count = hostpci_count(f->host);

	f->dev = calloc(count + 1, sizeof(*f->dev));
	if (!f->dev)
		return -ENOMEM;
	f->dev_count = count;
	for (size_t i = 0; i < count; i++)
		f->dev[i].dev = hostpci_at(f->host, i);
	for (size_t i = 0; i < count; i++) {
		f->dev[i].parent =
		    f->dev[i].dev->parent[0]
			? facts_dev_named(f, f->dev[i].dev->parent)
			: NULL;
		dev_parse(f, &f->dev[i]);
	}
	return 0;
}

static bool folder_has_entries(struct facts *f, const char *folder)
{
	const char *cursor = NULL;
	char name[NAME_MAX + 1];

	return fact_name_next(f, folder, &cursor, name) != NULL;
}

int facts_parse(struct facts *f)
{
	int rc;

	cpu_parse(f);
	acpi_parse(f);
	klog_load(f);
	rc = devs_parse(f);
	f->iommu_in_use = folder_has_entries(f, "sys/class/iommu");
	f->groups = folder_has_entries(f, "sys/kernel/iommu_groups");
	f->blind = NULL;
	return rc;
}

/* --- of the kernel ---------------------------------------------------- */

const char *cmdline_get(struct facts *f, const char *key, char buf[64])
{
	const char *at = fact_text(f, "proc/cmdline");
	const char *found = NULL;
	size_t len = strlen(key);

	while (at && *at) {
		size_t word = strcspn(at, " \n");

		if (word >= len && strncmp(at, key, len) == 0 &&
		    (word == len || at[len] == '=')) {
			snprintf(buf, 64, "%.*s",
				 (int)(word == len ? 0 : word - len - 1),
				 word == len ? "" : at + len + 1);
			found = buf; /* the last one counts */
		}
		at += word;
		at += strspn(at, " \n");
	}
	return found;
}

const char *kernel_release(struct facts *f)
{
	const char *release = fact_text(f, "proc/sys/kernel/osrelease");

	return release ? release : "";
}

/* proc/config.gz unpacked, as if it were the fact byway/kernel-config. */
static const char *config_unpack(struct facts *f)
{
	const struct fact *packed = facts_get(f, FACT_FILE, "proc/config.gz");
	struct fact *plain =
	    (struct fact *)facts_get(f, FACT_FILE, "byway/kernel-config");
	z_stream z = {0};

	if (plain->rc == 0 || plain->rc != -ENOENT || packed->rc < 0)
		return plain->data;
	plain->data = malloc(KCONFIG_MAX);
	if (!plain->data || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return NULL;
	z.next_in = (unsigned char *)packed->data;
	z.avail_in = (unsigned)packed->len;
	z.next_out = (unsigned char *)plain->data;
	z.avail_out = KCONFIG_MAX - 1;
	(void)inflate(&z, Z_FINISH); /* what came out is good in any case */
	plain->len = KCONFIG_MAX - 1 - z.avail_out;
	plain->data[plain->len] = '\0';
	plain->rc = 0;
	inflateEnd(&z);
	return plain->data;
}

char kernel_option(struct facts *f, const char *option)
{
	const char *text = fact_text(f, "boot/config-%s", kernel_release(f));
	char start[80];
	const char *at;

	if (!text)
		text = config_unpack(f);
	if (!text)
		return 0;
	snprintf(start, sizeof(start), "\n%s=", option);
	if (strncmp(text, start + 1, strlen(start) - 1) == 0)
		return text[strlen(start) - 1] == 'm' ? 'm' : 'y';
	at = strstr(text, start);
	if (!at)
		return 'n';
	return at[strlen(start)] == 'm' ? 'm' : 'y';
}

bool kernel_has_module(struct facts *f, const char *module)
{
	return fact_exists(f, "sys/module/%s", module);
}
