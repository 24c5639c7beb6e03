/* SPDX-License-Identifier: BSD-2-Clause */
/* Keyboard controller; the contract is in i8042.h. */
/*
 * Theory of operation
 *
 * One output register, three places its byte may come from: the controller's
 * own answers, the keyboard, the mouse. load() fills it when it is empty, in
 * that order, unless the byte's device is disabled. Reading port 60 empties it
 * and loads the next one; the interrupt line falls and rises in between, so
 * each byte is an edge. The byte stays readable after that, as on hardware.
 *
 * The input register is never full: a write is carried out before the guest
 * runs on.
 */
#include "dev/i8042.h"

#include <pthread.h>

#include "backend/input.h"
#include "dev/ps2.h"

/* Status register, port 64 */
#define STATUS_OBF     0x01u /* output register full */
#define STATUS_SYSTEM  0x04u /* self-test passed */
#define STATUS_COMMAND 0x08u /* last write was to port 64 */
#define STATUS_UNLOCK  0x10u /* keyboard lock open */
#define STATUS_AUX     0x20u /* the byte is the mouse's */

/* Configuration byte, controller RAM 0 */
#define CONFIG_KBD_IRQ	 0x01u
#define CONFIG_AUX_IRQ	 0x02u
#define CONFIG_SYSTEM	 0x04u
#define CONFIG_KBD_OFF	 0x10u
#define CONFIG_AUX_OFF	 0x20u
#define CONFIG_TRANSLATE 0x40u
#define CONFIG_START \
	(CONFIG_KBD_IRQ | CONFIG_SYSTEM | CONFIG_AUX_OFF | CONFIG_TRANSLATE)

/* Output port */
#define OUTPUT_RESET   0x01u /* low: the system is reset */
#define OUTPUT_A20     0x02u
#define OUTPUT_KBD_OBF 0x10u
#define OUTPUT_AUX_OBF 0x20u

#define RAM_BYTES    32u
#define OWN_ANSWERS  16u
#define TEST_PASSED  0x55u
#define NO_PASSWORD  0xf1u
#define BREAK_PREFIX 0xf0u

struct answer {
	uint8_t byte;
	bool aux;
};

struct i8042 {
	struct aspace *pio;
	struct input_hub *hub; /* NULL: nobody types */
	struct input_sink sink;
	struct irq_shared *lines;
	vm_end_fn *end;
	void *end_ctx;
	struct aspace_region data_region, command_region;

	/* Locking: lock guards the rest. */
	pthread_mutex_t lock;
	uint8_t ram[RAM_BYTES]; /* [0]: configuration byte */
	uint8_t command;	/* waits for its byte on port 60; 0: none */
	bool last_was_command;
	uint8_t output_port; /* reset and A20 bits */
	uint8_t out;	     /* output register */
	bool out_full, out_aux;
	bool breaking; /* translation saw f0 and owes bit 7 */
	struct answer answer[OWN_ANSWERS];
	unsigned answer_at, answer_len;
	struct ps2_keyboard keyboard;
	struct ps2_mouse mouse;
	bool kbd_asserted, aux_asserted;
};

/* ---- output register ---- */

static void update_irq(struct i8042 *kbc)
{
	uint8_t config = kbc->ram[0];

	irq_shared_set(kbc->lines, I8042_KEYBOARD_IRQ, &kbc->kbd_asserted,
		       kbc->out_full && !kbc->out_aux &&
			   (config & CONFIG_KBD_IRQ));
	irq_shared_set(kbc->lines, I8042_MOUSE_IRQ, &kbc->aux_asserted,
		       kbc->out_full && kbc->out_aux &&
			   (config & CONFIG_AUX_IRQ));
}

static void put_out(struct i8042 *kbc, uint8_t byte, bool aux)
{
	kbc->out = byte;
	kbc->out_aux = aux;
	kbc->out_full = true;
}

/* Set 2 to set 1; false for the break prefix, which is folded into the next. */
static bool translate(struct i8042 *kbc, uint8_t *byte)
{
	if (!(kbc->ram[0] & CONFIG_TRANSLATE))
		return true;
	if (*byte == BREAK_PREFIX) {
		kbc->breaking = true;
		return false;
	}
	*byte = ps2_translate(*byte);
	if (kbc->breaking)
		*byte |= 0x80;
	kbc->breaking = false;
	return true;
}

static bool load_keyboard(struct i8042 *kbc)
{
	uint8_t byte;

	while (ps2_take(&kbc->keyboard.queue, &byte))
		if (translate(kbc, &byte)) {
			put_out(kbc, byte, false);
			return true;
		}
	return false;
}

static void load_mouse(struct i8042 *kbc)
{
	uint8_t byte;

	if (!ps2_has_byte(&kbc->mouse.queue))
		ps2_mouse_report(&kbc->mouse);
	if (ps2_take(&kbc->mouse.queue, &byte))
		put_out(kbc, byte, true);
}

