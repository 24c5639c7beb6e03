/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and memory structures of the Serial ATA AHCI 1.3.1 specification:
 * chapter 3 (HBA registers) and chapter 4 (system memory structures). All
 * fields are little-endian.
 */
#ifndef SPEC_AHCI_H
#define SPEC_AHCI_H

#include <assert.h>
#include <stdint.h>

#define AHCI_PACKED __attribute__((packed))

#define AHCI_ABAR  5u /* the BAR that holds the registers (2.1.11) */
#define AHCI_PORTS 32u
#define AHCI_SLOTS 32u

/* ---- generic host control (3.1) ---- */

struct ahci_hba_regs {
	uint32_t cap, ghc, is, pi, vs, ccc_ctl, ccc_ports, em_loc, em_ctl;
	uint32_t cap2, bohc;
};
static_assert(sizeof(struct ahci_hba_regs) == 0x2c, "AHCI 3.1");

#define AHCI_CAP  0x00u
#define AHCI_GHC  0x04u
#define AHCI_IS	  0x08u
#define AHCI_PI	  0x0cu
#define AHCI_VS	  0x10u
#define AHCI_CCCC 0x14u /* command completion coalescing control */
#define AHCI_CCCP 0x18u
#define AHCI_EML  0x1cu /* enclosure management location */
#define AHCI_EMC  0x20u
#define AHCI_CAP2 0x24u
#define AHCI_BOHC 0x28u /* BIOS/OS hand-off */

#define AHCI_CAP_S64A	   (1u << 31)
#define AHCI_CAP_SNCQ	   (1u << 30)
#define AHCI_CAP_SCLO	   (1u << 24)
#define AHCI_CAP_ISS_SHIFT 20
#define AHCI_CAP_SAM	   (1u << 18) /* AHCI mode only */
#define AHCI_CAP_PMD	   (1u << 15) /* multiple DRQ blocks in PIO */
#define AHCI_CAP_NCS_SHIFT 8
#define AHCI_CAP_NP_MASK   0x1fu

#define AHCI_GHC_AE (1u << 31)
#define AHCI_GHC_IE (1u << 1)
#define AHCI_GHC_HR (1u << 0)

#define AHCI_VERSION 0x00010301u

/* ---- port registers (3.3), from 100h on, 80h bytes each ---- */

#define AHCI_PORT_BASE	 0x100u
#define AHCI_PORT_STRIDE 0x80u

struct ahci_port_regs {
	uint32_t clb, clbu; /* command list base */
	uint32_t fb, fbu;   /* received FIS base */
	uint32_t is, ie;    /* interrupt status, enable */
	uint32_t cmd;
	uint32_t reserved;
	uint32_t tfd;		   /* task file: status and error */
	uint32_t sig;		   /* signature */
	uint32_t ssts, sctl, serr; /* the SATA registers */
	uint32_t sact, ci;	   /* commands outstanding */
	uint32_t sntf, fbs, devslp;
};
static_assert(sizeof(struct ahci_port_regs) == 0x48, "AHCI 3.3");

#define AHCI_PXCLB  0x00u
#define AHCI_PXCLBU 0x04u
#define AHCI_PXFB   0x08u
#define AHCI_PXFBU  0x0cu
#define AHCI_PXIS   0x10u
#define AHCI_PXIE   0x14u
#define AHCI_PXCMD  0x18u
#define AHCI_PXTFD  0x20u
#define AHCI_PXSIG  0x24u
#define AHCI_PXSSTS 0x28u
#define AHCI_PXSCTL 0x2cu
#define AHCI_PXSERR 0x30u
#define AHCI_PXSACT 0x34u
#define AHCI_PXCI   0x38u
#define AHCI_PXSNTF 0x3cu
#define AHCI_PXFBS  0x40u
#define AHCI_PXDEVS 0x44u

/* PxIS and PxIE (3.3.5, 3.3.6) */
#define AHCI_PXIS_DHRS (1u << 0)  /* D2H Register FIS */
#define AHCI_PXIS_PSS  (1u << 1)  /* PIO Setup FIS */
#define AHCI_PXIS_DSS  (1u << 2)  /* DMA Setup FIS */
#define AHCI_PXIS_SDBS (1u << 3)  /* Set Device Bits FIS */
#define AHCI_PXIS_UFS  (1u << 4)  /* unknown FIS */
#define AHCI_PXIS_DPS  (1u << 5)  /* descriptor processed */
#define AHCI_PXIS_PCS  (1u << 6)  /* mirrors PxSERR.DIAG.X */
#define AHCI_PXIS_PRCS (1u << 22) /* mirrors PxSERR.DIAG.N */
#define AHCI_PXIS_OFS  (1u << 24) /* overflow */
#define AHCI_PXIS_INFS (1u << 26) /* interface non-fatal */
#define AHCI_PXIS_IFS  (1u << 27) /* interface fatal */
#define AHCI_PXIS_HBDS (1u << 28) /* host bus data */
#define AHCI_PXIS_HBFS (1u << 29) /* host bus fatal */
#define AHCI_PXIS_TFES (1u << 30) /* task file error */

