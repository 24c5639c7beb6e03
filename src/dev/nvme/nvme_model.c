/* SPDX-License-Identifier: BSD-2-Clause */
/* The model "nvme": options, the PCI function, life. */
#include "dev/nvme/nvme_model.h"

#include <string.h>
#include <sys/eventfd.h>

#include "base/hash.h"
#include "dev/nvme/nvme_internal.h"

/* bhyve's ids: recognised by class, not taken from a vendor. */
#define NVME_VENDOR   0xfb5d
#define NVME_DEVICE   0x0a0a
#define CLASS_STORAGE 0x01
#define CLASS_NVM     0x08
#define PROG_IF_NVME  0x02
#define EXP_BYTES     60u
#define EXP_VERSION   2u

#define QUEUES_DEFAULT 16u
#define SIZE_DEFAULT   2058u
#define SIZE_LIMIT     65535u
#define SLOTS_DEFAULT  8u
#define RAM_MIB_MAX    (1u << 24)
#define SECTOR_MAX     8192u
#define SERIAL_CHARS   20u

static const char model_name[] = "byway NVMe disk";

/* ---- names that stay ---- */

/*
 * Without eui64= both names come from serial number and place, so that they
 * outlive a reboot and differ between two disks: a UUID of version 8, and an
 * EUI-64 marked as locally administered.
 */
static int read_names(struct nvme *nvme, struct cfg *node, const char *place,
		      struct err *err)
{
	struct nvme_params *params = &nvme->params;
	uint64_t half[2];
	int r;

	half[0] = hash64_text(hash64_text(HASH64_START, params->serial), place);
	half[1] = hash64_text(half[0], "uuid");
	memcpy(params->uuid, half, sizeof(params->uuid));
	params->uuid[6] = (params->uuid[6] & 0x0f) | 0x80;
	params->uuid[8] = (params->uuid[8] & 0x3f) | 0x80;
	params->has_uuid = !cfg_raw(node, "eui64");
	r = cfg_u64(node, "eui64", (half[0] & ~(3ull << 56)) | 2ull << 56, 1,
		    UINT64_MAX, err, &params->eui64);
	return r;
}

/* ---- options ---- */

static int check_options(struct cfg *node, struct err *err)
{
	static const char *const own[] = {
	    "device", "ram", "maxq",  "qsz", "ioslots",
	    "sectsz", "ser", "eui64", "dsm", "bootindex"};
	const char *known[24] = {NULL};
	unsigned n = 0, i;

	for (i = 0; i < ARRAY_LEN(own); i++)
		known[n++] = own[i];
	for (i = 0; block_options[i] && n < ARRAY_LEN(known) - 1; i++)
		known[n++] = block_options[i];
	return cfg_check_known(node, known, err);
}

static int read_sizes(struct nvme *nvme, struct cfg *node, struct err *err)
{
	uint64_t queues, size, slots;
	int r;

	r = cfg_u64(node, "maxq", QUEUES_DEFAULT, 1, NVME_QUEUES_MAX, err,
		    &queues);
	if (!r)
		r = cfg_u64(node, "qsz", SIZE_DEFAULT, 2, SIZE_LIMIT, err,
			    &size);
	if (!r)
		r = cfg_u64(node, "ioslots", SLOTS_DEFAULT, 1, NVME_SLOTS_MAX,
			    err, &slots);
	if (r)
		return r;
	nvme->params.queues = (uint16_t)queues;
	nvme->params.queue_size = (uint32_t)size;
	nvme->params.slots = (unsigned)slots;
	return 0;
}

static int open_disk(struct nvme *nvme, struct cfg *node, struct err *err)
{
	uint64_t mib;
	int r;

	if (!cfg_raw(node, "ram"))
		return block_open(node, err, &nvme->block);
	if (cfg_raw(node, "path"))
		return err_set(err, -EINVAL,
			       "both ram= and a path; give one of them");
	r = cfg_u64(node, "ram", 0, 1, RAM_MIB_MAX, err, &mib);
	if (!r)
		r = block_open_memory(node, MIB(mib), err, &nvme->block);
	return r;
}

