/* SPDX-License-Identifier: BSD-2-Clause */
/* The PC's serial ports; the contract is in com.h. */
#include "dev/com.h"

#include "dev/uart.h"

struct com {
	struct uart *uart;
	struct aspace *pio;
	struct irq_shared *lines;
	const struct com_place *place;
	bool asserted;
	struct aspace_region region;
};

static const struct com_place places[COM_PORTS] = {
    {"com1", 0x3f8, 4},
    {"com2", 0x2f8, 3},
    {"com3", 0x3e8, 4},
    {"com4", 0x2e8, 3},
};

const struct com_place *com_place(unsigned index)
{
	return &places[index];
}

static void com_irq(void *ctx, bool level)
{
	struct com *com = ctx;

	irq_shared_set(com->lines, com->place->irq, &com->asserted, level);
}

static uint64_t com_read(void *ctx, uint64_t offset, unsigned size UNUSED)
{
	struct com *com = ctx;

	return uart_read(com->uart, (unsigned)offset);
}

static void com_write(void *ctx, uint64_t offset, unsigned size UNUSED,
		      uint64_t value)
{
	struct com *com = ctx;

	uart_write(com->uart, (unsigned)offset, (uint8_t)value);
}

int com_create(const struct model_env *env, unsigned index, const char *where,
	       struct err *err, struct com **ret_com)
{
	struct com *com = calloc(1, sizeof(*com));
	const struct uart_params params = {
	    .name = places[index].name,
	    .where = where,
	    .loop = env->loop,
	    .irq = com_irq,
	    .irq_ctx = com,
	};
	int r;

	if (!com)
		return err_set(err, -ENOMEM, "%s: out of memory", params.name);
	com->pio = env->pio;
	com->lines = env->lines;
	com->place = &places[index];
	r = uart_create(&params, err, &com->uart);
	if (!r) {
		com->region = (struct aspace_region){
		    .name = com->place->name,
		    .size = UART_PORTS,
		    .read = com_read,
		    .write = com_write,
		    .ctx = com,
		    .lock = uart_lock(com->uart),
		    .min_size = 1,
		    .max_size = 1,
		};
		r = aspace_add(env->pio, &com->region, com->place->port, err);
	}
	if (r) {
		com_destroy(com);
		return r;
	}
	*ret_com = com;
	return 0;
}

void com_destroy(struct com *com)
{
	if (!com)
		return;
	aspace_remove(com->pio, &com->region);
	uart_destroy(com->uart);
	free(com);
}
