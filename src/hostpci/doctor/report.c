/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a report: every fact the checks looked at, and what hostpci_open()
 * reads of each function, so that the same code finds the same elsewhere.
 *
 * Paths of a function go through its link in sys/bus/pci/devices, which the
 * tree made from the report has as a link too: its files are told at the place
 * the link leads to.
 */
#include <jansson.h>
#include <search.h>
#include <string.h>

#include "hostpci/doctor/exam.h"
#include "hostpci/doctor/report.h"

struct writer {
	struct doctor *doctor;
	bool secrets;
	const char *host; /* its name, to be blanked; NULL */
	json_t *files, *links, *folders, *nodes, *denied;
};

static const char *const attributes[] = {
    "vendor",
    "device",
    "subsystem_vendor",
    "subsystem_device",
    "class",
    "revision",
    "boot_vga",
    "numa_node",
    "reset_method",
    "resource",
    "current_link_speed",
    "max_link_speed",
    "current_link_width",
    "max_link_width",
    "driver_override",
    "config",
    "power_state",
    "d3cold_allowed",
    "msi_bus",
    "irq",
    "aer_dev_correctable",
    "aer_dev_fatal",
    "aer_dev_nonfatal",
    "aer_rootport_total_err_cor",
};

/* Drivers of members that are no PCI functions (ACPI, platform). */
static void members_complete(struct facts *f, const char *group)
{
	char name[NAME_MAX + 1], path[PATH_MAX];
	const char *cursor = NULL;
	struct hostpci_addr addr;

	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%s/devices",
		 group);
	while (fact_name_next(f, path, &cursor, name))
		if (addr_from_bdf(name, &addr) < 0)
			fact_link(f, "%s/%s/driver", path, name);
}

/* What the checks did not happen to read: all functions, all groups. */
static void facts_complete(struct facts *f)
{
	const char *cursor = NULL;
	char name[NAME_MAX + 1];

	for (size_t i = 0; i < f->dev_count; i++) {
		const char *bdf = f->dev[i].dev->bdf;

		for (size_t j = 0; j < ARRAY_LEN(attributes); j++)
			dev_attr(f, &f->dev[i], attributes[j]);
		fact_link(f, SYS_DEVICES "/%s", bdf);
		fact_link(f, SYS_DEVICES "/%s/driver", bdf);
		fact_link(f, SYS_DEVICES "/%s/iommu_group", bdf);
		fact_link(f, SYS_DEVICES "/%s/physfn", bdf);
		fact_exists(f, SYS_DEVICES "/%s/reset", bdf);
		fact_exists(f, SYS_DEVICES "/%s/virtfn0", bdf);
	}
	while (fact_name_next(f, "sys/kernel/iommu_groups", &cursor, name)) {
		fact_text(f, "sys/kernel/iommu_groups/%s/reserved_regions",
			  name);
		fact_text(f, "sys/kernel/iommu_groups/%s/type", name);
		fact_text(f, "sys/kernel/iommu_groups/%s/name", name);
		members_complete(f, name);
	}
}

/* "sys/bus/pci/devices/BDF/x" at the place the link BDF leads to. */
static bool path_place(struct facts *f, const char *path, char out[PATH_MAX])
{
	size_t start = strlen(SYS_DEVICES "/");
	const char *rest, *target;
	char link[PATH_MAX];
	size_t len;

	snprintf(out, PATH_MAX, "%s", path);
	if (strncmp(path, SYS_DEVICES "/", start) != 0)
		return true;
	len = strcspn(path + start, "/");
	rest = path + start + len;
	if (!*rest)
		return true; /* the link itself */
	snprintf(link, sizeof(link), "%.*s", (int)(start + len), path);
	target = facts_get(f, FACT_LINK, link)->data;
	if (!target || strncmp(target, "../../../", 9) != 0)
		return false;
	/* Below the link to the group is the group's own place. */
	if (strncmp(rest, "/iommu_group/", 13) == 0)
		return false;
	return snprintf(out, PATH_MAX, "sys/%s%s", target + 9, rest) < PATH_MAX;
}

static const char *const binaries[] = {"/config", "/DMAR", "/IVRS", "/MCFG"};

static bool is_binary(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(binaries); i++) {
		size_t len = strlen(path), tail = strlen(binaries[i]);

		if (len > tail && strcmp(path + len - tail, binaries[i]) == 0)
			return true;
	}
	return false;
}

static json_t *data_json(const char *data, size_t len)
{
	json_t *json = NULL;
	char *text;

	if (!memchr(data, '\0', len))
		json = json_stringn(data, len);
	if (json)
		return json;
	text = base64_encode(data, len);
	json = text ? json_pack("{s:s}", "base64", text) : NULL;
	free(text);
	return json;
}

/* A function's serial number is in its configuration space. */
static void serial_clear(char *data, size_t len)
{
	struct caps caps;

	caps_find((const uint8_t *)data, len, &caps);
	if (caps.dsn && range_inside((size_t)caps.dsn + 4, 8, 0, len))
		memset(data + caps.dsn + 4, 0, 8);
}

static void file_add(struct writer *w, const char *path, const char *data,
		     size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return;
	memcpy(copy, data, len);
	copy[len] = '\0';
	if (!w->secrets && is_binary(path))
		serial_clear(copy, len);
	else if (!w->secrets)
		report_scrub(copy, w->host);
	json_object_set_new(w->files, path, data_json(copy, len));
	free(copy);
}

static void folder_add(struct writer *w, const char *path, const char *names)
{
	json_t *list = json_array();

	while (*names) {
		size_t len = strcspn(names, "\n");

		json_array_append_new(list, json_stringn(names, len));
		names += len;
		names += *names == '\n';
	}
	json_object_set_new(w->folders, path, list);
}

static void fact_add(struct writer *w, const struct fact *fact)
{
	char path[PATH_MAX];

	if (strcmp(fact->path, "kmsg") == 0 ||
	    strcmp(fact->path, "byway/denied") == 0 ||
	    strcmp(fact->path, "proc/config.gz") == 0 ||
	    !path_place(w->doctor->f, fact->path, path))
		return;
	if (fact->rc == -EACCES || fact->rc == -EPERM)
		json_array_append_new(w->denied, json_string(fact->path));
	if (fact->rc < 0)
		return;
	switch (fact->kind) {
	case FACT_FILE:
		file_add(w, path, fact->data, fact->len);
		break;
	case FACT_LINK:
		json_object_set_new(w->links, path, json_string(fact->data));
		break;
	case FACT_LIST:
		folder_add(w, path, fact->data);
		break;
	case FACT_NODE:
		json_array_append_new(w->nodes, json_string(path));
		break;
	}
}

/* path_place() asks for facts, so the tree is not walked while it is used. */
struct fact_walk {
	const struct fact **fact;
	size_t count, size;
};

static void fact_collect(const void *node, VISIT visit, void *closure)
{
	struct fact_walk *walk = closure;

	if ((visit == postorder || visit == leaf) && walk->count < walk->size)
		walk->fact[walk->count++] = *(struct fact *const *)node;
}

static int facts_add(struct writer *w)
{
	struct facts *f = w->doctor->f;
	struct fact_walk walk = {.size = f->count};

	walk.fact = calloc(f->count + 1, sizeof(struct fact *));
	if (!walk.fact)
		return -ENOMEM;
	twalk_r(f->tree, fact_collect, &walk);
	for (size_t i = 0; i < walk.count; i++)
		fact_add(w, walk.fact[i]);
	free(walk.fact);
	return 0;
}

