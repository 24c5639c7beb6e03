/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the input hub: which sink gets what, what is let go of, and what a
 * removal waits for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "backend/input.h"

/* A sink that writes down what it hears: "+1e -1e (10,20 b1 w0) ". */
struct ear {
	struct input_sink sink;
	bool listens;
	char heard[1024];
};

static void hear(struct ear *ear, const char *text)
{
	strncat(ear->heard, text, sizeof(ear->heard) - strlen(ear->heard) - 1);
}

static bool ear_active(void *ctx)
{
	return ((struct ear *)ctx)->listens;
}

static void ear_key(void *ctx, uint8_t key, bool down)
{
	char text[16];

	snprintf(text, sizeof(text), "%c%02x ", down ? '+' : '-', key);
	hear(ctx, text);
}

static void ear_pointer(void *ctx, const struct input_pointer *e)
{
	char text[64];

	snprintf(text, sizeof(text), "(%u,%u %d,%d b%u w%d) ", e->x, e->y,
		 e->dx, e->dy, e->buttons, e->wheel);
	hear(ctx, text);
}

/* What was heard since the last call. */
static void expect(struct ear *ear, const char *text)
{
	assert_string_equal(ear->heard, text);
	ear->heard[0] = '\0';
}

static struct ear *add_ear(struct input_hub *hub, bool keys, bool pointer,
			   bool can_sleep)
{
	struct ear *ear = calloc(1, sizeof(*ear));

	assert_non_null(ear);
	ear->sink = (struct input_sink){
	    .active = can_sleep ? ear_active : NULL,
	    .key = keys ? ear_key : NULL,
	    .pointer = pointer ? ear_pointer : NULL,
	    .ctx = ear,
	};
	assert_int_equal(input_add(hub, &ear->sink), 0);
	return ear;
}

static struct input_hub *make_hub(void)
{
	struct input_hub *hub;

	assert_int_equal(input_hub_create(&hub), 0);
	return hub;
}

static void without_sinks_events_vanish(void **state UNUSED)
{
	struct input_hub *hub = make_hub();
	struct input_pointer at = {.x = 1};

	input_key(hub, 0x1e, true);
	input_pointer(hub, &at);
	input_release_all(hub);
	input_hub_destroy(hub);
}

static void without_hub_nothing_happens(void **state UNUSED)
{
	struct input_sink sink = {0};
	struct input_pointer at = {0};

	assert_int_equal(input_add(NULL, &sink), 0);
	input_key(NULL, 1, true);
	input_pointer(NULL, &at);
	input_release_all(NULL);
	input_remove(NULL, &sink);
	input_hub_destroy(NULL);
}

static void each_kind_goes_to_its_sink(void **state UNUSED)
{
	struct input_hub *hub = make_hub();
	struct ear *keyboard = add_ear(hub, true, false, false);
	struct ear *mouse = add_ear(hub, false, true, false);
	struct input_pointer at = {
	    .x = 10, .y = 20, .dx = 1, .dy = -2, .wheel = 1, .buttons = 1};

	input_key(hub, 0x1e, true);
	input_key(hub, 0x1e, false);
	input_pointer(hub, &at);
	expect(keyboard, "+1e -1e ");
	expect(mouse, "(10,20 1,-2 b1 w1) ");
	input_hub_destroy(hub);
	free(keyboard);
	free(mouse);
}

static void the_last_one_that_listens_is_chosen(void **state UNUSED)
{
	struct input_hub *hub = make_hub();
	struct ear *ps2 = add_ear(hub, false, true, true);
	struct ear *tablet = add_ear(hub, false, true, true);
	struct input_pointer at = {.x = 5};

	/* Nobody listens yet: the first one added. */
	input_pointer(hub, &at);
	expect(ps2, "(5,0 0,0 b0 w0) ");
	expect(tablet, "");
	ps2->listens = true;
	tablet->listens = true;
	input_pointer(hub, &at);
	expect(ps2, "");
	expect(tablet, "(5,0 0,0 b0 w0) ");
	tablet->listens = false;
	input_pointer(hub, &at);
	expect(ps2, "(5,0 0,0 b0 w0) ");
	input_hub_destroy(hub);
	free(ps2);
	free(tablet);
}

