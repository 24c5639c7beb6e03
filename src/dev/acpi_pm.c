/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI fixed hardware; the contract is in acpi_pm.h. */
#include "dev/acpi_pm.h"

#include <pthread.h>

#include "base/log.h"

/* ACPI 4.8.3.1.1 and 4.8.3.1.2: PM1 status and enable, as bytes */
#define TMR_LOW	  0x01u
#define BM_LOW	  0x10u
#define GBL_LOW	  0x20u
#define PWRBTN_HI 0x01u
#define SLPBTN_HI 0x02u
#define RTC_HI	  0x04u
#define WAK_HI	  0x80u

/* ACPI 4.8.3.2.1: PM1 control, as bytes */
#define SCI_EN_LOW    0x01u
#define BM_RLD_LOW    0x02u
#define SLP_TYP_HI    0x1cu
#define SLP_TYP_SHIFT 2
#define SLP_EN_HI     0x20u

/* ICH9 13.8.3.13: an SMI for writes of port b2 */
#define SMI_EN_APMC 0x20u

#define TIMER_HALF (1ull << 31) /* bit 31 changes that often: TMR_STS */

enum reg {
	STS_LOW,
	STS_HI,
	EN_LOW,
	EN_HI,
	CNT_LOW,
	CNT_HI,
	GPE_STS,
	GPE_EN,
	REGS
};

struct acpi_pm {
	const struct clock *clock;
	struct aspace *pio;
	struct irq_shared *lines;
	bool q35;
	vm_end_fn *end;
	void *end_ctx;
	struct ev_timer *timer;
	uint64_t start_ns; /* the timer counts from creation */
	struct aspace_region pm1, count, gpe, smi_en, smi;

	/* Locking: lock guards the rest. */
	pthread_mutex_t lock;
	uint8_t reg[REGS];
	uint8_t smi_cmd;
	uint64_t seen_ticks; /* TMR_STS is right until here */
	bool sci_asserted;
};

/* ---- timer ---- */

static uint64_t ticks_now(const struct acpi_pm *pm)
{
	uint64_t ns = pm->clock->mono_ns(pm->clock) - pm->start_ns;

	/* Seconds apart: the product of the rest fits. */
	return ns / NS_PER_S * ACPI_PM_TIMER_HZ +
	       ns % NS_PER_S * ACPI_PM_TIMER_HZ / NS_PER_S;
}

/* Nanoseconds in which so many ticks pass, rounded up. */
static uint64_t ticks_to_ns(uint64_t ticks)
{
	return ticks / ACPI_PM_TIMER_HZ * NS_PER_S +
	       (ticks % ACPI_PM_TIMER_HZ * NS_PER_S + ACPI_PM_TIMER_HZ - 1) /
		   ACPI_PM_TIMER_HZ;
}

/* ---- events ---- */

static void update_sci(struct acpi_pm *pm)
{
	const uint8_t *r = pm->reg;
	bool event = (r[STS_LOW] & r[EN_LOW]) || (r[STS_HI] & r[EN_HI]) ||
		     (r[GPE_STS] & r[GPE_EN]);

	irq_shared_set(pm->lines, ACPI_PM_SCI, &pm->sci_asserted,
		       event && (r[CNT_LOW] & SCI_EN_LOW));
}

/* Sets TMR_STS when the timer's top bit changed, arms for the next time. */
static void catch_up(struct acpi_pm *pm)
{
	uint64_t now = ticks_now(pm);

	if (now / TIMER_HALF != pm->seen_ticks / TIMER_HALF)
		pm->reg[STS_LOW] |= TMR_LOW;
	pm->seen_ticks = now;
	update_sci(pm);
	if (pm->reg[EN_LOW] & ~pm->reg[STS_LOW] & TMR_LOW)
		ev_timer_arm(pm->timer,
			     ticks_to_ns(TIMER_HALF - now % TIMER_HALF));
}

static void timer_expired(void *ctx)
{
	struct acpi_pm *pm = ctx;

	pthread_mutex_lock(&pm->lock);
	catch_up(pm);
	pthread_mutex_unlock(&pm->lock);
}

bool acpi_pm_power_button(struct acpi_pm *pm)
{
	bool enabled;

	pthread_mutex_lock(&pm->lock);
	enabled = pm->reg[CNT_LOW] & SCI_EN_LOW;
	if (enabled)
		pm->reg[STS_HI] |= PWRBTN_HI;
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
	return enabled;
}

void acpi_pm_rtc_alarm(struct acpi_pm *pm)
{
	pthread_mutex_lock(&pm->lock);
	pm->reg[STS_HI] |= RTC_HI;
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
}