/* Fills the output register when it is empty, and drives the lines. */
static void load(struct i8042 *kbc)
{
	uint8_t config = kbc->ram[0];

	if (!kbc->out_full && kbc->answer_len) {
		const struct answer *a = &kbc->answer[kbc->answer_at];

		put_out(kbc, a->byte, a->aux);
		kbc->answer_at = (kbc->answer_at + 1) % OWN_ANSWERS;
		kbc->answer_len--;
	}
	if (!kbc->out_full && !(config & CONFIG_KBD_OFF))
		(void)load_keyboard(kbc);
	if (!kbc->out_full && !(config & CONFIG_AUX_OFF))
		load_mouse(kbc);
	update_irq(kbc);
}

/* A guest that asks and never reads loses answers. */
static void answer(struct i8042 *kbc, uint8_t byte, bool aux)
{
	unsigned at = (kbc->answer_at + kbc->answer_len) % OWN_ANSWERS;

	if (kbc->answer_len == OWN_ANSWERS)
		return;
	kbc->answer[at] = (struct answer){.byte = byte, .aux = aux};
	kbc->answer_len++;
}

/* ---- commands, port 64 ---- */

static void set_output_port(struct i8042 *kbc, uint8_t value)
{
	kbc->output_port = value & (OUTPUT_RESET | OUTPUT_A20);
	if (value & OUTPUT_RESET)
		return;
	kbc->output_port |= OUTPUT_RESET;
	kbc->end(kbc->end_ctx, VM_END_REBOOT,
		 "reset by the keyboard controller");
}

static uint8_t output_port(const struct i8042 *kbc)
{
	uint8_t value = kbc->output_port;

	if (kbc->out_full)
		value |= kbc->out_aux ? OUTPUT_AUX_OBF : OUTPUT_KBD_OBF;
	return value;
}

static void set_config(struct i8042 *kbc, uint8_t set, uint8_t clear)
{
	kbc->ram[0] = (uint8_t)((kbc->ram[0] & ~clear) | set);
}

static void self_test(struct i8042 *kbc)
{
	kbc->answer_len = 0;
	kbc->out_full = false;
	set_config(kbc, CONFIG_SYSTEM, 0);
	answer(kbc, TEST_PASSED, false);
}

static void run_command(struct i8042 *kbc, uint8_t command)
{
	kbc->command = 0;
	switch (command) {
	case 0x20 ... 0x3f:
		answer(kbc, kbc->ram[command & 0x1f], false);
		break;
	case 0x60 ... 0x7f:
	case 0xd1 ... 0xd4:
		kbc->command = command;
		break;
	case 0xa4: /* is a password installed? */
		answer(kbc, NO_PASSWORD, false);
		break;
	case 0xa7:
		set_config(kbc, CONFIG_AUX_OFF, 0);
		break;
	case 0xa8:
		set_config(kbc, 0, CONFIG_AUX_OFF);
		break;
	case 0xa9: /* test of the mouse's wires */
	case 0xab: /* test of the keyboard's */
		answer(kbc, 0x00, false);
		break;
	case 0xaa:
		self_test(kbc);
		break;
	case 0xad:
		set_config(kbc, CONFIG_KBD_OFF, 0);
		break;
	case 0xae:
		set_config(kbc, 0, CONFIG_KBD_OFF);
		break;
	case 0xc0: /* input port: keyboard not locked */
		answer(kbc, 0x80, false);
		break;
	case 0xd0:
		answer(kbc, output_port(kbc), false);
		break;
	case 0xdd:
	case 0xdf:
		set_output_port(kbc, OUTPUT_RESET |
					 (command == 0xdf ? OUTPUT_A20 : 0));
		break;
	case 0xe0: /* test inputs: both clocks idle */
		answer(kbc, 0x00, false);
		break;
	case 0xf0 ... 0xff: /* bits that are 0 pulse the output port low */
		if (!(command & OUTPUT_RESET))
			set_output_port(kbc, kbc->output_port &
						 (uint8_t)~OUTPUT_RESET);
		break;
	default:
		break;
	}
}

/* ---- data, port 60 ---- */

/* The byte that a command on port 64 asked for. */
static void command_byte(struct i8042 *kbc, uint8_t command, uint8_t value)
{
	switch (command) {
	case 0x60 ... 0x7f:
		kbc->ram[command & 0x1f] = value;
		break;
	case 0xd1:
		set_output_port(kbc, value);
		break;
	case 0xd2: /* as if the keyboard had sent it */
		answer(kbc, value, false);
		break;
	case 0xd3: /* as if the mouse had */
		answer(kbc, value, true);
		break;
	default: /* d4: to the mouse */
		set_config(kbc, 0, CONFIG_AUX_OFF);
		ps2_mouse_write(&kbc->mouse, value);
		break;
	}
}

static void write_data(struct i8042 *kbc, uint8_t value)
{
	uint8_t command = kbc->command;

	kbc->command = 0;
	if (command) {
		command_byte(kbc, command, value);
		return;
	}
	/* Sending to the keyboard switches it on. */
	set_config(kbc, 0, CONFIG_KBD_OFF);
	ps2_keyboard_write(&kbc->keyboard, value);
}

static uint64_t data_read(void *ctx, uint64_t offset UNUSED,
			  unsigned size UNUSED)
{
	struct i8042 *kbc = ctx;
	uint8_t value = kbc->out;

	kbc->out_full = false;
	update_irq(kbc);
	load(kbc);
	return value;
}

static void data_write(void *ctx, uint64_t offset UNUSED, unsigned size UNUSED,
		       uint64_t value)
{
	struct i8042 *kbc = ctx;

	kbc->last_was_command = false;
	write_data(kbc, (uint8_t)value);
	load(kbc);
}

static uint64_t status_read(void *ctx, uint64_t offset UNUSED,
			    unsigned size UNUSED)
{
	const struct i8042 *kbc = ctx;
	unsigned status = STATUS_UNLOCK;

	if (kbc->out_full)
		status |= STATUS_OBF | (kbc->out_aux ? STATUS_AUX : 0);
	if (kbc->ram[0] & CONFIG_SYSTEM)
		status |= STATUS_SYSTEM;
	if (kbc->last_was_command)
		status |= STATUS_COMMAND;
	return status;
}

static void command_write(void *ctx, uint64_t offset UNUSED,
			  unsigned size UNUSED, uint64_t value)
{
	struct i8042 *kbc = ctx;

	kbc->last_was_command = true;
	run_command(kbc, (uint8_t)value);
	load(kbc);
}

/* ---- input ---- */

void i8042_key(struct i8042 *kbc, uint8_t code, bool down)
{
	pthread_mutex_lock(&kbc->lock);
	ps2_keyboard_key(&kbc->keyboard, code, down);
	load(kbc);
	pthread_mutex_unlock(&kbc->lock);
}

void i8042_mouse(struct i8042 *kbc, int dx, int dy, int dz, uint8_t buttons)
{
	pthread_mutex_lock(&kbc->lock);
	ps2_mouse_move(&kbc->mouse, dx, dy, dz, buttons);
	load(kbc);
	pthread_mutex_unlock(&kbc->lock);
}

static void sink_key(void *ctx, uint8_t key, bool down)
{
	i8042_key(ctx, key, down);
}

/* A mouse counts upwards; the wheel turns towards the user. */
static void sink_pointer(void *ctx, const struct input_pointer *event)
{
	i8042_mouse(ctx, event->dx, -event->dy, -event->wheel, event->buttons);
}

/* ---- life ---- */

static void reset_state(struct i8042 *kbc)
{
	unsigned i;

	for (i = 0; i < RAM_BYTES; i++)
		kbc->ram[i] = 0;
	kbc->ram[0] = CONFIG_START;
	kbc->output_port = OUTPUT_RESET | OUTPUT_A20;
	kbc->command = 0;
	kbc->last_was_command = false;
	kbc->out_full = false;
	kbc->breaking = false;
	kbc->answer_len = 0;
	ps2_keyboard_reset(&kbc->keyboard);
	ps2_mouse_reset(&kbc->mouse);
	update_irq(kbc);
}

void i8042_reset(struct i8042 *kbc)
{
	pthread_mutex_lock(&kbc->lock);
	reset_state(kbc);
	pthread_mutex_unlock(&kbc->lock);
}

static struct aspace_region port(struct i8042 *kbc, const char *name,
				 aspace_read_fn *read, aspace_write_fn *write)
{
	return (struct aspace_region){
	    .name = name,
	    .size = 1,
	    .read = read,
	    .write = write,
	    .ctx = kbc,
	    .lock = &kbc->lock,
	    .min_size = 1,
	    .max_size = 1,
	};
}

int i8042_create(const struct model_env *env, struct err *err,
		 struct i8042 **ret_kbc)
{
	struct i8042 *kbc = calloc(1, sizeof(*kbc));
	int r;

	if (!kbc)
		return err_set(err, -ENOMEM, "i8042: out of memory");
	kbc->pio = env->pio;
	kbc->lines = env->lines;
	kbc->end = env->end;
	kbc->end_ctx = env->end_ctx;
	pthread_mutex_init(&kbc->lock, NULL);
	reset_state(kbc);
	kbc->data_region = port(kbc, "i8042 data", data_read, data_write);
	kbc->command_region =
	    port(kbc, "i8042 command", status_read, command_write);
	r = aspace_add(env->pio, &kbc->data_region, 0x60, err);
	if (!r)
		r = aspace_add(env->pio, &kbc->command_region, 0x64, err);
	if (!r && env->input) {
		kbc->hub = env->input;
		kbc->sink = (struct input_sink){
		    .key = sink_key, .pointer = sink_pointer, .ctx = kbc};
		r = input_add(kbc->hub, &kbc->sink);
		if (r)
			err_sys(err, r, "i8042: input");
	}
	if (r) {
		i8042_destroy(kbc);
		return r;
	}
	*ret_kbc = kbc;
	return 0;
}

void i8042_destroy(struct i8042 *kbc)
{
	if (!kbc)
		return;
	if (kbc->hub)
		input_remove(kbc->hub, &kbc->sink);
	aspace_remove(kbc->pio, &kbc->data_region);
	aspace_remove(kbc->pio, &kbc->command_region);
	kbc->out_full = false;
	update_irq(kbc);
	pthread_mutex_destroy(&kbc->lock);
	free(kbc);
}