static void keys_are_released_where_they_were_pressed(void **state UNUSED)
{
	struct input_hub *hub = make_hub();
	struct ear *ps2 = add_ear(hub, true, false, false);
	struct ear *usb = add_ear(hub, true, false, true);

	input_key(hub, 0x2a, true);
	input_key(hub, 0x1e, true);
	expect(ps2, "+2a +1e ");
	usb->listens = true;
	input_key(hub, 0x1f, true);
	expect(ps2, "-1e -2a ");
	expect(usb, "+1f ");
	/* The new sink never saw these go down. */
	input_key(hub, 0x1e, false);
	input_key(hub, 0x2a, false);
	expect(usb, "");
	input_key(hub, 0x1f, false);
	expect(usb, "-1f ");
	expect(ps2, "");
	input_hub_destroy(hub);
	free(ps2);
	free(usb);
}

static void buttons_are_released_where_they_were_pressed(void **state UNUSED)
{
	struct input_hub *hub = make_hub();
	struct ear *ps2 = add_ear(hub, false, true, false);
	struct ear *tablet = add_ear(hub, false, true, true);
	struct input_pointer at = {.x = 7, .y = 8, .dx = 3, .buttons = 1};

	input_pointer(hub, &at);
	tablet->listens = true;
	at.x = 9;
	input_pointer(hub, &at);
	expect(ps2, "(7,8 3,0 b1 w0) (7,8 0,0 b0 w0) ");
	expect(tablet, "(9,8 3,0 b1 w0) ");
	input_hub_destroy(hub);
	free(ps2);
	free(tablet);
}

static void presses_repeat_and_releases_do_not(void **state UNUSED)
{
	struct input_hub *hub = make_hub();
	struct ear *ear = add_ear(hub, true, false, false);

	input_key(hub, 0x1e, true);
	input_key(hub, 0x1e, true);
	input_key(hub, 0x1e, false);
	input_key(hub, 0x1e, false);
	expect(ear, "+1e +1e -1e ");
	input_hub_destroy(hub);
	free(ear);
}

static void all_keys_are_released_at_once(void **state UNUSED)
{
	struct input_hub *hub = make_hub();
	struct ear *ear = add_ear(hub, true, false, false);

	input_key(hub, 0xff, true);
	input_key(hub, 0x00, true);
	input_key(hub, 0x1e, true);
	input_key(hub, 0x1e, false);
	ear->heard[0] = '\0';
	input_release_all(hub);
	expect(ear, "-00 -ff ");
	input_release_all(hub);
	expect(ear, "");
	input_hub_destroy(hub);
	free(ear);
}

static void a_removed_sink_hears_nothing(void **state UNUSED)
{
	struct input_hub *hub = make_hub();
	struct ear *first = add_ear(hub, true, true, false);
	struct ear *second = add_ear(hub, true, true, false);
	struct input_pointer at = {.buttons = 1};

	input_key(hub, 0x1e, true);
	input_pointer(hub, &at);
	second->heard[0] = '\0';
	input_remove(hub, &second->sink);
	input_key(hub, 0x1e, false);
	input_key(hub, 0x1f, true);
	input_pointer(hub, &at);
	expect(second, "");
	expect(first, "+1f (0,0 0,0 b1 w0) ");
	input_hub_destroy(hub);
	free(first);
	free(second);
}

static void sinks_are_limited(void **state UNUSED)
{
	struct input_hub *hub = make_hub();
	struct input_sink sink[INPUT_SINKS_MAX + 1] = {0};
	unsigned i;

	for (i = 0; i < INPUT_SINKS_MAX; i++)
		assert_int_equal(input_add(hub, &sink[i]), 0);
	assert_int_equal(input_add(hub, &sink[i]), -ENOSPC);
	input_remove(hub, &sink[0]);
	assert_int_equal(input_add(hub, &sink[i]), 0);
	input_hub_destroy(hub);
}

/* ---- removed while an event is on its way ---- */

enum moment {
	PRESSED,
	RELEASED,
	MOVED,
	ASKED,
};

/*
 * A sink that is removed by another thread in the middle of a call into it. It
 * goes on when that thread waits for the hub, or, as it should not, is done.
 */
struct leaver {
	struct input_sink sink;
	struct input_hub *hub;
	enum moment due;
	pthread_t thread;
	bool leaving;
	bool left_early; /* the removal did not wait for the call */