void acpi_pm_gpe(struct acpi_pm *pm, unsigned event)
{
	pthread_mutex_lock(&pm->lock);
	pm->reg[GPE_STS] |= (uint8_t)(1u << (event & 7));
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
}

/* ---- registers ---- */

static void sleep_write(struct acpi_pm *pm, uint8_t value)
{
	unsigned type = (value & SLP_TYP_HI) >> SLP_TYP_SHIFT;

	if (!(value & SLP_EN_HI))
		return;
	/* UEFI firmware does not look at \_S5: off is type 0 to it. */
	if (type == ACPI_PM_SLEEP_TYPE5 || (pm->q35 && type == 0))
		pm->end(pm->end_ctx, VM_END_POWEROFF, "ACPI power-off");
	else
		log_guest("acpi: sleep type %u does not exist, ignored", type);
}

struct reg_def {
	const char *name;
	uint8_t wmask; /* bits a guest sets and clears */
	uint8_t w1c;   /* bits cleared by writing one */
	void (*write)(struct acpi_pm *pm, uint8_t value);
};

/* SCI_EN is not writable here: SMI_CMD decides (ACPI 4.8.3.2.1). */
static const struct reg_def regs[REGS] = {
    [STS_LOW] = {"PM1_STS", 0, TMR_LOW | BM_LOW | GBL_LOW, NULL},
    [STS_HI] = {"PM1_STS+1", 0, PWRBTN_HI | SLPBTN_HI | RTC_HI | WAK_HI, NULL},
    [EN_LOW] = {"PM1_EN", TMR_LOW | GBL_LOW, 0, NULL},
    [EN_HI] = {"PM1_EN+1", PWRBTN_HI | SLPBTN_HI | RTC_HI, 0, NULL},
    [CNT_LOW] = {"PM1_CNT", BM_RLD_LOW, 0, NULL},
    [CNT_HI] = {"PM1_CNT+1", SLP_TYP_HI, 0, sleep_write},
    [GPE_STS] = {"GPE0_STS", 0, 0xff, NULL},
    [GPE_EN] = {"GPE0_EN", 0xff, 0, NULL},
};

static uint8_t reg_read(struct acpi_pm *pm, enum reg reg)
{
	catch_up(pm);
	return pm->reg[reg];
}

static void reg_write(struct acpi_pm *pm, enum reg reg, uint8_t value)
{
	const struct reg_def *def = &regs[reg];
	uint8_t old;

	catch_up(pm);
	old = pm->reg[reg] & (uint8_t) ~(value & def->w1c);
	pm->reg[reg] = (uint8_t)((old & ~def->wmask) | (value & def->wmask));
	log_debug("acpi: %s = %02x", def->name, pm->reg[reg]);
	if (def->write)
		def->write(pm, value);
	catch_up(pm);
}

static uint64_t pm1_read(void *ctx, uint64_t offset, unsigned size UNUSED)
{
	return reg_read(ctx, STS_LOW + (enum reg)offset);
}

static void pm1_write(void *ctx, uint64_t offset, unsigned size UNUSED,
		      uint64_t value)
{
	reg_write(ctx, STS_LOW + (enum reg)offset, (uint8_t)value);
}

static uint64_t gpe_read(void *ctx, uint64_t offset, unsigned size UNUSED)
{
	return reg_read(ctx, GPE_STS + (enum reg)offset);
}

static void gpe_write(void *ctx, uint64_t offset, unsigned size UNUSED,
		      uint64_t value)
{
	reg_write(ctx, GPE_STS + (enum reg)offset, (uint8_t)value);
}

static uint64_t count_read(void *ctx, uint64_t offset, unsigned size UNUSED)
{
	const struct acpi_pm *pm = ctx;

	/* Only the clock is read: no lock, as guests read this often. */
	return (ticks_now(pm) & UINT32_MAX) >> (8 * offset);
}

static uint64_t smi_en_read(void *ctx UNUSED, uint64_t offset UNUSED,
			    unsigned size UNUSED)
{
	return SMI_EN_APMC;
}

static uint64_t smi_read(void *ctx, uint64_t offset UNUSED,
			 unsigned size UNUSED)
{
	const struct acpi_pm *pm = ctx;

	return pm->smi_cmd;
}

static void smi_write(void *ctx, uint64_t offset UNUSED, unsigned size UNUSED,
		      uint64_t value)
{
	struct acpi_pm *pm = ctx;

	pm->smi_cmd = (uint8_t)value;
	if (value == ACPI_PM_ENABLE)
		pm->reg[CNT_LOW] |= SCI_EN_LOW;
	else if (value == ACPI_PM_DISABLE)
		pm->reg[CNT_LOW] &= (uint8_t)~SCI_EN_LOW;
	catch_up(pm);
}

