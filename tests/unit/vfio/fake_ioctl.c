/* SPDX-License-Identifier: BSD-2-Clause */
/* The fake kernel's ioctls on the IOMMU and on devices. */
#include <inttypes.h>
#include <string.h>

#include "fake_internal.h"

/* ---- IOMMU ---- */

static int iommu_info(struct fake_kernel *k, struct vfio_iommu_type1_info *info)
{
	struct vfio_iommu_type1_info_cap_iova_range *cap = (void *)(info + 1);
	uint32_t ranges =
	    (uint32_t)(sizeof(*cap) + k->iovas * sizeof(cap->iova_ranges[0]));
	struct vfio_iommu_type1_info_dma_avail *avail =
	    (void *)((uint8_t *)cap + ranges);
	uint32_t need = (uint32_t)(sizeof(*info) + ranges + sizeof(*avail));

	info->flags = VFIO_IOMMU_INFO_PGSIZES;
	info->iova_pgsizes = 0x40201000;
	info->cap_offset = 0;
	if (!k->iovas)
		return 0;
	info->flags |= VFIO_IOMMU_INFO_CAPS;
	if (info->argsz < need) {
		info->argsz = need;
		return 0;
	}
	info->cap_offset = sizeof(*info);
	cap->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	cap->header.version = 1;
	cap->header.next = (uint32_t)sizeof(*info) + ranges;
	avail->header = (struct vfio_info_cap_header){
	    .id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1};
	avail->avail = FAKE_MAPS - k->maps;
	cap->nr_iovas = k->iovas;
	memcpy(cap->iova_ranges, k->iova, k->iovas * sizeof(k->iova[0]));
	return 0;
}

static int iommu_map(struct fake_kernel *k,
		     const struct vfio_iommu_type1_dma_map *dma)
{
	if (dma->flags != (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE) ||
	    ((dma->iova | dma->size | dma->vaddr) & 4095) || !dma->size)
		return -EINVAL;
	if (k->map_error && k->maps == k->map_error_at)
		return k->map_error;
	if (k->maps == FAKE_MAPS)
		return -ENOSPC;
	k->map[k->maps++] = (struct fake_map){dma->iova, dma->size, dma->vaddr};
	fake_tracef(k, "map 0x%" PRIx64 "+0x%" PRIx64, (uint64_t)dma->iova,
		    (uint64_t)dma->size);
	return 0;
}

static int iommu_unmap(struct fake_kernel *k,
		       struct vfio_iommu_type1_dma_unmap *dma)
{
	unsigned i;

	for (i = 0; i < k->maps; i++) {
		if (k->map[i].iova != dma->iova || k->map[i].size != dma->size)
			continue;
		k->map[i] = k->map[--k->maps];
		fake_tracef(k, "unmap 0x%" PRIx64 "+0x%" PRIx64,
			    (uint64_t)dma->iova, (uint64_t)dma->size);
		return 0;
	}
	dma->size = 0;
	return 0;
}

int fake_iommu_ioctl(struct fake_kernel *k, unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_IOMMU_GET_INFO:
		return iommu_info(k, arg);
	case VFIO_IOMMU_MAP_DMA:
		return iommu_map(k, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return iommu_unmap(k, arg);
	default:
		return -ENOTTY;
	}
}

/* ---- regions ---- */

static int region_info(struct fake_device *dev, struct vfio_region_info *info)
{
	struct vfio_region_info_cap_sparse_mmap *sparse = (void *)(info + 1);
	struct vfio_info_cap_header *mappable = (void *)(info + 1);
	unsigned i = info->index, areas;
	uint32_t need = sizeof(*info);

	if (i > VFIO_PCI_CONFIG_REGION_INDEX)
		return -EINVAL;
	areas = dev->region[i].areas;
	info->size = dev->region[i].size;
	info->flags = dev->region[i].flags;
	info->offset = (uint64_t)i << FAKE_REGION_SHIFT;
	info->cap_offset = 0;
	if (areas)
		need += (uint32_t)(sizeof(*sparse) +
				   areas * sizeof(sparse->areas[0]));
	else if (dev->region[i].msix_mappable)
		need += sizeof(*mappable);
	if (need == sizeof(*info))
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (info->argsz < need) {
		info->argsz = need;
		return 0;
	}
	info->cap_offset = sizeof(*info);
	memset(info + 1, 0, need - sizeof(*info));
	mappable->id = areas ? VFIO_REGION_INFO_CAP_SPARSE_MMAP
			     : VFIO_REGION_INFO_CAP_MSIX_MAPPABLE;
	mappable->version = 1;
	if (areas) {
		sparse->nr_areas = areas;
		memcpy(sparse->areas, dev->region[i].area,
		       areas * sizeof(sparse->areas[0]));
	}
	return 0;
}

