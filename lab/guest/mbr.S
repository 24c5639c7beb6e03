/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A boot sector that shows a BIOS at work: has it read the disk's second
 * sector (INT 13h, AH=42h), prints the text there (INT 10h), and resets a
 * third of a second later: SeaBIOS sends what it prints at the next ticks.
 */
	.code16
	.globl start
start:
	cli
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	sti
	mov $packet, %si
	mov $0x42, %ah
	int $0x13
	mov $failed, %si
	jc print
	mov $0x7e00, %si
print:
	lodsb
	test %al, %al
	jz wait
	mov $0x0e, %ah
	mov $7, %bx
	int $0x10
	jmp print
wait:
	mov 0x46c, %ax
	add $6, %ax
tick:
	hlt
	cmp 0x46c, %ax
	jne tick
reset:
	mov $0x0e, %al
	mov $0xcf9, %dx
	outb %al, %dx
	hlt
	jmp reset

failed:	.asciz "mbr: the disk cannot be read\r\n"
	.balign 4
/* One sector, the second one, to 0000:7e00. */
packet:	.byte 16, 0
	.word 1
	.word 0x7e00, 0
	.quad 1
	.org 510
	.word 0xaa55
