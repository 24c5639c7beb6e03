/* SPDX-License-Identifier: BSD-2-Clause */
/* Wired lines shared by several sources; the contract is in irq.h. */
#include "bus/irq.h"

#include <pthread.h>

struct irq_shared {
	struct irq_ctl *ctl;
	pthread_mutex_t lock; /* Locking: guards users[] and line order */
	unsigned users[IRQ_LINES];
};

int irq_shared_create(struct irq_ctl *ctl, struct irq_shared **ret_shared)
{
	struct irq_shared *shared = calloc(1, sizeof(*shared));

	if (!shared)
		return -ENOMEM;
	shared->ctl = ctl;
	pthread_mutex_init(&shared->lock, NULL);
	*ret_shared = shared;
	return 0;
}

void irq_shared_destroy(struct irq_shared *shared)
{
	if (!shared)
		return;
	pthread_mutex_destroy(&shared->lock);
	free(shared);
}

void irq_shared_set(struct irq_shared *shared, unsigned gsi, bool *asserted,
		    bool level)
{
	if (*asserted == level || gsi >= IRQ_LINES)
		return;
	*asserted = level;
	/* The lock covers the op too: two sources must not cross on the way. */
	pthread_mutex_lock(&shared->lock);
	if (level && shared->users[gsi]++ == 0)
		shared->ctl->ops->line_set(shared->ctl->ctx, gsi, true);
	else if (!level && --shared->users[gsi] == 0)
		shared->ctl->ops->line_set(shared->ctl->ctx, gsi, false);
	pthread_mutex_unlock(&shared->lock);
}

void irq_pulse(struct irq_ctl *ctl, unsigned gsi)
{
	ctl->ops->line_set(ctl->ctx, gsi, true);
	ctl->ops->line_set(ctl->ctx, gsi, false);
}