static void log_add(struct writer *w)
{
	struct klog *log = &w->doctor->f->log;
	CLEANUP_FREE char *text = NULL;
	size_t size = 1, used = 0;

	if (log->denied)
		json_array_append_new(w->denied, json_string("kmsg"));
	for (size_t i = 0; i < log->count; i++)
		if (report_line_wanted(log->line[i]))
			size += strlen(log->line[i]) + 1;
	text = malloc(size);
	if (!text || !log->text)
		return;
	text[0] = '\0';
	for (size_t i = 0; i < log->count; i++)
		if (report_line_wanted(log->line[i]))
			used += (size_t)snprintf(text + used, size - used,
						 "%s\n", log->line[i]);
	file_add(w, "kmsg", text, used);
}

/* Lines of the guest's log that a check may look for. */
static void guest_log_add(struct writer *w, const char *log)
{
	static const char *const words[] = {"NVRM",   "no space", "NvKms",
					    "D3cold", "(Code ",	  "RmInit"};
	CLEANUP_FREE char *text = malloc(strlen(log) + 2);
	char line[512];
	size_t used = 0;

	while (text && *log) {
		size_t len = strcspn(log, "\n");
		bool wanted = false;

		snprintf(line, sizeof(line), "%.*s", (int)MIN(len, 500ul), log);
		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			wanted |= strstr(line, words[i]) != NULL;
		if (wanted)
			used += (size_t)sprintf(text + used, "%s\n", line);
		log += len;
		log += *log == '\n';
	}
	if (text)
		file_add(w, "byway/guest.log", text, used);
}

static json_t *subject_json(struct writer *w)
{
	const struct doctor_request *request = &w->doctor->request;
	const struct doctor_guest *guest = request->guest;
	json_t *json = json_object(), *list = json_array();
	char bdf[HOSTPCI_BDF_MAX];

	for (size_t i = 0; i < request->addr_count; i++) {
		hostpci_format_bdf(request->addrs[i], bdf);
		json_array_append_new(list, json_string(bdf));
	}
	json_object_set_new(json, "devices", list);
	if (request->named_wanted)
		json_object_set_new(json, "named", json_true());
	if (!guest)
		return json;
	json_object_set_new(
	    json, "guest",
	    json_pack("{s:s, s:I, s:b, s:b, s:i}", "name", guest->name,
		      "memory", (json_int_t)guest->memory_bytes, "firmware",
		      (int)guest->firmware, "managed", (int)guest->managed,
		      "phys_bits", (int)guest->phys_bits));
	if (guest->log)
		guest_log_add(w, guest->log);
	return json;
}

int doctor_report_write(struct doctor *doctor, bool secrets, FILE *out)
{
	struct facts *f = doctor->f;
	const char *host = fact_text(f, "proc/sys/kernel/hostname");
	struct writer w = {
	    .doctor = doctor,
	    .secrets = secrets,
	    .host = host,
	    .files = json_object(),
	    .links = json_object(),
	    .folders = json_object(),
	    .nodes = json_array(),
	    .denied = json_array(),
	};
	json_t *json = json_object();
	int rc;

	doctor_read_rest(doctor);
	facts_complete(f);
	rc = facts_add(&w);
	if (!secrets)
		json_object_del(w.files, "proc/sys/kernel/hostname");
	log_add(&w);
	json_object_set_new(json, "byway_report", json_integer(DOCTOR_SCHEMA));
	json_object_set_new(json, "program",
			    json_string("byway doctor " BYWAY_VERSION));
	json_object_set_new(json, "subject", subject_json(&w));
	json_object_set_new(json, "verdict", json_string(doctor->verdict));
	json_object_set_new(json, "files", w.files);
	json_object_set_new(json, "links", w.links);
	json_object_set_new(json, "folders", w.folders);
	json_object_set_new(json, "nodes", w.nodes);
	json_object_set_new(json, "denied", w.denied);
	if (rc == 0 &&
	    (json_dumpf(json, out, JSON_INDENT(1)) < 0 || fputc('\n', out) < 0))
		rc = -EIO;
	json_decref(json);
	return rc;
}
