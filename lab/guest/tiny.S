/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest kernel of a few hundred bytes: prints "tiny: up" on COM1, then ends
 * as its command line says. What a hypervisor needs from exec to that line is
 * the hypervisor's own share of a boot.
 *
 *   end=reset     reset through port 0xcf9
 *   end=keyboard  reset through the keyboard controller
 *   end=fast      reset through port 0x92
 *   end=triple    triple fault
 *   end=halt      halt with interrupts off
 *   end=spin      stay there for ever
 *   otherwise     power off through ACPI: port 0x404 (byway), 0x604 (q35)
 *
 * The layout is a bzImage of Linux's boot protocol 2.15 (boot.rst in the Linux
 * documentation). Firmware enters it in 16-bit mode, as under QEMU's -kernel;
 * byway in 64-bit mode. Both run the same lines, assembled twice.
 */

	.set	BOOT_PARAMS_CMD_LINE_PTR, 0x228

/* The width of an entry decides the name of its string register. */
.macro	SAY si				/* the string at ds:si */
	mov	$0x3f8, %dx
1:	lodsb
	test	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:
.endm

.macro	END si, zeros			/* the command line at ds:si */
1:	cmpb	$0, (\si)
	je	9f
	cmpl	$0x3d646e65, (\si)	/* "end=" */
	je	2f
	inc	\si
	jmp	1b
2:	mov	4(\si), %al
	cmp	$'r', %al
	je	3f
	cmp	$'k', %al
	je	4f
	cmp	$'f', %al
	je	6f
	cmp	$'t', %al
	je	5f
	cmp	$'h', %al
	je	8f
	cmp	$'s', %al
	je	7f
	jmp	9f
3:	mov	$0xcf9, %dx
	mov	$0x02, %al		/* hard reset, then the edge */
	outb	%al, %dx
	mov	$0x06, %al
	outb	%al, %dx
	jmp	8f
4:	mov	$0xfe, %al
	outb	%al, $0x64
	jmp	8f
5:	lidt	\zeros
	int3
6:	mov	$0x01, %al
	outb	%al, $0x92
	jmp	8f
7:	pause
	jmp	7b
9:	mov	$0x404, %dx
	mov	$0x3400, %ax		/* SLP_TYP 5, SLP_EN */
	outw	%ax, %dx
	mov	$0x604, %dx
	mov	$0x2000, %ax		/* SLP_TYP 0, SLP_EN */
	outw	%ax, %dx
8:	cli
	hlt
	jmp	8b
.endm

	.text
	.code16
image:
	.org	0x1f1
	.byte	1			/* setup_sects, after the boot sector */
	.word	0			/* root_flags */
	.long	(end - protected + 15) / 16	/* syssize */
	.word	0			/* ram_size */
	.word	0xffff			/* vid_mode: normal */
	.word	0			/* root_dev */
	.word	0xaa55			/* boot_flag */
	.org	0x200
	.byte	0xeb, real - header	/* jump */
header:
	.ascii	"HdrS"
	.word	0x20f			/* version */
	.long	0			/* realmode_swtch */
	.word	0			/* start_sys_seg */
	.word	version - 0x200		/* kernel_version */
	.byte	0			/* type_of_loader */
	.byte	0x01			/* loadflags: loaded high */
	.word	0			/* setup_move_size */
	.long	0x100000		/* code32_start */
	.long	0, 0			/* ramdisk_image, ramdisk_size */
	.long	0			/* bootsect_kludge */
	.word	0			/* heap_end_ptr */
	.byte	0, 0			/* ext_loader_ver, ext_loader_type */
	.org	BOOT_PARAMS_CMD_LINE_PTR
cmd_line_ptr:
	.long	0
	.long	0x7fffffff		/* initrd_addr_max */
	.long	0x1000			/* kernel_alignment */
	.byte	1			/* relocatable_kernel */
	.byte	12			/* min_alignment */
	.word	0x01			/* xloadflags: 64-bit entry at 0x200 */
	.long	255			/* cmdline_size */
	.long	0			/* hardware_subarch */
	.quad	0			/* hardware_subarch_data */
	.long	0, 0			/* payload_offset, payload_length */
	.quad	0			/* setup_data */
	.quad	0x100000		/* pref_address */
	.long	0x1000			/* init_size */
	.long	0			/* handover_offset */
	.long	0			/* kernel_info_offset */

real:					/* ds: image; cs: image + 0x200 */
	cld
	mov	$(message - image), %si
	SAY	%si
	mov	cmd_line_ptr - image, %eax
	mov	%al, %bl
	shr	$4, %eax
	mov	%ds, %cx		/* where zeros is */
	mov	%ax, %ds		/* the command line */
	mov	%cx, %es
	and	$0xf, %bx
	mov	%bx, %si
	END	%si, %es:(zeros - image)

version:
	.asciz	"tiny"
message:
	.asciz	"tiny: up\n"
	.org	0x400 - 10
zeros:
	.fill	10, 1, 0

	.code64
protected:				/* the 32-bit entry leads nowhere */
	cli
	hlt
	jmp	protected
	.org	0x600			/* protected + 0x200 */
	cld
	mov	BOOT_PARAMS_CMD_LINE_PTR(%rsi), %ebx
	lea	message64(%rip), %rsi
	SAY	%rsi
	mov	%rbx, %rsi
	END	%rsi, zeros64(%rip)
message64:
	.asciz	"tiny: up\n"
zeros64:
	.fill	10, 1, 0
end:
