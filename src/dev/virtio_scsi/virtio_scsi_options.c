/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration of virtio-scsi: the text of -s into target nodes, these into
 * units, and the adapter around them.
 *
 * Below the function's node: iid, bootindex, num_queues, seg_max; and for each
 * target target.N.type (hd or cd), target.N.path, target.N.ser and the block
 * back end's options.
 */
#include <endian.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "dev/virtio_scsi/virtio_scsi_internal.h"
#include "dev/virtio_scsi/virtio_scsi_model.h"

#define CTL_PREFIX  "/dev/cam/ctl"
#define EXAMPLE	    "'virtio-scsi,/vm/guest/disk0.img'"
#define IID_MAX	    0xffffffffull
#define MAX_SECTORS 0xffffu

/* Of the adapter, wherever in the list they stand. */
static const char *const adapter_options[] = {"bootindex", "iid", "num_queues",
					      "seg_max", NULL};

/* ---- from -s ---- */

static int refuse_ctl(const char *path, struct err *err)
{
	if (strncmp(path, CTL_PREFIX, strlen(CTL_PREFIX)) != 0)
		return 0;
	return err_set(err, -EINVAL,
		       "virtio-scsi: %s: the CAM target layer exists on FreeBSD"
		       " only; give a disk file or block device, as in %s",
		       path, EXAMPLE);
}

static bool is_adapter_option(const char *word)
{
	size_t len = strcspn(word, "="), i;

	for (i = 0; adapter_options[i]; i++)
		if (strlen(adapter_options[i]) == len &&
		    strncmp(word, adapter_options[i], len) == 0)
			return true;
	return false;
}

/* A unit rather than an option of the one before. */
static bool is_unit(const char *word, bool first)
{
	return !strncmp(word, "hd:", 3) || !strncmp(word, "cd:", 3) ||
	       word[0] == '/' ||
	       (first && (!strchr(word, '=') || !strncmp(word, "path=", 5)));
}

static int add_unit(struct cfg *node, unsigned n, const char *word,
		    struct err *err)
{
	const char *type = word[0] == 'c' ? "cd" : "hd", *path = word;
	char name[32];
	int r;

	if (strncmp(word, "hd:", 3) == 0 || strncmp(word, "cd:", 3) == 0)
		path = word + 3;
	else
		type = "hd";
	if (strncmp(word, "path=", 5) == 0)
		path = word + 5;
	if (n >= VSCSI_TARGETS)
		return err_set(err, -E2BIG,
			       "virtio-scsi: %s: one adapter has %u targets;"
			       " put it on another slot",
			       path, VSCSI_TARGETS);
	r = refuse_ctl(path, err);
	snprintf(name, sizeof(name), "target.%u.type", n);
	if (!r)
		r = cfg_set(node, name, type, err);
	snprintf(name, sizeof(name), "target.%u.path", n);
	if (!r && *path)
		r = cfg_set(node, name, path, err);
	return r;
}

static int add_option(struct cfg *node, unsigned n, const char *word,
		      struct err *err)
{
	struct cfg *target;
	char name[32];
	int r;

	if (is_adapter_option(word))
		return cfg_set_list(node, word, err);
	snprintf(name, sizeof(name), "target.%u", n);
	r = cfg_make(node, name, err, &target);
	return r ? r : cfg_set_list(target, word, err);
}

static int vscsi_parse(struct cfg *node, const char *opts, struct err *err)
{
	CLEANUP_FREE char *copy = strdup(opts);
	char *rest = copy, *word;
	unsigned units = 0;
	int r = 0;

	if (!copy)
		return err_set(err, -ENOMEM, "virtio-scsi: out of memory");
	while (!r && (word = strsep(&rest, ","))) {
		if (!*word)
			continue;
		if (is_unit(word, units == 0))
			r = add_unit(node, units++, word, err);
		else
			r = add_option(node, units ? units - 1 : 0, word, err);
	}
	return r;
}

/* ---- units ---- */

static int check_target(struct cfg *node, struct err *err)
{
	static const char *const own[] = {"type", "ser"};
	const char *known[16] = {NULL};
	unsigned n = 0, i;

	for (i = 0; i < ARRAY_LEN(own); i++)
		known[n++] = own[i];
	for (i = 0; block_options[i] && n < ARRAY_LEN(known) - 1; i++)
		known[n++] = block_options[i];
	return cfg_check_known(node, known, err);
}

static int read_type(struct cfg *node, struct err *err,
		     enum scsi_type *ret_type)
{
	char text[8];
	int r;

	r = cfg_get(node, "type", text, sizeof(text), err);
	if (r < 0)
		return r;
	if (r > 0 && strcmp(text, "cd") == 0)
		*ret_type = SCSI_CD;
	else if (r == 0 || strcmp(text, "hd") == 0)
		*ret_type = SCSI_DISK;
	else
		return err_set(err, -EINVAL, "type=%s is neither hd nor cd",
			       text);
	return 0;
}

static int open_unit(struct vscsi_target *target, struct cfg *node,
		     struct err *err)
{
	enum scsi_type type = SCSI_DISK;
	char serial[SCSI_SERIAL_MAX + 1];
	struct block_info info;
	int r;

	r = check_target(node, err);
	if (!r)
		r = read_type(node, err, &type);
	if (!r)
		r = block_serial(node, "", SCSI_SERIAL_MAX, err, serial);
	/* Nothing can be written to a CD. */
	if (!r && type == SCSI_CD)
		r = cfg_set(node, "ro", "true", err);
	if (!r)
		r = block_open(node, err, &target->block);
	if (r)
		return r;
	info = block_info(target->block);
	r = scsi_unit_init(&target->unit, type, &info, serial);
	if (r == -EINVAL)
		return err_set(err, r,
			       "a CD has blocks of %u bytes, and at least one"
			       " of them",
			       SCSI_CD_BLOCK);
	return r ? err_sys(err, r, "cannot start") : 0;
}

/* One "target.N" node. */
static int open_target(struct virtio_scsi *vs, struct cfg *node,
		       struct err *err)
{
	const char *name = cfg_name(node);
	uint64_t n;
	int r;

	if (parse_u64(name, &n) || n >= VSCSI_TARGETS || vs->target[n].block)
		return err_set(err, -EINVAL,
			       "virtio-scsi: target.%s: targets are numbered"
			       " from 0 to %u",
			       name, VSCSI_TARGETS - 1);
	r = open_unit(&vs->target[n], node, err);
	if (r)
		return err_prefix(err, "virtio-scsi: target %u", (unsigned)n);
	if (n > le16toh(vs->config.max_target))
		vs->config.max_target = htole16((uint16_t)n);
	return 0;
}

static int open_targets(struct virtio_scsi *vs, struct cfg *node,
			struct err *err)
{
	struct cfg *list = cfg_find(node, "target"), *child;
	int r = 0;

	if (!list || !cfg_first(list))
		return err_set(err, -EINVAL,
			       "virtio-scsi: no disk given; name one, as in %s",
			       EXAMPLE);
	for (child = cfg_first(list); child && !r; child = cfg_next(child))
		r = open_target(vs, child, err);
	return r;
}

/* ---- the adapter ---- */

static int check_adapter(struct cfg *node, struct err *err)
{
	const char *known[ARRAY_LEN(adapter_options) + 2] = {"device",
							     "target"};
	unsigned n = 2, i;

	for (i = 0; adapter_options[i]; i++)
		known[n++] = adapter_options[i];
	return cfg_check_known(node, known, err);
}

static int read_options(struct virtio_scsi *vs, struct cfg *node,
			struct err *err)
{
	uint64_t queues = 1, segments = VSCSI_SEG_MAX, iid;
	int r;

	r = check_adapter(node, err);
	/* Names the initiator to FreeBSD's target layer: nothing here. */
	if (!r)
		r = cfg_u64(node, "iid", 0, 0, IID_MAX, err, &iid);
	if (!r)
		r = cfg_u64(node, "num_queues", 1, 1, VSCSI_QUEUES_MAX, err,
			    &queues);
	if (!r)
		r = cfg_u64(node, "seg_max", VSCSI_SEG_MAX, 1, VSCSI_SEG_MAX,
			    err, &segments);
	if (r)
		return err_prefix(err, "virtio-scsi");
	vs->config = (struct virtio_scsi_config){
	    .num_queues = htole32((uint32_t)queues),
	    .seg_max = htole32((uint32_t)segments),
	    .max_sectors = htole32(MAX_SECTORS),
	    .cmd_per_lun = htole32(VSCSI_QUEUE_SIZE),
	    .event_info_size = htole32(sizeof(struct virtio_scsi_event)),
	    .sense_size = htole32(VIRTIO_SCSI_SENSE_DEFAULT_SIZE),
	    .cdb_size = htole32(VIRTIO_SCSI_CDB_DEFAULT_SIZE),
	};
	return open_targets(vs, node, err);
}

static int vscsi_build(struct virtio_scsi *vs, const struct model_env *env,
		       struct pci_addr addr, struct cfg *node, struct err *err)
{
	struct virtio_params params = {
	    .model = "virtio-scsi",
	    .type = VIRTIO_ID_SCSI,
	    .class = 0x01,
	    .subclass = 0x00,
	    .queue_size = VSCSI_QUEUE_SIZE,
	    .config = &vs->config,
	    .config_len = sizeof(vs->config),
	    .ops = &vscsi_ops,
	};
	unsigned queues, t;
	int r;

	r = read_options(vs, node, err);
	if (r)
		return r;
	for (t = 0; t < VSCSI_TARGETS; t++)
		if (vs->target[t].block)
			block_use_loop(vs->target[t].block, env->loop);
	queues = le32toh(vs->config.num_queues);
	params.queues = (uint8_t)(VSCSI_REQUEST + queues);
	/* One to look with. */
	vs->requests = queues * VSCSI_QUEUE_SIZE + 1;
	vs->reqs = calloc(vs->requests, sizeof(*vs->reqs));
	if (!vs->reqs)
		return err_set(err, -ENOMEM, "virtio-scsi: out of memory");
	r = virtio_init(&vs->virtio, env, addr, &params, err);
	if (!r)
		r = virtio_add(&vs->virtio, env, err);
	return r;
}

static int vscsi_create(const struct model_env *env, struct pci_addr addr,
			struct cfg *node, struct err *err)
{
	struct virtio_scsi *vs = calloc(1, sizeof(*vs));
	int r;

	if (!vs)
		return err_set(err, -ENOMEM, "virtio-scsi: out of memory");
	r = vscsi_build(vs, env, addr, node, err);
	if (r)
		vscsi_destroy(&vs->virtio);
	return r;
}

const struct pci_model virtio_scsi_model = {
    .name = "virtio-scsi",
    .summary = "SCSI adapter: [hd:]path or cd:path, each with disk options;"
	       " [,num_queues=N][,seg_max=N]",
    .parse = vscsi_parse,
    .create = vscsi_create,
};
