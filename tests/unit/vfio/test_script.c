/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Golden scripts of passed-through devices (tests/golden/passthru-*.txt): what
 * the guest sees, and what each of its accesses makes the host's kernel do.
 *
 * Commands:
 *   device NAME OPTIONS     a machine with this fake device in slot 6
 *   dump                    config space as the guest reads it
 *   enable                  decode and bus mastering on
 *   read OFF SIZE           config space; all numbers in hexadecimal
 *   write OFF SIZE VALUE
 *   barread BAR OFF SIZE
 *   barwrite BAR OFF SIZE VALUE
 *   vector N ADDR DATA CTRL one MSI-X table entry
 *   fire N                  the device raises vector N
 *   delivered GSI           events that reached the guest (GSI is decimal)
 *   loop                    one turn of the event loop
 *   quiesce, reset          vfio_quiesce_all(), vfio_reset_all()
 *   close                   the machine ends
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <string.h>

#include "../dev/golden.h"
#include "fake_world.h"

#define SLOT	 6u
#define ARGS_MAX 6

static const struct {
	const char *name;
	struct fake_device *(*make)(void);
} devices[] = {
    {"nvme", fake_nvme}, {"e1000e", fake_e1000e}, {"rtl8139", fake_rtl8139},
    {"xhci", fake_xhci}, {"gpu", fake_gpu},
};

struct script {
	struct world w;
	bool alive;
	uint32_t arg[ARGS_MAX];
	char word[ARGS_MAX][128];
};

typedef void command_fn(struct script *s, char *result, size_t size);

static struct pci_dev *guest_dev(struct script *s)
{
	return pci_host_find(s->w.host, (struct pci_addr){0, SLOT, 0});
}

static void cmd_device(struct script *s, char *result, size_t size)
{
	struct err err = {0};
	size_t i;

	world_init(&s->w);
	for (i = 0; i < ARRAY_LEN(devices); i++)
		if (strcmp(devices[i].name, s->word[0]) == 0) {
			struct fake_device *dev = devices[i].make();

			fake_device_place(dev, 3, 0, 0, 12);
			fake_kernel_add(&s->w.kernel, dev);
		}
	world_start(&s->w);
	s->alive = true;
	if (world_passthru(&s->w, SLOT, s->word[1], &err))
		snprintf(result, size, "%s", err.msg);
	world_assign(&s->w);
}

static void cmd_dump(struct script *s, char *result UNUSED, size_t size UNUSED)
{
	unsigned off, i;
	char line[80];

	for (off = 0; off < 4096; off += 16) {
		bool any = false;
		size_t len;

		len = (size_t)snprintf(line, sizeof(line), "%03x:", off);
		for (i = 0; i < 16; i++) {
			unsigned v = world_read(&s->w, SLOT, off + i, 1);

			any |= v != 0 && !(off >= 0x100 && v == 0xff);
			len += (size_t)snprintf(line + len, sizeof(line) - len,
						" %02x", v);
		}
		if (any)
			fake_tracef(&s->w.kernel, "%s", line);
	}
}

static void cmd_enable(struct script *s, char *result UNUSED,
		       size_t size UNUSED)
{
	world_enable(&s->w, SLOT);
}

static void cmd_read(struct script *s, char *result, size_t size)
{
	snprintf(result, size, "%0*x", (int)s->arg[1] * 2,
		 world_read(&s->w, SLOT, s->arg[0], s->arg[1]));
}

static void cmd_write(struct script *s, char *result UNUSED, size_t size UNUSED)
{
	world_write(&s->w, SLOT, s->arg[0], s->arg[1], s->arg[2]);
}

static void cmd_barread(struct script *s, char *result, size_t size)
{
	snprintf(result, size, "%" PRIx64,
		 world_bar_read(&s->w, SLOT, s->arg[0], s->arg[1], s->arg[2]));
}

static void cmd_barwrite(struct script *s, char *result UNUSED,
			 size_t size UNUSED)
{
	world_bar_write(&s->w, SLOT, s->arg[0], s->arg[1], s->arg[2],
			s->arg[3]);
}

static void cmd_vector(struct script *s, char *result UNUSED,
		       size_t size UNUSED)
{
	struct pci_dev *dev = guest_dev(s);
	uint64_t at = dev->msix_table_off + 16 * s->arg[0];

	world_bar_write(&s->w, SLOT, dev->msix_bar, at, 4, s->arg[1]);
	world_bar_write(&s->w, SLOT, dev->msix_bar, at + 4, 4, 0);
	world_bar_write(&s->w, SLOT, dev->msix_bar, at + 8, 4, s->arg[2]);
	world_bar_write(&s->w, SLOT, dev->msix_bar, at + 12, 4, s->arg[3]);
}

static void cmd_fire(struct script *s, char *result, size_t size)
{
	snprintf(result, size, "%s",
		 fake_fire(s->w.kernel.dev[0], s->arg[0]) ? "yes" : "nobody");
}

static void cmd_delivered(struct script *s, char *result, size_t size)
{
	unsigned gsi = (unsigned)strtoul(s->word[0], NULL, 10);

	snprintf(result, size, "%u", world_delivered(&s->w, gsi));
}

static void cmd_loop(struct script *s, char *result UNUSED, size_t size UNUSED)
{
	(void)!evloop_step(s->w.loop, 0);
}

static void cmd_quiesce(struct script *s, char *result UNUSED,
			size_t size UNUSED)
{
	vfio_quiesce_all(s->w.ctx);
}

static void cmd_reset(struct script *s, char *result, size_t size)
{
	const struct status *st;
	int r = vfio_reset_all(s->w.ctx);

	st = &s->w.status[s->w.statuses - 1];
	snprintf(result, size, "%d %s %s: %s", r, st->method,
		 st->ok ? "ok" : "failed", st->text);
}

static void cmd_close(struct script *s, char *result UNUSED, size_t size UNUSED)
{
	world_fini(&s->w);
	s->alive = false;
}

static const struct {
	const char *name;
	command_fn *run;
} commands[] = {
    {"device", cmd_device},	{"dump", cmd_dump},
    {"enable", cmd_enable},	{"read", cmd_read},
    {"write", cmd_write},	{"barread", cmd_barread},
    {"barwrite", cmd_barwrite}, {"vector", cmd_vector},
    {"fire", cmd_fire},		{"delivered", cmd_delivered},
    {"loop", cmd_loop},		{"quiesce", cmd_quiesce},
    {"reset", cmd_reset},	{"close", cmd_close},
};

static void run_line(void *ctx, const char *line, FILE *out)
{
	char copy[256], *save = NULL, *word, result[512] = "";
	struct script *s = ctx;
	size_t i, len = strcspn(line, "=");
	int n = 0;

	/* "device nvme 3/0/0,reset=bus" has an '=' of its own. */
	if (strncmp(line, "device", 6) == 0 || line[len] != '=' || len == 0 ||
	    line[len - 1] != ' ')
		len = strcspn(line, "\n");
	snprintf(copy, sizeof(copy), "%.*s", (int)len, line);
	word = strtok_r(copy, " ", &save);
	for (i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, word) == 0)
			break;
	if (i == ARRAY_LEN(commands)) {
		fprintf(out, "%s = no such command\n", word);
		return;
	}
	fprintf(out, "%s", word);
	while ((word = strtok_r(NULL, " ", &save)) && n < ARGS_MAX &&
	       strcmp(word, "=") != 0) {
		snprintf(s->word[n], sizeof(s->word[n]), "%s", word);
		s->arg[n++] = (uint32_t)strtoul(word, NULL, 16);
		fprintf(out, " %s", word);
	}
	commands[i].run(s, result, sizeof(result));
	fprintf(out, "%s%s\n", result[0] ? " = " : "", result);
	if (!s->alive)
		return;
	for (word = strtok_r((char *)(uintptr_t)fake_trace(&s->w.kernel), "\n",
			     &save);
	     word; word = strtok_r(NULL, "\n", &save))
		fprintf(out, " %s\n", word);
}

static const char *golden_dir; /* the program's argument */

static void run(void **state)
{
	struct script *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	assert_true(golden_run(golden_dir, *state, run_line, s));
	assert_false(s->alive);
	free(s);
}

#define SCRIPT(name)                                                  \
	{                                                             \
		name, run, NULL, NULL, (void *)(uintptr_t)name ".txt" \
	}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    SCRIPT("passthru-config-nvme"),
	    SCRIPT("passthru-config-e1000e"),
	    SCRIPT("passthru-config-rtl8139"),
	    SCRIPT("passthru-config-gpu"),
	    SCRIPT("passthru-bars"),
	    SCRIPT("passthru-intx"),
	    SCRIPT("passthru-msi"),
	    SCRIPT("passthru-msix"),
	    SCRIPT("passthru-power"),
	    SCRIPT("passthru-reset"),
	};

	if (argc != 2)
		return 2;
	golden_dir = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
