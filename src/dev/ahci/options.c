/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration of the AHCI models: the text of -s into port nodes, and port
 * nodes into drives.
 */
#include <string.h>

#include "dev/ahci/ahci_internal.h"

#define SCRATCH_ALIGN 4096u /* for O_DIRECT */
#define ROTATION_MAX  0xfffeu

static const char *const type_name[] = {
    [DRIVE_HD] = "hd",
    [DRIVE_CD] = "cd",
};

/* ---- from -s ---- */

/* A drive rather than an option of the one before. */
static bool is_drive(const char *word, bool first)
{
	return !strncmp(word, "hd:", 3) || !strncmp(word, "cd:", 3) ||
	       word[0] == '/' || (first && !strchr(word, '='));
}

static int add_drive(struct cfg *node, unsigned port, const char *word,
		     enum drive_kind kind, struct err *err)
{
	const char *type = type_name[kind], *path = word;
	char name[32];
	int r;

	if (!strncmp(word, "hd:", 3) || !strncmp(word, "cd:", 3)) {
		type = type_name[word[0] == 'c' ? DRIVE_CD : DRIVE_HD];
		path = word + 3;
	}
	if (port >= AHCI_PORTS)
		return err_set(
		    err, -E2BIG,
		    "ahci: %s: one controller has %u ports; put it on"
		    " another slot",
		    word, AHCI_PORTS);
	snprintf(name, sizeof(name), "port.%u.type", port);
	r = cfg_set(node, name, type, err);
	snprintf(name, sizeof(name), "port.%u.path", port);
	if (!r && *path)
		r = cfg_set(node, name, path, err);
	return r;
}

static int add_option(struct cfg *node, unsigned port, const char *word,
		      struct err *err)
{
	struct cfg *port_node;
	char name[32];
	int r;

	snprintf(name, sizeof(name), "port.%u", port);
	r = cfg_make(node, name, err, &port_node);
	return r ? r : cfg_set_list(port_node, word, err);
}

static int parse(struct cfg *node, const char *opts, enum drive_kind kind,
		 struct err *err)
{
	CLEANUP_FREE char *copy = strdup(opts);
	char *rest = copy, *word;
	unsigned ports = 0;
	int r = 0;

	if (!copy)
		return err_set(err, -ENOMEM, "ahci: out of memory");
	while (!r && (word = strsep(&rest, ","))) {
		if (!*word)
			continue;
		if (is_drive(word, ports == 0)) {
			r = add_drive(node, ports++, word, kind, err);
			continue;
		}
		/* "path=/x" and the like before any drive. */
		if (ports == 0)
			r = add_drive(node, ports++, "", kind, err);
		if (!r)
			r = add_option(node, ports - 1, word, err);
	}
	return r;
}

int ahci_parse(struct cfg *node, const char *opts, struct err *err)
{
	return parse(node, opts, DRIVE_HD, err);
}

/* As in bhyve, the short names are ways to write `ahci`. */
static int parse_as(struct cfg *node, const char *opts, enum drive_kind kind,
		    struct err *err)
{
	int r = cfg_set(node, "device", "ahci", err);

	if (!r)
		r = parse(node, opts, kind, err);
	if (!r && !cfg_find(node, "port"))
		r = add_drive(node, 0, "", kind, err);
	return r;
}

int ahci_hd_parse(struct cfg *node, const char *opts, struct err *err)
{
	return parse_as(node, opts, DRIVE_HD, err);
}

int ahci_cd_parse(struct cfg *node, const char *opts, struct err *err)
{
	return parse_as(node, opts, DRIVE_CD, err);
}

/* ---- from port nodes ---- */

static int check_options(struct cfg *node, struct err *err)
{
	static const char *const own[] = {"type",  "ser",  "rev",
					  "model", "nmrr", "bootindex"};
	const char *known[24] = {NULL};
	unsigned n = 0, i;
	uint64_t bootindex;
	int r;

	for (i = 0; i < ARRAY_LEN(own); i++)
		known[n++] = own[i];
	for (i = 0; block_options[i] && n < ARRAY_LEN(known) - 1; i++)
		known[n++] = block_options[i];
	r = cfg_check_known(node, known, err);
	/* The machine reads it for firmware. */
	return r ? r
		 : cfg_u64(node, "bootindex", 0, 0, INT32_MAX, err, &bootindex);
}

static int read_kind(struct cfg *node, enum drive_kind fallback,
		     struct err *err, enum drive_kind *ret_kind)
{
	char text[16];
	int r = cfg_get(node, "type", text, sizeof(text), err);

	if (r < 0)
		return r;
	if (r > 0 && strcmp(text, "hd") != 0 && strcmp(text, "cd") != 0)
		return err_set(err, -EINVAL,
			       "type=%s: expected hd (disk) or cd (CD drive)",
			       text);
	*ret_kind = r == 0 ? fallback : (text[0] == 'c' ? DRIVE_CD : DRIVE_HD);
	return 0;
}

/* ATA strings are printable ASCII (ACS-2, 3.2.9). */
static int read_string(struct cfg *node, const char *name, const char *fallback,
		       size_t max, struct err *err, char *text)
{
	char value[CFG_VALUE_MAX];
	size_t i;
	int r;

	r = cfg_get(node, name, value, sizeof(value), err);
	if (r < 0)
		return r;
	if (r == 0)
		snprintf(value, sizeof(value), "%s", fallback);
	if (strlen(value) > max)
		return err_set(err, -EINVAL,
			       "%s=%.60s is longer than %zu characters", name,
			       value, max);
	for (i = 0; value[i]; i++)
		if (value[i] < ' ' || value[i] > '~')
			return err_set(err, -EINVAL,
				       "%s=%.60s: only printable ASCII fits in"
				       " there",
				       name, value);
	memcpy(text, value, strlen(value) + 1);
	return 0;
}

static int read_identity(struct ahci_port *port, struct cfg *node,
			 struct err *err)
{
	const char *model =
	    port->kind == DRIVE_CD ? "BYWAY DVD-ROM" : "BYWAY SATA DISK";
	char place[64], serial[ATA_ID_SERIAL_LEN + 1];
	uint64_t rotation = 0;
	int r;

	snprintf(place, sizeof(place), "%s %u", port->hba->pci.name,
		 port->number);
	r = block_serial(node, place, ATA_ID_SERIAL_LEN, err, serial);
	if (!r)
		r = read_string(node, "ser", serial, ATA_ID_SERIAL_LEN, err,
				port->serial);
	if (!r)
		r = read_string(node, "rev", "1", ATA_ID_FIRMWARE_LEN, err,
				port->firmware);
	if (!r)
		r = read_string(node, "model", model, ATA_ID_MODEL_LEN, err,
				port->model);
	if (!r)
		r = cfg_u64(node, "nmrr", 0, 0, ROTATION_MAX, err, &rotation);
	port->rotation = (uint16_t)rotation;
	return r;
}

static int open_hd(struct ahci_port *port, struct cfg *node, struct err *err)
{
	const char *path = cfg_raw(node, "path");
	int r;

	if (!path || !*path)
		return err_set(err, -EINVAL,
			       "no disk file given; name one, as in"
			       " 'ahci,hd:/vm/guest/disk0.img'");
	r = block_open(node, err, &port->block);
	if (!r)
		port->info = block_info(port->block);
	return r;
}

static int open_cd(struct ahci_port *port, struct cfg *node, struct err *err)
{
	const char *path = cfg_raw(node, "path");
	int r;

	port->info.logical_sector = ATAPI_SECTOR;
	if (!path || !*path)
		return 0;
	r = cfg_set(node, "ro", "true", err);
	if (!r)
		r = block_open(node, err, &port->block);
	if (r)
		return r;
	port->info = block_info(port->block);
	if (port->info.logical_sector > ATAPI_SECTOR)
		return err_set(
		    err, -EINVAL,
		    "%s: its sectors of %u bytes are larger than a"
		    " CD's of %u; drop nocache or sectorsize, or copy"
		    " it to a file",
		    path, port->info.logical_sector, ATAPI_SECTOR);
	if (port->info.size < ATAPI_SECTOR)
		return err_set(
		    err, -EINVAL,
		    "%s: %llu bytes are less than one CD sector (%u);"
		    " is it an ISO image?",
		    path, (unsigned long long)port->info.size, ATAPI_SECTOR);
	return 0;
}

static int port_build(struct ahci_port *port, struct cfg *node,
		      enum drive_kind fallback, struct err *err)
{
	int r;

	port->slots = calloc(AHCI_SLOTS, sizeof(*port->slots));
	port->scratch = aligned_alloc(SCRATCH_ALIGN, SCRATCH_BYTES);
	if (!port->slots || !port->scratch)
		return err_set(err, -ENOMEM, "out of memory");
	memset(port->scratch, 0, SCRATCH_BYTES);
	r = check_options(node, err);
	if (!r)
		r = read_kind(node, fallback, err, &port->kind);
	if (!r)
		r = read_identity(port, node, err);
	if (r)
		return r;
	return port->kind == DRIVE_CD ? open_cd(port, node, err)
				      : open_hd(port, node, err);
}

static int port_create(struct ahci_hba *hba, struct cfg *node,
		       enum drive_kind fallback, struct err *err)
{
	struct ahci_port *port;
	uint64_t number;
	int r;

	if (parse_u64(cfg_name(node), &number) || number >= AHCI_PORTS)
		return err_set(err, -EINVAL,
			       "ahci: port.%s: ports are numbered 0 to %u",
			       cfg_name(node), AHCI_PORTS - 1);
	port = hba->port[number] ? NULL : calloc(1, sizeof(*port));
	if (!port)
		return err_set(
		    err, -ENOMEM, "ahci port %u: %s", (unsigned)number,
		    hba->port[number] ? "given twice" : "out of memory");
	hba->port[number] = port;
	port->hba = hba;
	port->number = (unsigned)number;
	hba->r.pi |= BIT(number);
	r = port_build(port, node, fallback, err);
	return r ? err_prefix(err, "ahci port %u", port->number) : 0;
}

int ahci_ports_create(struct ahci_hba *hba, struct cfg *node,
		      enum drive_kind kind, struct err *err)
{
	static const char *const known[] = {"device", "port", NULL};
	struct cfg *port;
	int r;

	r = cfg_check_known(node, known, err);
	if (r)
		return err_prefix(err, "ahci");
	/* "-s 4,ahci-cd" is an empty drive. */
	if (kind == DRIVE_CD && !cfg_find(node, "port"))
		r = add_drive(node, 0, "", kind, err);
	port = cfg_first(cfg_find(node, "port"));
	if (!r && !port)
		return err_set(err, -EINVAL,
			       "ahci: no drive given; name one, as in"
			       " 'ahci,hd:/vm/guest/disk0.img'");
	for (; !r && port; port = cfg_next(port))
		r = port_create(hba, port, kind, err);
	return r;
}

void ahci_port_destroy(struct ahci_port *port)
{
	if (!port)
		return;
	block_close(port->block); /* waits: done() needs the rest */
	free(port->scratch);
	free(port->slots);
	free(port);
}
