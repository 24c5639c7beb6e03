/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Booting through firmware; the contract is in firmware.h.
 *
 * Theory of operation
 * -------------------
 * The flash appears below 4 GiB when it is created, and the vCPU's reset state
 * points into it: nothing is loaded. A BIOS image also lies at the end of the
 * first MiB, as RAM, which it writes to itself. All else firmware asks through
 * fw_cfg. Its directory tells the sizes of the ACPI files before firmware has
 * placed a BAR, so they are built once for the sizes and again each time
 * firmware selects one of them.
 */
#include "machine/firmware.h"

#include <limits.h>
#include <string.h>

#include "base/log.h"
#include "dev/firmware/flash.h"
#include "dev/firmware/fwcfg.h"
#include "kvm/kvm.h"
#include "machine/bootorder.h"
#include "machine/desc.h"
#include "machine/fwtables.h"
#include "machine/layout.h"

#define BIOS_LOW_BYTES KIB(128) /* of an image also below 1 MiB */
#define BIOS_IMAGE_MAX KIB(256) /* larger ones are UEFI's */
#define BOOTORDER_ROOM KIB(8)
#define COM1_PORT      0x3f8

struct firmware {
	struct load_params params;
	struct fwcfg *fwcfg;
	struct flash *flash;
	size_t file_bytes[3]; /* told for the rsdp, tables, loader files */
};

/* ---- configuration ---- */

/* The variable by its name or by its old one below lpc. */
static int get_path(struct cfg *root, const char *name, char *path,
		    struct err *err)
{
	char old[32];
	int r = cfg_get(root, name, path, PATH_MAX, err);

	if (r)
		return r;
	snprintf(old, sizeof(old), "lpc.%s", name);
	r = cfg_get(root, old, path, PATH_MAX, err);
	if (r > 0)
		log_warn("%s: an old name; write %s=%s", old, name, path);
	return r;
}

int firmware_wanted(struct cfg *root, struct err *err, bool *ret_wanted)
{
	bool rom = cfg_raw(root, "bootrom") || cfg_raw(root, "lpc.bootrom");
	bool vars = cfg_raw(root, "bootvars") || cfg_raw(root, "lpc.bootvars");
	const char *kind = cfg_raw(root, "lpc.fwcfg");

	if (rom && cfg_raw(root, "boot.kernel"))
		return err_set(err, -EINVAL,
			       "bootrom and boot.kernel: a guest boots either"
			       " firmware or a kernel; leave one out");
	if (vars && !rom)
		return err_set(err, -EINVAL,
			       "bootvars: there is no bootrom whose variables"
			       " these are; add -l bootrom,FILE,VARIABLES");
	if (kind && strcmp(kind, "qemu") && strcmp(kind, "bhyve"))
		return err_set(err, -EINVAL,
			       "lpc.fwcfg=%s: no such interface; use qemu",
			       kind);
	if (rom && kind && !strcmp(kind, "bhyve"))
		log_warn("lpc.fwcfg=bhyve: firmware made for bhyve alone is"
			 " not supported; the qemu interface is used");
	*ret_wanted = rom;
	return 0;
}

/* ---- creation ---- */

/* Where a BIOS runs after its first jump; it expects to be there already. */
static int copy_bios(struct firmware *fw, struct gmem *gmem, struct err *err)
{
	uint64_t len = GIB(4) - flash_base(fw->flash);
	const void *tail = flash_image_tail(fw->flash, BIOS_LOW_BYTES);
	int r;

	if (len > BIOS_IMAGE_MAX || !tail)
		return 0;
	r = gmem_write(gmem, gpa(MIB(1) - BIOS_LOW_BYTES), tail,
		       BIOS_LOW_BYTES);
	return r ? err_sys(err, r, "bootrom: cannot copy below 1 MiB") : 0;
}

int firmware_create(const struct model_env *env, struct err *err,
		    struct firmware **ret_fw)
{
	struct firmware *fw = calloc(1, sizeof(*fw));
	char rom[PATH_MAX], vars[PATH_MAX];
	struct flash_params params = {.code = rom};
	int r;

	if (!fw)
		return err_set(err, -ENOMEM, "firmware: out of memory");
	r = get_path(env->root, "bootrom", rom, err);
	if (r > 0)
		r = get_path(env->root, "bootvars", vars, err);
	if (r > 0)
		params.vars = vars;
	if (r >= 0)
		r = flash_create(env, &params, err, &fw->flash);
	if (!r)
		r = copy_bios(fw, env->gmem, err);
	if (!r)
		r = fwcfg_create(env, err, &fw->fwcfg);
	if (r) {
		firmware_destroy(fw);
		return r;
	}
	*ret_fw = fw;
	return 0;
}

void firmware_destroy(struct firmware *fw)
{
	if (!fw)
		return;
	fwcfg_destroy(fw->fwcfg);
	flash_destroy(fw->flash);
	free(fw);
}

/* ---- ACPI files ---- */

enum acpi_file {
	FILE_RSDP,
	FILE_TABLES,
	FILE_LOADER
};

static const struct tbuf *file_of(const struct fwtables *files,
				  enum acpi_file file)
{
	return file == FILE_RSDP     ? &files->rsdp
	       : file == FILE_TABLES ? &files->tables
				     : &files->loader;
}

/* Builds the files; `sizing`: firmware has not placed anything yet. */
static int build_acpi(const struct firmware *fw, bool sizing, struct err *err,
		      struct fwtables *ret_files)
{
	CLEANUP_FREE struct desc_bus *buses =
	    calloc(DESC_BUSES_MAX, sizeof(*buses));
	struct machine_desc desc;
	int r;

	if (!buses)
		return err_set(err, -ENOMEM, "ACPI tables: out of memory");
	r = load_describe(&fw->params, buses, err, &desc);
	if (r)
		return r;
	if (sizing) {
		desc.ecam_base = LAYOUT_ECAM_BASE;
		desc.pm_base = UINT16_MAX;
	}
	return fwtables_acpi(&desc, err, ret_files);
}

static int fetch(const struct firmware *fw, enum acpi_file which, uint8_t *buf,
		 size_t len)
{
	struct fwtables files = {0};
	const struct tbuf *file;
	struct err err = {0};
	int r = build_acpi(fw, false, &err, &files);

	file = file_of(&files, which);
	if (!r && file->len > len)
		r = err_set(&err, -ENOSPC, "ACPI tables have grown");
	if (r)
		log_error("%s", err.msg);
	else
		memcpy(buf, file->data, file->len);
	fwtables_fini(&files);
	return r;
}

static int fetch_rsdp(void *ctx, uint8_t *buf, size_t len)
{
	return fetch(ctx, FILE_RSDP, buf, len);
}

static int fetch_tables(void *ctx, uint8_t *buf, size_t len)
{
	return fetch(ctx, FILE_TABLES, buf, len);
}

static int fetch_loader(void *ctx, uint8_t *buf, size_t len)
{
	return fetch(ctx, FILE_LOADER, buf, len);
}

static int add_acpi(struct firmware *fw, struct err *err)
{
	struct fwtables files = {0};
	int r = build_acpi(fw, true, err, &files);

	if (!r)
		r = fwcfg_add_file_fn(fw->fwcfg, FWTABLES_RSDP, files.rsdp.len,
				      fetch_rsdp, fw, err);
	if (!r)
		r = fwcfg_add_file_fn(fw->fwcfg, FWTABLES_TABLES,
				      files.tables.len + FWTABLES_SLACK,
				      fetch_tables, fw, err);
	if (!r) /* its room is for the longest script */
		r = fwcfg_add_file_fn(fw->fwcfg, FWTABLES_LOADER,
				      files.loader.room, fetch_loader, fw, err);
	fwtables_fini(&files);
	return r;
}

/* ---- the other items ---- */

static int add_buf(struct firmware *fw, const char *name, struct tbuf *buf,
		   struct err *err)
{
	int r = fwcfg_add_file(fw->fwcfg, name, buf->data, buf->len, err);

	tbuf_fini(buf);
	return r;
}

static int add_smbios(struct firmware *fw, const struct machine_desc *desc,
		      struct err *err)
{
	struct tbuf anchor = {0}, tables = {0};
	int r = fwtables_smbios(desc, err, &anchor, &tables);

	if (r)
		return r;
	r = add_buf(fw, "etc/smbios/smbios-anchor", &anchor, err);
	if (r) {
		tbuf_fini(&tables);
		return r;
	}
	return add_buf(fw, "etc/smbios/smbios-tables", &tables, err);
}

static int add_bootorder(struct firmware *fw, struct err *err)
{
	struct tbuf order = {0};
	int r = tbuf_init(&order, BOOTORDER_ROOM);

	if (r)
		return err_set(err, r, "boot order: out of memory");
	r = bootorder_build(fw->params.root, err, &order);
	if (r || !order.len) {
		tbuf_fini(&order);
		return r;
	}
	return add_buf(fw, "bootorder", &order, err);
}

static int add_number(struct firmware *fw, const char *name, uint64_t value,
		      size_t bytes, struct err *err)
{
	uint8_t data[8];

	tbuf_set_int(data, value, 8);
	return fwcfg_add_file(fw->fwcfg, name, data, bytes, err);
}

/* How much room 64-bit BARs need, where OVMF's own choice is too little. */
static int add_mmio64(struct firmware *fw, struct err *err)
{
	const struct load_params *p = &fw->params;
	uint64_t need, align;
	struct layout_told told;
	char text[24];
	int r;

	pci_host_mem64_need(p->pci, &need, &align);
	r = layout_firmware_window(p->layout, need, align, p->limits, err,
				   &told);
	if (r || !told.mib)
		return r;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)told.mib);
	return fwcfg_add_file(fw->fwcfg, "opt/ovmf/X-PciMmio64Mb", text,
			      strlen(text) + 1, err);
}

static int add_numbers(struct firmware *fw, const struct machine_desc *desc,
		       struct err *err)
{
	struct fwcfg *f = fw->fwcfg;
	uint16_t cpus = (uint16_t)desc->cpus;
	int r = fwcfg_add_u64(f, FW_CFG_RAM_SIZE,
			      desc->low_bytes + desc->high_bytes, err);

	if (!r)
		r = fwcfg_add_bytes(f, FW_CFG_UUID, desc->uuid,
				    sizeof(desc->uuid), err);
	if (!r)
		r = fwcfg_add_u16(f, FW_CFG_NB_CPUS, cpus, err);
	if (!r)
		r = fwcfg_add_u16(f, FW_CFG_MAX_CPUS, cpus, err);
	if (!r)
		r = fwcfg_add_u16(f, FW_CFG_NOGRAPHIC, !desc->has_screen, err);
	if (!r)
		r = fwcfg_add_u16(f, FW_CFG_BOOT_MENU, 0, err);
	if (!r)
		r = add_number(fw, "etc/reserved-memory-end",
			       DESC_HIGH_RAM_BASE + desc->high_bytes, 8, err);
	/* A BIOS without a screen speaks on the first serial port. */
	if (!r && !desc->has_screen && (desc->coms & BIT(0)))
		r = add_number(fw, "etc/sercon-port", COM1_PORT, 2, err);
	return r;
}

int firmware_load(struct firmware *fw, const struct load_params *params,
		  struct err *err)
{
	CLEANUP_FREE struct desc_bus *buses =
	    calloc(DESC_BUSES_MAX, sizeof(*buses));
	struct machine_desc desc;
	struct tbuf map = {0};
	int r;

	if (!buses)
		return err_set(err, -ENOMEM, "firmware: out of memory");
	fw->params = *params;
	r = load_describe(params, buses, err, &desc);
	if (!r && desc.bus_count > 1)
		r = err_set(err, -ENOTSUP,
			    "pci bus %u: firmware finds devices on bus 0 only;"
			    " put them there",
			    buses[1].bus);
	if (!r)
		r = add_numbers(fw, &desc, err);
	if (!r)
		r = fwtables_e820(&desc, err, &map);
	if (!r)
		r = add_buf(fw, "etc/e820", &map, err);
	if (!r)
		r = add_smbios(fw, &desc, err);
	if (!r)
		r = add_acpi(fw, err);
	if (!r)
		r = add_bootorder(fw, err);
	if (!r)
		r = add_mmio64(fw, err);
	return r ? r : fwcfg_add_user(fw->fwcfg, params->root, err);
}