/* ---- life ---- */

void acpi_pm_reset(struct acpi_pm *pm)
{
	unsigned i;

	pthread_mutex_lock(&pm->lock);
	for (i = 0; i < REGS; i++)
		pm->reg[i] = 0;
	pm->smi_cmd = 0;
	pm->seen_ticks = ticks_now(pm);
	ev_timer_disarm(pm->timer);
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
}

static void set_region(struct aspace_region *region, const char *name,
		       uint64_t size, aspace_read_fn *read,
		       aspace_write_fn *write)
{
	*region = (struct aspace_region){
	    .name = name,
	    .size = size,
	    .read = read,
	    .write = write,
	    .min_size = 1,
	    .max_size = 1,
	};
}

/* The ports that move, in the order of their offsets from `base`. */
static int add_movable(struct acpi_pm *pm, uint16_t base, struct err *err)
{
	int r = aspace_add(pm->pio, &pm->pm1, base, err);

	if (!r)
		r = aspace_add(pm->pio, &pm->count,
			       base + ACPI_PM_TIMER - ACPI_PM_EVENT, err);
	if (!r)
		r = aspace_add(pm->pio, &pm->gpe,
			       base + ACPI_PM_GPE0 - ACPI_PM_EVENT, err);
	if (!r)
		r = aspace_add(pm->pio, &pm->smi_en,
			       base + ACPI_PM_SMI_EN - ACPI_PM_EVENT, err);
	return r;
}

static void remove_movable(struct acpi_pm *pm)
{
	aspace_remove(pm->pio, &pm->pm1);
	aspace_remove(pm->pio, &pm->count);
	aspace_remove(pm->pio, &pm->gpe);
	aspace_remove(pm->pio, &pm->smi_en);
}

int acpi_pm_move(struct acpi_pm *pm, uint16_t base, struct err *err)
{
	int r;

	remove_movable(pm);
	r = base ? add_movable(pm, base, err) : 0;
	if (r)
		remove_movable(pm);
	return r;
}

static int add_regions(struct acpi_pm *pm, struct err *err)
{
	int r;

	set_region(&pm->pm1, "acpi pm1", 6, pm1_read, pm1_write);
	set_region(&pm->count, "acpi timer", 4, count_read, NULL);
	set_region(&pm->gpe, "acpi gpe0", 2, gpe_read, gpe_write);
	set_region(&pm->smi_en, "smi enable", 4, smi_en_read, NULL);
	set_region(&pm->smi, "smi command", 1, smi_read, smi_write);
	pm->count.max_size = 4; /* one reading, not four bytes of four */
	pm->smi_en.max_size = 4;
	pm->smi_en.min_size = 4;
	pm->pm1.ctx = pm->count.ctx = pm->gpe.ctx = pm->smi.ctx = pm;
	pm->pm1.lock = pm->gpe.lock = pm->smi.lock = &pm->lock;
	r = add_movable(pm, ACPI_PM_EVENT, err);
	if (!r)
		r = aspace_add(pm->pio, &pm->smi, ACPI_PM_SMI_CMD, err);
	return r;
}

int acpi_pm_create(const struct model_env *env, struct err *err,
		   struct acpi_pm **ret_pm)
{
	struct acpi_pm *pm = calloc(1, sizeof(*pm));
	int r;

	if (!pm)
		return err_set(err, -ENOMEM, "acpi: out of memory");
	pm->clock = env->clock;
	pm->pio = env->pio;
	pm->lines = env->lines;
	pm->q35 = env->q35;
	pm->end = env->end;
	pm->end_ctx = env->end_ctx;
	pm->start_ns = pm->clock->mono_ns(pm->clock);
	pthread_mutex_init(&pm->lock, NULL);
	r = ev_timer_create(env->loop, timer_expired, pm, &pm->timer);
	if (r)
		err_sys(err, r, "acpi: timer");
	else
		r = add_regions(pm, err);
	if (r) {
		acpi_pm_destroy(pm);
		return r;
	}
	*ret_pm = pm;
	return 0;
}

void acpi_pm_destroy(struct acpi_pm *pm)
{
	if (!pm)
		return;
	remove_movable(pm);
	aspace_remove(pm->pio, &pm->smi);
	ev_timer_destroy(pm->timer);
	irq_shared_set(pm->lines, ACPI_PM_SCI, &pm->sci_asserted, false);
	pthread_mutex_destroy(&pm->lock);
	free(pm);
}
