/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers, contexts and transfer request blocks of the xHCI.
 * Source: eXtensible Host Controller Interface for Universal Serial Bus 1.1;
 * the numbers in the comments are its sections. All fields little-endian.
 */
#ifndef SPEC_XHCI_H
#define SPEC_XHCI_H

#include <assert.h>
#include <stdint.h>

/* PCI configuration space (5.2) */
#define XHCI_PCI_SBRN	 0x60
#define XHCI_PCI_FLADJ	 0x61
#define XHCI_PCI_DBESL	 0x62
#define XHCI_SBRN_USB30	 0x30
#define XHCI_FLADJ_60000 0x20

/* Capability registers (5.3) */
#define XHCI_CAPLENGTH	0x00 /* one byte, then HCIVERSION */
#define XHCI_HCSPARAMS1 0x04
#define XHCI_HCSPARAMS2 0x08
#define XHCI_HCSPARAMS3 0x0c
#define XHCI_HCCPARAMS1 0x10
#define XHCI_DBOFF	0x14
#define XHCI_RTSOFF	0x18
#define XHCI_HCCPARAMS2 0x1c

#define XHCI_HCCPARAMS1_AC64	    0x00000001u
#define XHCI_HCCPARAMS1_NSS	    0x00000080u
#define XHCI_HCCPARAMS1_XECP_SHIFT  16
#define XHCI_HCSPARAMS1_INTRS_SHIFT 8
#define XHCI_HCSPARAMS1_PORTS_SHIFT 24
#define XHCI_HCSPARAMS2_ERST_SHIFT  4

/* Operational registers (5.4), from CAPLENGTH on */
#define XHCI_USBCMD   0x00
#define XHCI_USBSTS   0x04
#define XHCI_PAGESIZE 0x08
#define XHCI_DNCTRL   0x14
#define XHCI_CRCR     0x18
#define XHCI_DCBAAP   0x30
#define XHCI_CONFIG   0x38
#define XHCI_PORTS    0x400 /* 16 bytes a port */

#define XHCI_USBCMD_RS	  0x00000001u
#define XHCI_USBCMD_HCRST 0x00000002u
#define XHCI_USBCMD_INTE  0x00000004u
#define XHCI_USBCMD_HSEE  0x00000008u
#define XHCI_USBCMD_CSS	  0x00000100u
#define XHCI_USBCMD_CRS	  0x00000200u
#define XHCI_USBCMD_EWE	  0x00000400u
#define XHCI_USBCMD_EU3S  0x00000800u

#define XHCI_USBSTS_HCH	 0x00000001u
#define XHCI_USBSTS_HSE	 0x00000004u
#define XHCI_USBSTS_EINT 0x00000008u
#define XHCI_USBSTS_PCD	 0x00000010u
#define XHCI_USBSTS_SRE	 0x00000400u
#define XHCI_USBSTS_CNR	 0x00000800u
#define XHCI_USBSTS_HCE	 0x00001000u

#define XHCI_CRCR_RCS 0x1u
#define XHCI_CRCR_CS  0x2u
#define XHCI_CRCR_CA  0x4u
#define XHCI_CRCR_CRR 0x8u

/* Port registers (5.4.8 to 5.4.11) */
#define XHCI_PORTSC    0x0
#define XHCI_PORTPMSC  0x4
#define XHCI_PORTLI    0x8
#define XHCI_PORTHLPMC 0xc

#define XHCI_PORTSC_CCS		0x00000001u
#define XHCI_PORTSC_PED		0x00000002u
#define XHCI_PORTSC_PR		0x00000010u
#define XHCI_PORTSC_PLS_SHIFT	5
#define XHCI_PORTSC_PLS		0x000001e0u
#define XHCI_PORTSC_PP		0x00000200u
#define XHCI_PORTSC_SPEED_SHIFT 10
#define XHCI_PORTSC_LWS		0x00010000u
#define XHCI_PORTSC_CSC		0x00020000u
#define XHCI_PORTSC_PEC		0x00040000u
#define XHCI_PORTSC_WRC		0x00080000u
#define XHCI_PORTSC_OCC		0x00100000u
#define XHCI_PORTSC_PRC		0x00200000u
#define XHCI_PORTSC_PLC		0x00400000u
#define XHCI_PORTSC_CEC		0x00800000u
#define XHCI_PORTSC_WAKE	0x0e000000u /* WCE, WDE, WOE */
#define XHCI_PORTSC_CHANGES	0x00fe0000u