/* ---- interrupts ---- */

static const char *const index_name[] = {"INTx", "MSI", "MSI-X", "error",
					 "request"};

static void trace_irqs(struct fake_kernel *k, const struct fake_device *dev,
		       const struct vfio_irq_set *set)
{
	const int32_t *fds = (const void *)set->data;
	char line[512] = "", name[16];
	unsigned i, last = 0;
	size_t len;

	if (!(set->flags & VFIO_IRQ_SET_DATA_EVENTFD)) {
		fake_tracef(k, "irq %s %s off", dev->bdf + 5,
			    index_name[set->index]);
		return;
	}
	for (i = 0; i < set->count; i++)
		if (fds[i] >= 0)
			last = i + 1;
	for (i = 0; i < last && i < 40; i++) {
		len = strlen(line);
		snprintf(line + len, sizeof(line) - len, " %s",
			 fake_event_name(k, fds[i], name));
	}
	fake_tracef(
	    k, "irq %s %s %s %u+%u%s", dev->bdf + 5, index_name[set->index],
	    set->flags & VFIO_IRQ_SET_ACTION_UNMASK ? "unmask" : "trigger",
	    set->start, set->count, last ? line : " -");
}

static void irq_hardware(struct fake_device *dev)
{
	uint8_t *msix = &dev->cfg[dev->msix + PCI_MSIX_FLAGS + 1];
	uint8_t *msi = &dev->cfg[dev->msi + PCI_MSI_FLAGS];

	if (dev->msix && !dev->stuck)
		*msix =
		    (uint8_t)((*msix & 0x7f) |
			      (dev->irq_index == VFIO_PCI_MSIX_IRQ_INDEX ? 0x80
									 : 0));
	if (dev->msi)
		*msi = (uint8_t)((*msi & ~1) |
				 (dev->irq_index == VFIO_PCI_MSI_IRQ_INDEX));
}

static void irq_none(struct fake_device *dev)
{
	dev->teardowns += dev->irq_index != -1;
	dev->irq_index = -1;
	dev->vectors = 0;
	dev->intx_unmask_fd = -1;
	irq_hardware(dev);
}