	/* Locking: lock guards the rest. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool waits, gone;
};

static _Thread_local struct leaver *removing;

static void note(struct leaver *leaver, bool *what)
{
	pthread_mutex_lock(&leaver->lock);
	*what = true;
	pthread_cond_signal(&leaver->changed);
	pthread_mutex_unlock(&leaver->lock);
}

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	struct leaver *leaver = removing;

	if (leaver) {
		if (pthread_mutex_trylock(mutex) == 0)
			return 0;
		removing = NULL;
		note(leaver, &leaver->waits);
	}
	return __real_pthread_mutex_lock(mutex);
}

static void *remove_it(void *ctx)
{
	struct leaver *leaver = ctx;

	removing = leaver;
	input_remove(leaver->hub, &leaver->sink);
	removing = NULL;
	note(leaver, &leaver->gone);
	return NULL;
}

static void leave_if_due(struct leaver *leaver, enum moment now)
{
	if (leaver->leaving || now != leaver->due)
		return;
	leaver->leaving = true;
	assert_int_equal(
	    pthread_create(&leaver->thread, NULL, remove_it, leaver), 0);
	pthread_mutex_lock(&leaver->lock);
	while (!leaver->waits && !leaver->gone)
		pthread_cond_wait(&leaver->changed, &leaver->lock);
	leaver->left_early = leaver->gone;
	pthread_mutex_unlock(&leaver->lock);
}

static bool leaver_active(void *ctx)
{
	leave_if_due(ctx, ASKED);
	return true;
}

static void leaver_key(void *ctx, uint8_t key UNUSED, bool down)
{
	leave_if_due(ctx, down ? PRESSED : RELEASED);
}

static void leaver_pointer(void *ctx, const struct input_pointer *e UNUSED)
{
	leave_if_due(ctx, MOVED);
}

static struct leaver *add_leaver(enum moment due)
{
	struct leaver *leaver = calloc(1, sizeof(*leaver));

	assert_non_null(leaver);
	leaver->hub = make_hub();
	leaver->due = due;
	leaver->sink = (struct input_sink){.active = leaver_active,
					   .key = leaver_key,
					   .pointer = leaver_pointer,
					   .ctx = leaver};
	pthread_mutex_init(&leaver->lock, NULL);
	pthread_cond_init(&leaver->changed, NULL);
	assert_int_equal(input_add(leaver->hub, &leaver->sink), 0);
	return leaver;
}

/* Frees it as its device would; what comes then is not for it. */
static void expect_left(struct leaver *leaver)
{
	struct input_hub *hub = leaver->hub;
	struct input_pointer at = {.x = 9};

	assert_true(leaver->leaving);
	assert_int_equal(pthread_join(leaver->thread, NULL), 0);
	assert_false(leaver->left_early);
	pthread_cond_destroy(&leaver->changed);
	pthread_mutex_destroy(&leaver->lock);
	free(leaver);
	input_key(hub, 0x1e, false);
	input_pointer(hub, &at);
	input_release_all(hub);
	input_hub_destroy(hub);
}

static void a_removal_waits_for_a_key(void **state UNUSED)
{
	struct leaver *leaver = add_leaver(PRESSED);

	input_key(leaver->hub, 0x1e, true);
	expect_left(leaver);
}

static void a_removal_waits_for_a_move(void **state UNUSED)
{
	struct leaver *leaver = add_leaver(MOVED);
	struct input_pointer at = {.x = 5, .buttons = 1};

	input_pointer(leaver->hub, &at);
	expect_left(leaver);
}

/* Found, but neither kept nor told yet. */
static void a_removal_waits_for_the_choice(void **state UNUSED)
{
	struct leaver *leaver = add_leaver(ASKED);
	struct input_pointer at = {.x = 5, .buttons = 1};

	input_pointer(leaver->hub, &at);
	expect_left(leaver);
	leaver = add_leaver(ASKED);
	input_key(leaver->hub, 0x1e, true);
	expect_left(leaver);
}

static void a_removal_waits_for_the_releases(void **state UNUSED)
{
	struct leaver *leaver = add_leaver(RELEASED);

	input_key(leaver->hub, 0x1e, true);
	input_key(leaver->hub, 0x1f, true);
	input_release_all(leaver->hub);
	expect_left(leaver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_sinks_events_vanish),
	    cmocka_unit_test(without_hub_nothing_happens),
	    cmocka_unit_test(each_kind_goes_to_its_sink),
	    cmocka_unit_test(the_last_one_that_listens_is_chosen),
	    cmocka_unit_test(keys_are_released_where_they_were_pressed),
	    cmocka_unit_test(buttons_are_released_where_they_were_pressed),
	    cmocka_unit_test(presses_repeat_and_releases_do_not),
	    cmocka_unit_test(all_keys_are_released_at_once),
	    cmocka_unit_test(a_removed_sink_hears_nothing),
	    cmocka_unit_test(sinks_are_limited),
	    cmocka_unit_test(a_removal_waits_for_a_key),
	    cmocka_unit_test(a_removal_waits_for_a_move),
	    cmocka_unit_test(a_removal_waits_for_the_choice),
	    cmocka_unit_test(a_removal_waits_for_the_releases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