static int read_sector(struct nvme *nvme, struct cfg *node, struct err *err)
{
	const struct block_info *info = &nvme->info;
	uint64_t sector;
	int r = cfg_u64(node, "sectsz", info->logical_sector, 1, UINT32_MAX,
			err, &sector);

	if (r)
		return r;
	if (cfg_raw(node, "sectsz") && sector != 512 && sector != 4096 &&
	    sector != SECTOR_MAX)
		return err_set(err, -EINVAL,
			       "sectsz=%llu is not 512, 4096 or 8192",
			       (unsigned long long)sector);
	if (sector < info->logical_sector)
		return err_set(err, -EINVAL,
			       "sectsz=%llu is smaller than the disk's own"
			       " sectors of %u bytes",
			       (unsigned long long)sector,
			       info->logical_sector);
	if (info->size % sector)
		return err_set(err, -EINVAL,
			       "the disk's %llu bytes are not a multiple of"
			       " sectsz=%llu; extend it or take a smaller"
			       " sectsz",
			       (unsigned long long)info->size,
			       (unsigned long long)sector);
	nvme->params.lba_shift = (unsigned)__builtin_ctzll(sector);
	nvme->blocks = info->size / sector;
	return 0;
}

static int read_dsm(struct nvme *nvme, struct cfg *node, struct err *err)
{
	char text[16];
	int r = cfg_get(node, "dsm", text, sizeof(text), err);

	if (r < 0)
		return r;
	if (r == 0 || !strcmp(text, "auto"))
		nvme->params.dsm = nvme->info.can_discard;
	else if (!strcmp(text, "enable"))
		nvme->params.dsm = true;
	else if (!strcmp(text, "disable"))
		nvme->params.dsm = false;
	else
		return err_set(err, -EINVAL,
			       "dsm=%s is not auto, enable or disable", text);
	return 0;
}

static int read_options(struct nvme *nvme, struct pci_addr addr,
			struct cfg *node, struct err *err)
{
	char place[16];
	int r;

	snprintf(place, sizeof(place), "%u:%u:%u", addr.bus, addr.slot,
		 addr.func);
	r = check_options(node, err);
	if (!r)
		r = read_sizes(nvme, node, err);
	if (!r)
		r = block_serial(node, place, SERIAL_CHARS, err,
				 nvme->params.serial);
	if (!r)
		r = read_names(nvme, node, place, err);
	if (!r)
		r = open_disk(nvme, node, err);
	if (r)
		return r;
	nvme->info = block_info(nvme->block);
	r = read_sector(nvme, node, err);
	return r ? r : read_dsm(nvme, node, err);
}

/* ---- the PCI function ---- */

static int add_caps(struct nvme *nvme)
{
	struct pci_dev *dev = &nvme->pci;
	unsigned off;
	int r;

	r = pci_add_cap(dev, PCI_CAP_ID_PM, PCI_PM_SIZEOF);
	if (r < 0)
		return r;
	nvme->pm_cap = (unsigned)r;
	pci_set16(dev, nvme->pm_cap + PCI_PM_PMC, 3); /* PM 1.2: D0, D3hot */
	pci_set16(dev, nvme->pm_cap + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	pci_wmask16(dev, nvme->pm_cap + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
	r = pci_add_cap(dev, PCI_CAP_ID_EXP, EXP_BYTES);
	if (r < 0)
		return r;
	off = (unsigned)r;
	pci_set16(dev, off + PCI_EXP_FLAGS,
		  EXP_VERSION | PCI_EXP_TYPE_RC_END << 4);
	pci_set32(dev, off + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER);
	pci_wmask16(dev, off + PCI_EXP_DEVCTL,
		    PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
			PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE |
			PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_READRQ);
	r = pci_msi_init(dev, 0, 0, true, false);
	return r < 0 ? r
		     : pci_msix_init(dev, 0, nvme->params.queues + 1u, NVME_BAR,
				     NVME_MSIX_TABLE, NVME_BAR, NVME_MSIX_PBA);
}

static int build_function(struct nvme *nvme, struct pci_addr addr,
			  struct err *err)
{
	struct pci_dev *dev = &nvme->pci;
	int r = pci_dev_init(dev, addr, "nvme", &nvme_pci_ops, nvme);

	if (r)
		return err_sys(err, r, "cannot build its PCI function");
	pci_set_ids(dev, (struct pci_ids){.vendor = NVME_VENDOR,
					  .device = NVME_DEVICE,
					  .subvendor = NVME_VENDOR,
					  .subdevice = NVME_DEVICE,
					  .class = CLASS_STORAGE,
					  .subclass = CLASS_NVM,
					  .prog_if = PROG_IF_NVME});
	pci_intx_init(dev, 1);
	r = pci_add_bar(dev, NVME_BAR, PCI_BAR_MEM64, NVME_BAR_BYTES, false);
	if (!r)
		r = add_caps(nvme);
	return r ? err_sys(err, r, "cannot build its PCI function") : 0;
}

/* ---- life ---- */

/* On the event loop: doorbells in guest memory, and queues that waited. */
static void kicked(void *ctx, unsigned events UNUSED)
{
	struct nvme *nvme = ctx;
	eventfd_t count;

	/* Cleared before looking: a kick during the look comes back. */
	(void)!eventfd_read(nvme->kick_fd, &count);
	pthread_mutex_lock(&nvme->pci.lock);
	nvme_serve(nvme);
	nvme_events_send(nvme);
	nvme_interrupt(nvme);
	pthread_mutex_unlock(&nvme->pci.lock);
}

void nvme_destroy(struct pci_dev *dev)
{
	struct nvme *nvme = container_of(dev, struct nvme, pci);

	/* Nothing is fetched or answered from here on. */
	if (dev->host) {
		pthread_mutex_lock(&dev->lock);
		nvme->cc = 0;
		nvme_reset(nvme);
		pthread_mutex_unlock(&dev->lock);
	}
	block_close(nvme->block); /* waits: io_done() needs the rest */
	ev_fd_destroy(nvme->kick);
	if (nvme->kick_fd >= 0)
		close(nvme->kick_fd);
	pci_dev_fini(dev);
	pthread_mutex_destroy(&nvme->done_lock);
	free(nvme->reqs);
	free(nvme);
}

static int start(struct nvme *nvme, const struct model_env *env,
		 struct err *err)
{
	int r;

	nvme->reqs = calloc(nvme->params.slots + 2, sizeof(*nvme->reqs));
	if (!nvme->reqs)
		return err_set(err, -ENOMEM, "out of memory");
	nvme_pool_init(nvme);
	nvme->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (nvme->kick_fd < 0)
		return err_sys(err, -errno, "cannot create its event file");
	r = ev_fd_create(env->loop, nvme->kick_fd, EV_IN, kicked, nvme,
			 &nvme->kick);
	if (r)
		return err_sys(err, r, "cannot watch its event file");
	block_use_loop(nvme->block, env->loop);
	nvme->sqs_allowed = nvme->cqs_allowed = nvme->params.queues;
	nvme_features_reset(nvme);
	return 0;
}

static int nvme_create(const struct model_env *env, struct pci_addr addr,
		       struct cfg *node, struct err *err)
{
	struct nvme *nvme = calloc(1, sizeof(*nvme));
	int r;

	if (!nvme)
		return err_set(err, -ENOMEM, "nvme: out of memory");
	nvme->kick_fd = -1;
	nvme->gmem = env->gmem;
	nvme->irq = env->irq;
	nvme->clock = env->clock;
	nvme->start_ns = env->clock->mono_ns(env->clock);
	nvme->done_tail = &nvme->done;
	pthread_mutex_init(&nvme->done_lock, NULL);
	memcpy(nvme->params.model, model_name, sizeof(model_name));
	r = read_options(nvme, addr, node, err);
	if (!r)
		r = build_function(nvme, addr, err);
	if (!r)
		r = start(nvme, env, err);
	if (r)
		(void)err_prefix(err, "nvme");
	else
		r = pci_host_add(env->pci, &nvme->pci, err);
	if (r)
		nvme_destroy(&nvme->pci);
	return r;
}

static int nvme_parse(struct cfg *node, const char *opts, struct err *err)
{
	return block_parse(node, "nvme", opts, err);
}

const struct pci_model nvme_model = {
    .name = "nvme",
    .summary = "NVMe disk: path or ram=MiB[,maxq=N][,qsz=N][,ioslots=N]"
	       "[,sectsz=N][,ser=TEXT][,eui64=N][,dsm=auto|enable|disable],"
	       " block options",
    .parse = nvme_parse,
    .create = nvme_create,
};
