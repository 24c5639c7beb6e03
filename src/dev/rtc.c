/* SPDX-License-Identifier: BSD-2-Clause */
/* Real-time clock and CMOS memory; the contract is in rtc.h. */
/*
 * Theory of operation
 *
 * Nothing ticks. Time is a function: anchor_s seconds (the guest's civil time
 * counted as if it were UTC) at anchor_ns of the monotonic clock. Setting the
 * clock moves the anchor. While the clock is stopped (SET, or the divider held
 * in reset) the ten time registers are bytes in time[], as the guest writes
 * them; when it starts, they become the new anchor.
 *
 * The three interrupt flags belong to instants that can be computed: second
 * borders, alarm matches, edges of the periodic divider. catch_up() sets the
 * flags whose instants lie between its last call and now. It runs before
 * every access and in the timer's callback. The timer is armed for the next
 * instant of a flag that is enabled and not set yet: an interrupt the guest
 * has not acknowledged needs no timer.
 *
 * "DS" is the MC146818 data sheet, with the name of its section.
 */
#include "dev/rtc.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

/* DS, Address Map */
enum {
	SECONDS = 0x00,
	SECONDS_ALARM = 0x01,
	MINUTES = 0x02,
	MINUTES_ALARM = 0x03,
	HOURS = 0x04,
	HOURS_ALARM = 0x05,
	WEEKDAY = 0x06,
	DAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_C = 0x0c,
	REG_D = 0x0d,
	CENTURY = RTC_NVRAM_CENTURY,
};

/* DS, Register A */
#define A_UIP	     0x80u
#define A_DIVIDER    0x70u
#define A_DIV_NORMAL 0x20u
#define A_RATE	     0x0fu

/* DS, Register B */
#define B_SET	 0x80u
#define B_PIE	 0x40u
#define B_AIE	 0x20u
#define B_UIE	 0x10u
#define B_SQWE	 0x08u
#define B_BINARY 0x04u
#define B_24H	 0x02u

/* DS, Register C: each flag has its enable at the same bit of B */
#define C_IRQF	0x80u
#define C_PF	0x40u
#define C_AF	0x20u
#define C_UF	0x10u
#define C_FLAGS (C_PF | C_AF | C_UF)

#define D_VRT 0x80u /* DS, Register D: the battery is good */

#define HOUR_PM	    0x80u
#define ALARM_ANY   0xc0u /* DS, Alarm: both top bits set match anything */
#define HALF_S	    (NS_PER_S / 2)
#define DAY_S	    86400
#define DIVIDER_HZ  32768u
#define UIP_LEAD_NS 2228000u /* DS, Update Cycle: 244 us + 1984 us */

struct rtc {
	const struct clock *clock;
	struct aspace *pio;
	struct irq_shared *lines;
	struct ev_timer *timer;
	struct aspace_region region;
	void (*alarm)(void *ctx);
	void *alarm_ctx;

	/* Locking: lock guards the rest. */
	pthread_mutex_t lock;
	uint8_t index; /* last written to port 70, 7 bits */
	uint8_t a, b, c;
	uint8_t time[RTC_NVRAM_FIRST]; /* while stopped; alarms always */
	uint8_t century;	       /* while stopped */
	uint8_t nvram[RTC_NVRAM_BYTES];
	int64_t anchor_s;
	uint64_t anchor_ns;
	int64_t wall_delta; /* guest's time minus the host's wall clock */
	uint64_t seen_ns;   /* catch_up() has been done until here */
	bool irq_asserted;
	bool irq_released; /* the HPET has it */
	bool alarm_told;
};

/* ---- time as a function ---- */

static bool is_stopped(const struct rtc *rtc)
{
	return (rtc->b & B_SET) || (rtc->a & A_DIVIDER) != A_DIV_NORMAL;
}

static uint64_t mono(const struct rtc *rtc)
{
	return rtc->clock->mono_ns(rtc->clock);
}

/* Seconds completed at monotonic time `at_ns`, not before the anchor. */
static int64_t seconds_at(const struct rtc *rtc, uint64_t at_ns)
{
	if (at_ns < rtc->anchor_ns)
		return rtc->anchor_s - 1;
	return rtc->anchor_s + (int64_t)((at_ns - rtc->anchor_ns) / NS_PER_S);
}

/* The monotonic time of the start of second `s`. */
static uint64_t start_of(const struct rtc *rtc, int64_t s)
{
	return rtc->anchor_ns + (uint64_t)(s - rtc->anchor_s) * NS_PER_S;
}

