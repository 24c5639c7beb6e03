/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The input hub; the contract is in input.h.
 *
 * Locking: `lock` guards everything, from the choice of a sink to the end of
 * the last call into it. So a removal comes before or after a whole event, and
 * who holds the lock may call every sink he finds here.
 */
#include "backend/input.h"

#include <pthread.h>

#define KEYS 256u

struct input_hub {
	pthread_mutex_t lock;
	const struct input_sink *sink[INPUT_SINKS_MAX];
	unsigned sinks;
	const struct input_sink *keyboard; /* that has the keys below */
	bool down[KEYS];
	const struct input_sink *mouse; /* that has the buttons below */
	struct input_pointer last;
};

int input_hub_create(struct input_hub **ret_hub)
{
	struct input_hub *hub = calloc(1, sizeof(*hub));

	if (!hub)
		return -ENOMEM;
	pthread_mutex_init(&hub->lock, NULL);
	*ret_hub = hub;
	return 0;
}

void input_hub_destroy(struct input_hub *hub)
{
	if (!hub)
		return;
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

int input_add(struct input_hub *hub, const struct input_sink *sink)
{
	int r = 0;

	if (!hub)
		return 0;
	pthread_mutex_lock(&hub->lock);
	if (hub->sinks < INPUT_SINKS_MAX)
		hub->sink[hub->sinks++] = sink;
	else
		r = -ENOSPC;
	pthread_mutex_unlock(&hub->lock);
	return r;
}

void input_remove(struct input_hub *hub, const struct input_sink *sink)
{
	unsigned i, kept = 0;

	if (!hub)
		return;
	pthread_mutex_lock(&hub->lock);
	for (i = 0; i < hub->sinks; i++)
		if (hub->sink[i] != sink)
			hub->sink[kept++] = hub->sink[i];
	hub->sinks = kept;
	/* Its device goes away: nobody is left to be told of a release. */
	if (hub->keyboard == sink) {
		hub->keyboard = NULL;
		for (i = 0; i < KEYS; i++)
			hub->down[i] = false;
	}
	if (hub->mouse == sink)
		hub->mouse = NULL;
	pthread_mutex_unlock(&hub->lock);
}

/* ---- who gets an event ---- */

static bool serves(const struct input_sink *sink, bool pointer)
{
	return pointer ? sink->pointer != NULL : sink->key != NULL;
}

/* The last active one, else the first; NULL when there is none. Lock held. */
static const struct input_sink *choose(const struct input_hub *hub,
				       bool pointer)
{
	const struct input_sink *first = NULL;
	unsigned i = hub->sinks;

	while (i-- > 0) {
		const struct input_sink *sink = hub->sink[i];

		if (!serves(sink, pointer))
			continue;
		if (!sink->active || sink->active(sink->ctx))
			return sink;
		first = sink;
	}
	return first;
}

/* ---- keys ---- */

/* Lock held. */
static void release_keys(struct input_hub *hub)
{
	const struct input_sink *sink = hub->keyboard;
	unsigned i;

	for (i = 0; sink && i < KEYS; i++) {
		if (hub->down[i])
			sink->key(sink->ctx, (uint8_t)i, false);
		hub->down[i] = false;
	}
}

void input_key(struct input_hub *hub, uint8_t key, bool down)
{
	const struct input_sink *sink;
	bool tell;

	if (!hub)
		return;
	pthread_mutex_lock(&hub->lock);
	sink = choose(hub, false);
	if (sink != hub->keyboard)
		release_keys(hub);
	hub->keyboard = sink;
	/* A release belongs to who saw the press; presses may repeat. */
	tell = sink && (down || hub->down[key]);
	hub->down[key] = sink && down;
	if (tell)
		sink->key(sink->ctx, key, down);
	pthread_mutex_unlock(&hub->lock);
}

void input_release_all(struct input_hub *hub)
{
	if (!hub)
		return;
	pthread_mutex_lock(&hub->lock);
	release_keys(hub);
	pthread_mutex_unlock(&hub->lock);
}

/* ---- pointer ---- */

/* Lock held. */
static void release_buttons(const struct input_hub *hub)
{
	const struct input_sink *sink = hub->mouse;
	const struct input_pointer let_go = {.x = hub->last.x,
					     .y = hub->last.y};

	if (sink && hub->last.buttons)
		sink->pointer(sink->ctx, &let_go);
}

void input_pointer(struct input_hub *hub, const struct input_pointer *event)
{
	const struct input_sink *sink;

	if (!hub)
		return;
	pthread_mutex_lock(&hub->lock);
	sink = choose(hub, true);
	if (sink != hub->mouse)
		release_buttons(hub);
	hub->mouse = sink;
	hub->last = *event;
	if (sink)
		sink->pointer(sink->ctx, event);
	pthread_mutex_unlock(&hub->lock);
}
