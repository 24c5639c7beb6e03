/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiler attributes, checked arithmetic and scope clean-up used everywhere.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MUST_CHECK	  __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define UNUSED		  __attribute__((unused))
#define NORETURN	  __attribute__((noreturn))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)	     (1u << (n))
#define BIT64(n)     (1ull << (n))
#define KIB(n)	     ((uint64_t)(n) << 10)
#define MIB(n)	     ((uint64_t)(n) << 20)
#define GIB(n)	     ((uint64_t)(n) << 30)
#define NS_PER_S     1000000000ull
#define NS_PER_MS    1000000ull

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Smaller/larger of two values of one type; arguments are evaluated once. */
#define MIN(a, b)                                  \
	({                                         \
		__typeof__(a) min_a_ = (a);        \
		__typeof__(b) min_b_ = (b);        \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define MAX(a, b)                                  \
	({                                         \
		__typeof__(a) max_a_ = (a);        \
		__typeof__(b) max_b_ = (b);        \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

static inline bool is_pow2(uint64_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

/* `align` must be a power of two. Wraps to 0 when the result does not fit. */
static inline uint64_t align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline uint64_t align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

/* Smallest power of two >= v (v >= 1, v <= 2^63). */
static inline uint64_t round_up_pow2(uint64_t v)
{
	return v <= 1 ? 1 : 1ull << (64 - __builtin_clzll(v - 1));
}

/* True when [start, start + len) wraps; otherwise *ret_end = start + len. */
MUST_CHECK static inline bool range_end(uint64_t start, uint64_t len,
					uint64_t *ret_end)
{
	return __builtin_add_overflow(start, len, ret_end);
}

/*
 * True when [start, start+len) lies inside [base, base+size), without
 * computing anything that could wrap. An empty range fits anywhere inside.
 */
static inline bool range_inside(uint64_t start, uint64_t len, uint64_t base,
				uint64_t size)
{
	return start >= base && start - base <= size &&
	       len <= size - (start - base);
}

/* Do two non-empty ranges given as start and size share an address? */
static inline bool range_overlaps(uint64_t a, uint64_t a_size, uint64_t b,
				  uint64_t b_size)
{
	return a <= b ? b - a < a_size : a - b < b_size;
}

/* Scope clean-up: `CLEANUP_CLOSE int fd = -1;`, `CLEANUP_FREE char *p = NULL;`
 */
static inline void cleanup_close_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_free_(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fclose_(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define CLEANUP_CLOSE  __attribute__((cleanup(cleanup_close_)))
#define CLEANUP_FREE   __attribute__((cleanup(cleanup_free_)))
#define CLEANUP_FCLOSE __attribute__((cleanup(cleanup_fclose_)))

/* Hand a cleaned-up variable's value to a new owner. */
#define take_fd(var)                \
	({                          \
		int taken_ = (var); \
		(var) = -1;         \
		taken_;             \
	})
#define take_ptr(var)                           \
	({                                      \
		__typeof__(var) taken_ = (var); \
		(var) = NULL;                   \
		taken_;                         \
	})

#endif