static int set_intx(struct fake_device *dev, const struct vfio_irq_set *set)
{
	bool intx = dev->irq_index == VFIO_PCI_INTX_IRQ_INDEX;
	const int32_t *fds = (const void *)set->data;

	if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK) {
		if (!intx || set->start != 0 || set->count != 1)
			return -EINVAL;
		dev->intx_unmask_fd = fds[0];
		return 0;
	}
	if (intx && !set->count && (set->flags & VFIO_IRQ_SET_DATA_NONE)) {
		irq_none(dev);
		return 0;
	}
	if ((!intx && dev->irq_index != -1) || set->start != 0 ||
	    set->count != 1 || !(set->flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return -EINVAL;
	if (dev->intx_error)
		return dev->intx_error;
	dev->irq_index = VFIO_PCI_INTX_IRQ_INDEX;
	dev->vectors = 1;
	dev->fd[0] = fds[0];
	return 0;
}

static int set_message(struct fake_device *dev, const struct vfio_irq_set *set)
{
	bool same = dev->irq_index == (int)set->index;
	bool noresize = dev->irq[set->index].flags & VFIO_IRQ_INFO_NORESIZE;
	const int32_t *fds = (const void *)set->data;
	unsigned i, end = set->start + set->count;

	if (same && !set->count && (set->flags & VFIO_IRQ_SET_DATA_NONE)) {
		irq_none(dev);
		return 0;
	}
	if ((!same && dev->irq_index != -1) ||
	    !(set->flags & VFIO_IRQ_SET_DATA_EVENTFD))
		return -EINVAL;
	if (same && end > dev->vectors && noresize)
		return -EINVAL;
	if (dev->vectors_max && end > dev->vectors_max)
		return same ? -ENOSPC : (int)dev->vectors_max;
	if (!same) {
		dev->irq_index = (int)set->index;
		for (i = 0; i < FAKE_VECTORS; i++)
			dev->fd[i] = -1;
		irq_hardware(dev);
	}
	dev->vectors = MAX(dev->vectors, end);
	memcpy(dev->fd + set->start, fds, set->count * sizeof(fds[0]));
	return 0;
}

static int set_irqs(struct fake_kernel *k, struct fake_device *dev,
		    const struct vfio_irq_set *set)
{
	unsigned max;
	size_t data;
	int r;

	if (set->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	max = dev->irq[set->index].count;
	data = set->flags & VFIO_IRQ_SET_DATA_EVENTFD
		   ? set->count * sizeof(int32_t)
		   : 0;
	if (set->start >= max || set->start + set->count > max ||
	    set->argsz - sizeof(*set) < data) {
		k->violations++;
		return -EINVAL;
	}
	trace_irqs(k, dev, set);
	if (set->index == VFIO_PCI_ERR_IRQ_INDEX) {
		dev->err_fd = *(const int32_t *)(const void *)set->data;
		return 0;
	}
	if (set->index == VFIO_PCI_REQ_IRQ_INDEX) {
		dev->req_fd = *(const int32_t *)(const void *)set->data;
		return 0;
	}
	r = set->index == VFIO_PCI_INTX_IRQ_INDEX ? set_intx(dev, set)
						  : set_message(dev, set);
	if (r < 0 && r != dev->intx_error)
		k->violations++;
	return r;
}

bool fake_fire(struct fake_device *dev, unsigned n)
{
	const uint64_t one = 1;

	if (dev->irq_index < 0 || n >= dev->vectors || dev->fd[n] < 0)
		return false;
	return write(dev->fd[n], &one, sizeof(one)) == sizeof(one);
}

/* ---- resets ---- */

static const struct fake_reset *reset_by(struct fake_device *dev)
{
	if (strncmp(dev->reset_methods, "pm", 2) == 0) {
		dev->resets_pm++;
		return &dev->by_pm;
	}
	if (strncmp(dev->reset_methods, "bus", 3) == 0) {
		dev->resets_bus++;
		return &dev->by_bus;
	}
	dev->resets_function++;
	return &dev->by_function;
}

static int device_reset(struct fake_kernel *k, struct fake_device *dev)
{
	const struct fake_reset *reset;

	if (dev->mediated && dev->by_function.error == -ENOTTY)
		return -ENOTTY;
	if (!(dev->flags & VFIO_DEVICE_FLAGS_RESET) && !dev->mediated) {
		k->violations++;
		return -EINVAL;
	}
	if (dev->again) {
		dev->again--;
		return -EAGAIN;
	}
	fake_tracef(k, "reset %s", dev->bdf);
	reset = reset_by(dev);
	if (!reset->error && !reset->leaves_sick)
		fake_heal(dev);
	return reset->error;
}

static bool same_bus(const struct fake_device *a, const struct fake_device *b)
{
	return a->domain == b->domain && a->bus == b->bus;
}

static int hot_reset_info(struct fake_kernel *k, struct fake_device *dev,
			  struct vfio_pci_hot_reset_info *info)
{
	unsigned i, n = 0;

	/* A mediated one has no bus to be asked for. */
	k->violations += dev->mediated;
	if (dev->no_hot_reset)
		return dev->no_hot_reset;
	for (i = 0; i < k->devices; i++)
		n += same_bus(dev, k->dev[i]);
	info->count = n;
	if (info->argsz < sizeof(*info) + n * sizeof(info->devices[0]))
		return -ENOSPC;
	for (i = 0, n = 0; i < k->devices; i++) {
		if (!same_bus(dev, k->dev[i]))
			continue;
		info->devices[n++] = (struct vfio_pci_dependent_device){
		    .group_id = (uint32_t)k->dev[i]->group,
		    .segment = (uint16_t)k->dev[i]->domain,
		    .bus = (uint8_t)k->dev[i]->bus,
		    .devfn = (uint8_t)k->dev[i]->devfn,
		};
	}
	return 0;
}

static bool group_given(const struct fake_kernel *k,
			const struct vfio_pci_hot_reset *reset, int group)
{
	unsigned i;

	for (i = 0; i < reset->count; i++)
		if (fake_group_of_fd(k, reset->group_fds[i]) == group)
			return true;
	return false;
}

static int hot_reset(struct fake_kernel *k, struct fake_device *dev,
		     const struct vfio_pci_hot_reset *reset)
{
	unsigned i;

	if (reset->flags || !reset->count ||
	    reset->argsz <
		sizeof(*reset) + reset->count * sizeof(reset->group_fds[0])) {
		k->violations++;
		return -EINVAL;
	}
	for (i = 0; i < k->devices; i++) {
		if (same_bus(dev, k->dev[i]) &&
		    !group_given(k, reset, k->dev[i]->group)) {
			k->violations++;
			return -EINVAL;
		}
	}
	fake_tracef(k, "bus reset by %s, %u groups", dev->bdf, reset->count);
	for (i = 0; i < k->devices; i++) {
		if (!same_bus(dev, k->dev[i]))
			continue;
		k->dev[i]->resets_bus++;
		if (!dev->by_bus.error && !k->dev[i]->by_bus.leaves_sick)
			fake_heal(k->dev[i]);
		if (k->dev[i]->dies_by_bus)
			k->dev[i]->dead = true;
	}
	return dev->by_bus.error;
}

/* ---- sleep ---- */

static void power_state(struct fake_kernel *k, const struct fake_device *dev,
			const char *state)
{
	char path[96];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/power_state",
		 dev->bdf);
	fake_sysfs_write(k->root, path, state);
}

static int low_power_entry(struct fake_kernel *k, struct fake_device *dev)
{
	bool all = true;
	unsigned i;

	if (dev->low_power_error)
		return dev->low_power_error;
	fake_tracef(k, "sleep %s", dev->bdf);
	dev->low_power = true;
	power_state(k, dev, "D3hot\n");
	for (i = 0; i < k->devices; i++)
		if (same_bus(dev, k->dev[i]) && k->dev[i]->opens &&
		    !k->dev[i]->low_power)
			all = false;
	for (i = 0; all && k->slot_power && i < k->devices; i++)
		if (same_bus(dev, k->dev[i]))
			power_state(k, k->dev[i], "D3cold\n");
	return 0;
}

static int low_power_exit(struct fake_kernel *k, struct fake_device *dev)
{
	char path[160], state[16] = "";
	FILE *f;

	if (!dev->low_power)
		k->violations++;
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/power_state",
		 k->root, dev->bdf);
	f = fopen(path, "re");
	if (!f || !fgets(state, sizeof(state), f) || fclose(f))
		abort();
	fake_tracef(k, "wake %s from %.6s", dev->bdf, state);
	dev->low_power = false;
	if (strcmp(state, "D3cold\n") == 0) {
		dev->power_cycles++;
		fake_heal(dev);
	}
	power_state(k, dev, "D0\n");
	return 0;
}

