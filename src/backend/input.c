/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The input hub; the contract is in input.h.
 *
 * Locking: `lock` guards everything and is never held while a sink is called,
 * as a sink takes its device's lock: sinks are asked before, and told after.
 */
#include "backend/input.h"

#include <pthread.h>
#include <string.h>

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

/* Keys to let go of on one sink. */
struct releases {
	const struct input_sink *sink;
	unsigned count;
	uint8_t key[KEYS];
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

/* The last active one, else the first; NULL when there is none. */
static const struct input_sink *choose(struct input_hub *hub, bool pointer)
{
	const struct input_sink *copy[INPUT_SINKS_MAX], *first = NULL;
	unsigned i;

	pthread_mutex_lock(&hub->lock);
	i = hub->sinks;
	memcpy(copy, hub->sink, sizeof(copy));
	pthread_mutex_unlock(&hub->lock);
	while (i-- > 0) {
		const struct input_sink *sink = copy[i];

		if (!serves(sink, pointer))
			continue;
		if (!sink->active || sink->active(sink->ctx))
			return sink;
		first = sink;
	}
	return first;
}

/* ---- keys ---- */

static void collect_releases(struct input_hub *hub, struct releases *ret)
{
	unsigned i;

	ret->sink = hub->keyboard;
	ret->count = 0;
	for (i = 0; i < KEYS; i++) {
		if (hub->down[i])
			ret->key[ret->count++] = (uint8_t)i;
		hub->down[i] = false;
	}
}

static void say_releases(const struct releases *releases)
{
	unsigned i;

	for (i = 0; releases->sink && i < releases->count; i++)
		releases->sink->key(releases->sink->ctx, releases->key[i],
				    false);
}

void input_key(struct input_hub *hub, uint8_t key, bool down)
{
	const struct input_sink *sink;
	struct releases releases = {0};
	bool tell;

	if (!hub)
		return;
	sink = choose(hub, false);
	pthread_mutex_lock(&hub->lock);
	if (sink != hub->keyboard)
		collect_releases(hub, &releases);
	hub->keyboard = sink;
	/* A release belongs to who saw the press; presses may repeat. */
	tell = sink && (down || hub->down[key]);
	hub->down[key] = sink && down;
	pthread_mutex_unlock(&hub->lock);
	say_releases(&releases);
	if (tell)
		sink->key(sink->ctx, key, down);
}

void input_release_all(struct input_hub *hub)
{
	struct releases releases = {0};

	if (!hub)
		return;
	pthread_mutex_lock(&hub->lock);
	collect_releases(hub, &releases);
	pthread_mutex_unlock(&hub->lock);
	say_releases(&releases);
}

/* ---- pointer ---- */

void input_pointer(struct input_hub *hub, const struct input_pointer *event)
{
	const struct input_sink *sink, *old = NULL;
	struct input_pointer let_go = {0};

	if (!hub)
		return;
	sink = choose(hub, true);
	pthread_mutex_lock(&hub->lock);
	if (sink != hub->mouse && hub->mouse && hub->last.buttons) {
		old = hub->mouse;
		let_go.x = hub->last.x;
		let_go.y = hub->last.y;
	}
	hub->mouse = sink;
	hub->last = *event;
	pthread_mutex_unlock(&hub->lock);
	if (old)
		old->pointer(old->ctx, &let_go);
	if (sink)
		sink->pointer(sink->ctx, event);
}