static void anchor(struct rtc *rtc, int64_t s, uint64_t at_ns)
{
	rtc->anchor_s = s;
	rtc->anchor_ns = at_ns;
	rtc->wall_delta = s - rtc->clock->wall_s(rtc->clock);
}

/* A wall clock that was stepped takes us along; one second is rounding. */
static void follow_wall(struct rtc *rtc, uint64_t now_ns)
{
	int64_t expected = rtc->clock->wall_s(rtc->clock) + rtc->wall_delta;
	int64_t off = expected - seconds_at(rtc, now_ns);

	if (off < -1 || off > 1)
		rtc->anchor_s += off;
}

/* ---- bytes of the clock registers ---- */

static uint8_t encode(const struct rtc *rtc, int value)
{
	if (rtc->b & B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

/* -1 for a byte that is no number in the current format. */
static int decode(const struct rtc *rtc, uint8_t byte)
{
	if (rtc->b & B_BINARY)
		return byte;
	if ((byte & 0x0f) > 9 || byte >> 4 > 9)
		return -1;
	return (byte >> 4) * 10 + (byte & 0x0f);
}

static uint8_t encode_hour(const struct rtc *rtc, int hour)
{
	if (rtc->b & B_24H)
		return encode(rtc, hour);
	return (uint8_t)(encode(rtc, hour % 12 ? hour % 12 : 12) |
			 (hour >= 12 ? HOUR_PM : 0));
}

static int decode_hour(const struct rtc *rtc, uint8_t byte)
{
	int hour;

	if (rtc->b & B_24H)
		return decode(rtc, byte);
	hour = decode(rtc, byte & (uint8_t)~HOUR_PM);
	if (hour < 1 || hour > 12)
		return -1;
	return hour % 12 + (byte & HOUR_PM ? 12 : 0);
}

/* Fills the time registers from `s`. */
static void time_to_bytes(struct rtc *rtc, int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;
	int year;

	gmtime_r(&t, &tm);
	year = MAX(tm.tm_year + 1900, 0); /* a host's clock may be absurd */
	rtc->time[SECONDS] = encode(rtc, tm.tm_sec);
	rtc->time[MINUTES] = encode(rtc, tm.tm_min);
	rtc->time[HOURS] = encode_hour(rtc, tm.tm_hour);
	rtc->time[WEEKDAY] = encode(rtc, tm.tm_wday + 1);
	rtc->time[DAY] = encode(rtc, tm.tm_mday);
	rtc->time[MONTH] = encode(rtc, tm.tm_mon + 1);
	rtc->time[YEAR] = encode(rtc, year % 100);
	rtc->century = encode(rtc, year / 100 % 100);
}

static int clamp(int value, int min, int max)
{
	return value < min ? min : value > max ? max : value;
}

/* The time the registers name; what makes no sense goes to the nearest. */
static int64_t bytes_to_time(const struct rtc *rtc)
{
	struct tm tm = {
	    .tm_sec = clamp(decode(rtc, rtc->time[SECONDS]), 0, 59),
	    .tm_min = clamp(decode(rtc, rtc->time[MINUTES]), 0, 59),
	    .tm_hour = clamp(decode_hour(rtc, rtc->time[HOURS]), 0, 23),
	    .tm_mday = clamp(decode(rtc, rtc->time[DAY]), 1, 31),
	    .tm_mon = clamp(decode(rtc, rtc->time[MONTH]), 1, 12) - 1,
	    .tm_year = clamp(decode(rtc, rtc->century), 0, 99) * 100 +
		       clamp(decode(rtc, rtc->time[YEAR]), 0, 99) - 1900,
	};

	return (int64_t)timegm(&tm);
}

/* ---- stopping and starting ---- */

static void stop(struct rtc *rtc, uint64_t now_ns)
{
	time_to_bytes(rtc, seconds_at(rtc, now_ns));
}

/*
 * DS, Register A: after the divider leaves reset the first update comes half
 * a second later. Leaving SET restarts nothing in the divider chain, but then
 * our second begins when the guest says so, which no guest can tell apart.
 */
static void start(struct rtc *rtc, uint64_t now_ns, bool from_divider)
{
	int64_t s = bytes_to_time(rtc);

	/* Half of the first second counts as gone; it may lie before zero. */
	if (from_divider && now_ns >= HALF_S)
		anchor(rtc, s, now_ns - HALF_S);
	else
		anchor(rtc, s, now_ns);
	rtc->seen_ns = now_ns;
}

/* ---- flags ---- */

/* Period of the periodic flag, 0 when it is off (DS, table of rates). */
static uint64_t period_ns(const struct rtc *rtc)
{
	unsigned rate = rtc->a & A_RATE;

	if (rate == 0 || (rtc->a & A_DIVIDER) != A_DIV_NORMAL)
		return 0;
	if (rate <= 2)
		rate += 7; /* 256 and 128 Hz stand twice in the table */
	return (NS_PER_S << (rate - 1)) / DIVIDER_HZ;
}

static bool is_any(uint8_t byte)
{
	return (byte & ALARM_ANY) == ALARM_ANY;
}

static bool alarm_field(int value, int wanted, uint8_t byte)
{
	return is_any(byte) || value == wanted;
}

static bool alarm_possible(int wanted, int limit, uint8_t byte)
{
	return is_any(byte) || (wanted >= 0 && wanted < limit);
}

/* First second after `s` that matches the alarm; INT64_MAX: none does. */
static int64_t next_alarm(const struct rtc *rtc, int64_t s)
{
	const uint8_t *t = rtc->time;
	int want_h = decode_hour(rtc, t[HOURS_ALARM]);
	int want_m = decode(rtc, t[MINUTES_ALARM]);
	int want_s = decode(rtc, t[SECONDS_ALARM]);
	int64_t first = s + 1;
	int64_t day = first - ((first % DAY_S) + DAY_S) % DAY_S;
	int from = (int)(first - day), i, h, m, sec;

	if (!alarm_possible(want_h, 24, t[HOURS_ALARM]) ||
	    !alarm_possible(want_m, 60, t[MINUTES_ALARM]) ||
	    !alarm_possible(want_s, 60, t[SECONDS_ALARM]))
		return INT64_MAX;
	/* Two days of hours, each cut short where it cannot match. */
	for (i = 0; i < 48; i++) {
		h = i % 24;
		if ((i + 1) * 3600 <= from ||
		    !alarm_field(h, want_h, t[HOURS_ALARM]))
			continue;
		for (m = 0; m < 60; m++) {
			if (i * 3600 + (m + 1) * 60 <= from ||
			    !alarm_field(m, want_m, t[MINUTES_ALARM]))
				continue;
			for (sec = 0; sec < 60; sec++)
				if (i * 3600 + m * 60 + sec >= from &&
				    alarm_field(sec, want_s, t[SECONDS_ALARM]))
					return day + i * 3600 + m * 60 + sec;
		}
	}
	return INT64_MAX;
}

static void update_irq(struct rtc *rtc)
{
	bool level = rtc->b & rtc->c & C_FLAGS;
	bool alarm = rtc->b & rtc->c & C_AF;

	if (alarm && !rtc->alarm_told && rtc->alarm)
		rtc->alarm(rtc->alarm_ctx);
	rtc->alarm_told = alarm;
	rtc->c = (uint8_t)((rtc->c & C_FLAGS) | (level ? C_IRQF : 0));
	irq_shared_set(rtc->lines, RTC_IRQ, &rtc->irq_asserted,
		       level && !rtc->irq_released);
}

/* Sets the flags of everything that happened since the last call. */
static void catch_up(struct rtc *rtc, uint64_t now_ns)
{
	uint64_t period = period_ns(rtc);
	uint64_t seen_ns = rtc->seen_ns;

	if (period && now_ns / period != seen_ns / period)
		rtc->c |= C_PF;
	if (!is_stopped(rtc)) {
		int64_t seen = seconds_at(rtc, seen_ns);
		int64_t now;

		follow_wall(rtc, now_ns);
		now = seconds_at(rtc, now_ns);
		if (now != seen)
			rtc->c |= C_UF;
		if (!(rtc->c & C_AF) && now > seen &&
		    next_alarm(rtc, seen) <= now)
			rtc->c |= C_AF;
	}
	rtc->seen_ns = now_ns;
	update_irq(rtc);
}

/* Arms the timer for the next flag that would interrupt and is not set. */
static void arm(struct rtc *rtc, uint64_t now_ns)
{
	uint8_t wanted = rtc->b & (uint8_t)~rtc->c & C_FLAGS;
	uint64_t period = period_ns(rtc), due = UINT64_MAX;
	int64_t now = seconds_at(rtc, now_ns);

	if ((wanted & C_PF) && period)
		due = (now_ns / period + 1) * period;
	if ((wanted & C_UF) && !is_stopped(rtc))
		due = MIN(due, start_of(rtc, now + 1));
	if ((wanted & C_AF) && !is_stopped(rtc)) {
		int64_t alarm = next_alarm(rtc, now);
		uint64_t look_ns;

		/* Look again now and then: the wall clock may be stepped. */
		if (alarm != INT64_MAX) {
			look_ns = start_of(rtc, MIN(alarm, now + 60));
			due = MIN(due, look_ns);
		}
	}
	if (due == UINT64_MAX)
		ev_timer_disarm(rtc->timer);
	else
		ev_timer_arm(rtc->timer, due - now_ns);
}

static void timer_expired(void *ctx)
{
	struct rtc *rtc = ctx;
	uint64_t now_ns;

	pthread_mutex_lock(&rtc->lock);
	now_ns = mono(rtc);
	catch_up(rtc, now_ns);
	arm(rtc, now_ns);
	pthread_mutex_unlock(&rtc->lock);
}

/* ---- registers ---- */

static uint8_t read_a(const struct rtc *rtc, uint64_t now_ns)
{
	uint64_t next;

	if (is_stopped(rtc))
		return rtc->a;
	next = start_of(rtc, seconds_at(rtc, now_ns) + 1);
	return (uint8_t)(rtc->a | (next - now_ns <= UIP_LEAD_NS ? A_UIP : 0));
}

static uint8_t read_c(struct rtc *rtc)
{
	uint8_t value = rtc->c;

	rtc->c = 0;
	update_irq(rtc);
	return value;
}

static bool is_alarm(unsigned index)
{
	return index == SECONDS_ALARM || index == MINUTES_ALARM ||
	       index == HOURS_ALARM;
}

static uint8_t read_time(struct rtc *rtc, unsigned index, uint64_t now_ns)
{
	if (!is_stopped(rtc) && !is_alarm(index))
		time_to_bytes(rtc, seconds_at(rtc, now_ns));
	return index == CENTURY ? rtc->century : rtc->time[index];
}

static void write_a(struct rtc *rtc, uint8_t value, uint64_t now_ns)
{
	bool was_stopped = is_stopped(rtc);
	bool was_held = (rtc->a & A_DIVIDER) != A_DIV_NORMAL;

	if (!was_stopped && (value & A_DIVIDER) != A_DIV_NORMAL)
		stop(rtc, now_ns);
	rtc->a = value & (uint8_t)~A_UIP;
	if (was_stopped && !is_stopped(rtc))
		start(rtc, now_ns, was_held);
}

static void write_b(struct rtc *rtc, uint8_t value, uint64_t now_ns)
{
	bool was_stopped = is_stopped(rtc);
	int64_t now = seconds_at(rtc, now_ns);

	/* DS, Register B: SET going high clears UIE. */
	if (value & ~rtc->b & B_SET)
		value &= (uint8_t)~B_UIE;
	rtc->b = value;
	/* In the format that B now says: what the guest will write is too. */
	if (!was_stopped && is_stopped(rtc))
		time_to_bytes(rtc, now);
	if (was_stopped && !is_stopped(rtc))
		start(rtc, now_ns, false);
	update_irq(rtc);
}

static void write_time(struct rtc *rtc, unsigned index, uint8_t value,
		       uint64_t now_ns)
{
	bool running = !is_stopped(rtc) && !is_alarm(index);
	int64_t now = seconds_at(rtc, now_ns);

	if (running)
		time_to_bytes(rtc, now);
	if (index == CENTURY)
		rtc->century = value;
	else
		rtc->time[index] = value;
	/* Written while it runs: the rest of the second goes on. */
	if (running) {
		uint64_t into = now_ns - start_of(rtc, now);

		anchor(rtc, bytes_to_time(rtc), now_ns - into);
	}
}

static uint8_t reg_read(struct rtc *rtc, unsigned index, uint64_t now_ns)
{
	switch (index) {
	case REG_A:
		return read_a(rtc, now_ns);
	case REG_B:
		return rtc->b;
	case REG_C:
		return read_c(rtc);
	case REG_D:
		return D_VRT;
	case CENTURY:
		return read_time(rtc, index, now_ns);
	default:
		return index < RTC_NVRAM_FIRST ? read_time(rtc, index, now_ns)
					       : rtc->nvram[index];
	}
}

static void reg_write(struct rtc *rtc, unsigned index, uint8_t value,
		      uint64_t now_ns)
{
	switch (index) {
	case REG_A:
		write_a(rtc, value, now_ns);
		break;
	case REG_B:
		write_b(rtc, value, now_ns);
		break;
	case REG_C:
	case REG_D:
		break; /* read-only */
	case CENTURY:
		write_time(rtc, index, value, now_ns);
		break;
	default:
		if (index < RTC_NVRAM_FIRST)
			write_time(rtc, index, value, now_ns);
		else
			rtc->nvram[index] = value;
	}
}

/* Port 70: index, its top bit is the NMI gate of other hardware. */
static uint64_t rtc_read(void *ctx, uint64_t offset, unsigned size UNUSED)
{
	struct rtc *rtc = ctx;
	uint64_t now_ns = mono(rtc);
	uint8_t value;

	if (offset == 0)
		return rtc->index;
	catch_up(rtc, now_ns);
	value = reg_read(rtc, rtc->index, now_ns);
	if (rtc->index == REG_C)
		arm(rtc, now_ns);
	return value;
}

static void rtc_write(void *ctx, uint64_t offset, unsigned size UNUSED,
		      uint64_t value)
{
	struct rtc *rtc = ctx;
	uint64_t now_ns = mono(rtc);

	if (offset == 0) {
		rtc->index = value & 0x7f;
		return;
	}
	catch_up(rtc, now_ns);
	reg_write(rtc, rtc->index, (uint8_t)value, now_ns);
	if (rtc->index < RTC_NVRAM_FIRST || rtc->index == CENTURY)
		arm(rtc, now_ns);
}

/* ---- life ---- */

void rtc_set_nvram(struct rtc *rtc, unsigned index, uint8_t value)
{
	if (index < RTC_NVRAM_FIRST || index >= RTC_NVRAM_BYTES ||
	    index == RTC_NVRAM_CENTURY)
		return;
	pthread_mutex_lock(&rtc->lock);
	rtc->nvram[index] = value;
	pthread_mutex_unlock(&rtc->lock);
}

void rtc_on_alarm(struct rtc *rtc, void (*fn)(void *ctx), void *ctx)
{
	rtc->alarm = fn;
	rtc->alarm_ctx = ctx;
}

void rtc_release_irq(struct rtc *rtc, bool released)
{
	pthread_mutex_lock(&rtc->lock);
	rtc->irq_released = released;
	update_irq(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

void rtc_reset(struct rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	/* DS, RESET pin. */
	rtc->b &= (uint8_t) ~(B_PIE | B_AIE | B_UIE | B_SQWE);
	rtc->c = 0;
	update_irq(rtc);
	arm(rtc, mono(rtc));
	pthread_mutex_unlock(&rtc->lock);
}

/* Seconds the host's civil time is ahead of UTC now. */
static int64_t local_offset(int64_t wall_s)
{
	time_t t = (time_t)wall_s;
	struct tm tm;

	return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}

static int rtc_setup(struct rtc *rtc, const struct model_env *env,
		     struct err *err)
{
	int64_t wall_s = env->clock->wall_s(env->clock);
	bool local;
	int r = cfg_bool(env->root, "rtc.use_localtime", true, err, &local);

	if (r)
		return r;
	rtc->a = A_DIV_NORMAL | 6; /* 1024 Hz, as a PC's firmware leaves it */
	rtc->b = B_24H;
	rtc->seen_ns = mono(rtc);
	anchor(rtc, wall_s + (local ? local_offset(wall_s) : 0), rtc->seen_ns);
	r = ev_timer_create(env->loop, timer_expired, rtc, &rtc->timer);
	if (r)
		return err_sys(err, r, "rtc");
	rtc->region = (struct aspace_region){
	    .name = "rtc",
	    .size = 2,
	    .read = rtc_read,
	    .write = rtc_write,
	    .ctx = rtc,
	    .lock = &rtc->lock,
	    .min_size = 1,
	    .max_size = 1,
	};
	return aspace_add(env->pio, &rtc->region, 0x70, err);
}

int rtc_create(const struct model_env *env, struct err *err,
	       struct rtc **ret_rtc)
{
	struct rtc *rtc = calloc(1, sizeof(*rtc));
	int r;

	if (!rtc)
		return err_set(err, -ENOMEM, "rtc: out of memory");
	rtc->clock = env->clock;
	rtc->pio = env->pio;
	rtc->lines = env->lines;
	pthread_mutex_init(&rtc->lock, NULL);
	r = rtc_setup(rtc, env, err);
	if (r) {
		rtc_destroy(rtc);
		return r;
	}
	*ret_rtc = rtc;
	return 0;
}

void rtc_destroy(struct rtc *rtc)
{
	if (!rtc)
		return;
	aspace_remove(rtc->pio, &rtc->region);
	ev_timer_destroy(rtc->timer);
	irq_shared_set(rtc->lines, RTC_IRQ, &rtc->irq_asserted, false);
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}