static int device_feature(struct fake_kernel *k, struct fake_device *dev,
			  const struct vfio_device_feature *request)
{
	if (request->argsz != sizeof(*request))
		return -EINVAL;
	switch (request->flags) {
	case VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
		return low_power_entry(k, dev);
	case VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		return low_power_exit(k, dev);
	default:
		return -ENOTTY;
	}
}

void fake_heal(struct fake_device *dev)
{
	dev->dead = false;
	memcpy(dev->region[0].data, dev->healthy, 4096);
}

void fake_device_opened(struct fake_device *dev)
{
	memcpy(dev->vconfig, dev->cfg, sizeof(dev->vconfig));
	dev->vconfig[PCI_COMMAND + 1] &= (uint8_t)~4;
	if (dev->msi)
		dev->vconfig[dev->msi + PCI_MSI_FLAGS] &= (uint8_t)~1;
	dev->cfg[PCI_COMMAND] &= (uint8_t)~PCI_COMMAND_MASTER;
	if (!dev->mediated)
		dev->cfg[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
	if ((dev->flags & VFIO_DEVICE_FLAGS_RESET) && !dev->by_function.error &&
	    !dev->by_function.leaves_sick)
		fake_heal(dev);
}

int fake_device_ioctl(struct fake_kernel *k, struct fake_device *dev,
		      unsigned long request, void *arg)
{
	struct vfio_device_info *info = arg;
	struct vfio_irq_info *irq = arg;

	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = dev->flags | VFIO_DEVICE_FLAGS_PCI;
		info->num_regions = VFIO_PCI_NUM_REGIONS;
		info->num_irqs = VFIO_PCI_NUM_IRQS;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(dev, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		if (irq->index == VFIO_PCI_ERR_IRQ_INDEX && !dev->exp)
			return -EINVAL;
		if (irq->index == VFIO_PCI_MSIX_IRQ_INDEX && dev->mediated)
			return -EINVAL;
		irq->count = dev->irq[irq->index].count;
		irq->flags = dev->irq[irq->index].flags;
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(k, dev, arg);
	case VFIO_DEVICE_RESET:
		return device_reset(k, dev);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return hot_reset_info(k, dev, arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return hot_reset(k, dev, arg);
	case VFIO_DEVICE_FEATURE:
		return device_feature(k, dev, arg);
	default:
		return -ENOTTY;
	}
}
