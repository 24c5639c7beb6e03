/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hyper-V's interface to guests, as far as byway offers it.
 * Source: Microsoft, Hypervisor Top Level Functional Specification 6.0b:
 * 2 (CPUID leaves), 3 (hypercall status), appendix F (MSRs).
 */
#ifndef SPEC_HYPERV_H
#define SPEC_HYPERV_H

/* CPUID leaves */
#define HV_LEAF_VENDOR	  0x40000000u
#define HV_LEAF_INTERFACE 0x40000001u
#define HV_LEAF_VERSION	  0x40000002u
#define HV_LEAF_FEATURES  0x40000003u
#define HV_LEAF_HINTS	  0x40000004u
#define HV_LEAF_LIMITS	  0x40000005u

#define HV_VENDOR_EBX	 0x7263694du /* "Microsoft Hv" */
#define HV_VENDOR_ECX	 0x666f736fu
#define HV_VENDOR_EDX	 0x76482074u
#define HV_INTERFACE_EAX 0x31237648u /* "Hv#1" */

/* HV_LEAF_FEATURES, eax: registers a guest may use */
#define HV_A_RUNTIME   (1u << 0)
#define HV_A_REF_COUNT (1u << 1)
#define HV_A_SYNIC     (1u << 2)
#define HV_A_STIMER    (1u << 3)
#define HV_A_APIC      (1u << 4) /* and the VP assist page */
#define HV_A_HYPERCALL (1u << 5)
#define HV_A_VP_INDEX  (1u << 6)
#define HV_A_RESET     (1u << 7)
#define HV_A_REF_TSC   (1u << 9)
#define HV_A_FREQUENCY (1u << 11)

/* HV_LEAF_FEATURES, edx */
#define HV_D_FREQUENCY	   (1u << 8)
#define HV_D_CRASH	   (1u << 10)
#define HV_D_STIMER_DIRECT (1u << 19)

/* HV_LEAF_HINTS: eax; ebx is the number of tries before a long spin is told */
#define HV_HINT_APIC	   (1u << 3) /* its MSRs are faster */
#define HV_HINT_RELAXED	   (1u << 5) /* do not mind late timer interrupts */
#define HV_HINT_NO_AUTOEOI (1u << 9)

/* MSRs */
#define HV_MSR_CRASH_P0	    0x40000100u /* to P4 */
#define HV_MSR_CRASH_CTL    0x40000105u
#define HV_CRASH_CTL_NOTIFY (1ull << 63)
#define HV_CRASH_PARAMS	    5u

#define HV_STATUS_INVALID_HYPERCALL_CODE 2u

#endif