/* Port link states */
#define XHCI_PLS_U0	   0u
#define XHCI_PLS_U3	   3u
#define XHCI_PLS_DISABLED  4u
#define XHCI_PLS_RX_DETECT 5u
#define XHCI_PLS_POLLING   7u
#define XHCI_PLS_RESUME	   15u

/* Default protocol speed IDs (7.2.2.1.1) */
#define XHCI_SPEED_FULL 1u
#define XHCI_SPEED_LOW	2u
#define XHCI_SPEED_HIGH 3u

/* Runtime registers (5.5) */
#define XHCI_MFINDEX 0x00
#define XHCI_IR0     0x20 /* 32 bytes an interrupter */
#define XHCI_IMAN    0x00
#define XHCI_IMOD    0x04
#define XHCI_ERSTSZ  0x08
#define XHCI_ERSTBA  0x10
#define XHCI_ERDP    0x18

#define XHCI_IMAN_IP  0x1u
#define XHCI_IMAN_IE  0x2u
#define XHCI_ERDP_EHB 0x8u

#define XHCI_MICROFRAME_NS 125000u
#define XHCI_IMOD_UNIT_NS  250u
#define XHCI_MFINDEX_MASK  0x3fffu

/* Extended capabilities (7) */
#define XHCI_XECP_LEGACY	1u
#define XHCI_XECP_PROTOCOL	2u
#define XHCI_LEGACY_BIOS_OWNED	0x00010000u
#define XHCI_LEGACY_OS_OWNED	0x01000000u
#define XHCI_LEGACY_SMI_ENABLES 0x0000e011u /* in USBLEGCTLSTS */
#define XHCI_PROTOCOL_NAME	0x20425355u /* "USB " */
#define XHCI_PROTOCOL_USB2	0x0200u
#define XHCI_PROTOCOL_USB3	0x0300u

/* TRBs (6.4) */
struct xhci_trb {
	uint64_t param;
	uint32_t status;
	uint32_t control;
};
static_assert(sizeof(struct xhci_trb) == 16, "xHCI 6.4");

struct xhci_erst_entry { /* 6.5 */
	uint64_t base;
	uint32_t size; /* low 16 bits: TRBs */
	uint32_t reserved;
};
static_assert(sizeof(struct xhci_erst_entry) == 16, "xHCI 6.5");

struct xhci_context { /* slot, endpoint and input control context, 6.2 */
	uint32_t dw[8];
};
static_assert(sizeof(struct xhci_context) == 32, "xHCI 6.2, CSZ 0");

#define XHCI_ERST_SIZE_MIN 16u
#define XHCI_ERST_SIZE_MAX 4096u

/* Fields of TRBs */
#define XHCI_TRB_LENGTH	      0x0001ffffu /* status */
#define XHCI_TRB_INTR_SHIFT   22	  /* status, 10 bits */
#define XHCI_TRB_INTR_MASK    0x3ffu
#define XHCI_TRB_CC_SHIFT     24	  /* status of an event */
#define XHCI_EVENT_LENGTH     0x00ffffffu /* status of an event */
#define XHCI_TRB_C	      0x00000001u
#define XHCI_TRB_ENT_TC	      0x00000002u /* Link: toggle cycle */
#define XHCI_TRB_ISP	      0x00000004u /* transfer event: event data */
#define XHCI_EVENT_ED	      0x00000004u
#define XHCI_TRB_CH	      0x00000010u
#define XHCI_TRB_IOC	      0x00000020u
#define XHCI_TRB_IDT	      0x00000040u
#define XHCI_TRB_BEI	      0x00000200u
#define XHCI_TRB_BSR	      0x00000200u /* Address Device */
#define XHCI_TRB_DC	      0x00000200u /* Configure Endpoint */
#define XHCI_TRB_TYPE_SHIFT   10
#define XHCI_TRB_TYPE_MASK    0x3fu
#define XHCI_TRB_DIR_IN	      0x00010000u /* Data and Status Stage */
#define XHCI_TRB_EP_SHIFT     16
#define XHCI_TRB_EP_MASK      0x1fu
#define XHCI_TRB_SLOT_SHIFT   24
#define XHCI_EVENT_PORT_SHIFT 24 /* param of a port status change */

/* TRB types (6.4.6) */
enum xhci_trb_type {
	XHCI_NORMAL = 1,
	XHCI_SETUP_STAGE = 2,
	XHCI_DATA_STAGE = 3,
	XHCI_STATUS_STAGE = 4,
	XHCI_ISOCH = 5,
	XHCI_LINK = 6,
	XHCI_EVENT_DATA = 7,
	XHCI_NO_OP = 8,
	XHCI_ENABLE_SLOT = 9,
	XHCI_DISABLE_SLOT = 10,
	XHCI_ADDRESS_DEVICE = 11,
	XHCI_CONFIGURE_ENDPOINT = 12,
	XHCI_EVALUATE_CONTEXT = 13,
	XHCI_RESET_ENDPOINT = 14,
	XHCI_STOP_ENDPOINT = 15,
	XHCI_SET_TR_DEQUEUE = 16,
	XHCI_RESET_DEVICE = 17,
	XHCI_NO_OP_COMMAND = 23,
	XHCI_TRANSFER_EVENT = 32,
	XHCI_COMMAND_COMPLETION = 33,
	XHCI_PORT_STATUS_CHANGE = 34,
	XHCI_HOST_CONTROLLER_EVENT = 37,
	XHCI_MFINDEX_WRAP = 39,
};

/* Completion codes (6.4.5) */
enum xhci_cc {
	XHCI_CC_SUCCESS = 1,
	XHCI_CC_BABBLE = 3,
	XHCI_CC_TRANSACTION = 4,
	XHCI_CC_TRB = 5,
	XHCI_CC_STALL = 6,
	XHCI_CC_NO_SLOTS = 9,
	XHCI_CC_SLOT_NOT_ENABLED = 11,
	XHCI_CC_EP_NOT_ENABLED = 12,
	XHCI_CC_SHORT_PACKET = 13,
	XHCI_CC_PARAMETER = 17,
	XHCI_CC_CONTEXT_STATE = 19,
	XHCI_CC_EVENT_RING_FULL = 21,
	XHCI_CC_COMMAND_RING_STOPPED = 24,
	XHCI_CC_STOPPED = 26,
};

/* Slot context (6.2.2) */
#define XHCI_SLOT_ROUTE		0x000fffffu /* dw 0 */
#define XHCI_SLOT_ENTRIES_SHIFT 27	    /* dw 0 */
#define XHCI_SLOT_EXIT_LATENCY	0x0000ffffu /* dw 1 */
#define XHCI_SLOT_PORT_SHIFT	16	    /* dw 1, 8 bits */
#define XHCI_SLOT_INTR		0xffc00000u /* dw 2 */
#define XHCI_SLOT_ADDRESS	0x000000ffu /* dw 3 */
#define XHCI_SLOT_STATE_SHIFT	27	    /* dw 3 */

enum xhci_slot_state {
	XHCI_SLOT_DISABLED = 0, /* or enabled and not addressed yet */
	XHCI_SLOT_DEFAULT = 1,
	XHCI_SLOT_ADDRESSED = 2,
	XHCI_SLOT_CONFIGURED = 3,
};

/* Endpoint context (6.2.3) */
#define XHCI_EP_STATE	     0x00000007u /* dw 0 */
#define XHCI_EP_STREAMS	     0x00007c00u /* dw 0: MaxPStreams */
#define XHCI_EP_TYPE_SHIFT   3		 /* dw 1, 3 bits */
#define XHCI_EP_PACKET	     0xffff0000u /* dw 1: Max Packet Size */
#define XHCI_EP_PACKET_SHIFT 16
#define XHCI_EP_DCS	     0x00000001u /* dw 2 */

enum xhci_ep_state {
	XHCI_EP_DISABLED = 0,
	XHCI_EP_RUNNING = 1,
	XHCI_EP_HALTED = 2,
	XHCI_EP_STOPPED = 3,
	XHCI_EP_ERROR = 4,
};

enum xhci_ep_type {
	XHCI_EP_CONTROL = 4, /* 1-3 isoch, bulk, interrupt out; 5-7 in */
};

#endif