/* PxCMD (3.3.7) */
#define AHCI_PXCMD_ST	     (1u << 0)
#define AHCI_PXCMD_SUD	     (1u << 1)
#define AHCI_PXCMD_POD	     (1u << 2)
#define AHCI_PXCMD_CLO	     (1u << 3)
#define AHCI_PXCMD_FRE	     (1u << 4)
#define AHCI_PXCMD_CCS_SHIFT 8
#define AHCI_PXCMD_FR	     (1u << 14)
#define AHCI_PXCMD_CR	     (1u << 15)
#define AHCI_PXCMD_ATAPI     (1u << 24)
#define AHCI_PXCMD_DLAE	     (1u << 25)

#define AHCI_PXTFD_ERR_SHIFT 8

/* PxSIG (3.3.9): LBA high, mid, low, sector count of the signature */
#define AHCI_SIG_ATA   0x00000101u
#define AHCI_SIG_ATAPI 0xeb140101u
#define AHCI_SIG_NONE  0xffffffffu

/* PxSSTS (3.3.10), PxSCTL (3.3.11) */
#define AHCI_DET_MASK	   0xfu
#define AHCI_SSTS_PRESENT  0x3u /* DET: device, Phy up */
#define AHCI_SSTS_OFFLINE  0x4u
#define AHCI_SSTS_ACTIVE   0x100u /* IPM */
#define AHCI_SPD_SHIFT	   4
#define AHCI_SCTL_COMRESET 0x1u
#define AHCI_SCTL_OFFLINE  0x4u
#define AHCI_SCTL_BITS	   0xfffu

/* PxSERR (3.3.12) */
#define AHCI_SERR_P (1u << 10) /* protocol error */
#define AHCI_SERR_N (1u << 16) /* PhyRdy changed */
#define AHCI_SERR_X (1u << 26) /* exchanged: COMINIT received */

/* ---- memory structures (4.2) ---- */

struct ahci_header { /* command header, 32 a list */
	uint16_t flags;
	uint16_t prdtl;
	uint32_t prdbc; /* bytes transferred, written by the HBA */
	uint32_t ctba;
	uint32_t ctbau;
	uint32_t reserved[4];
} AHCI_PACKED;
static_assert(sizeof(struct ahci_header) == 32, "AHCI 4.2.2");

#define AHCI_HEADER_CFL	  0x001fu /* length of the FIS in dwords */
#define AHCI_HEADER_ATAPI 0x0020u
#define AHCI_HEADER_WRITE 0x0040u
#define AHCI_HEADER_RESET 0x0100u
#define AHCI_HEADER_BIST  0x0200u
#define AHCI_HEADER_CLEAR 0x0400u /* clear BSY upon R_OK */
#define AHCI_HEADER_PRDBC 4u	  /* offset of prdbc */

#define AHCI_CLB_MASK  (~0x3ffull)
#define AHCI_FB_MASK   (~0xffull)
#define AHCI_CTBA_MASK (~0x7full)

/* Command table: offsets of its parts. */
#define AHCI_TABLE_CFIS 0x00u
#define AHCI_TABLE_ACMD 0x40u
#define AHCI_TABLE_PRDT 0x80u

struct ahci_prd {
	uint32_t dba;
	uint32_t dbau;
	uint32_t reserved;
	uint32_t dbc;
} AHCI_PACKED;
static_assert(sizeof(struct ahci_prd) == 16, "AHCI 4.2.3.3");

#define AHCI_PRD_I    (1u << 31)
#define AHCI_PRD_DBC  0x3fffffu /* bytes - 1; bit 0 is always 1 */
#define AHCI_DBA_MASK (~1ull)

/* Where received FISes go (4.2.1). */
#define AHCI_RX_PSFIS	0x20u
#define AHCI_RX_RFIS	0x40u
#define AHCI_RX_SDBFIS	0x58u
#define AHCI_RX_UFIS	0x60u
#define AHCI_RX_BYTES	0x100u
#define AHCI_LIST_BYTES (AHCI_SLOTS * sizeof(struct ahci_header))

#endif
