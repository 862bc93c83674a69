; SPDX-License-Identifier: Apache-2.0
;
; In the place of a partition's boot sector: is it started as an MBR starts one? Says so on COM1 and ends QEMU with exit
; code 33, else 35.

	bits 16
	cpu 386
	org 0x7C00

	mov bx, cs
	call .here
.here:
	pop ax
	test bx, bx			; CS:IP = 0:7C00
	jnz bad
	cmp ax, .here
	jne bad
	cmp dl, 0x80			; the drive
	jne bad
	mov ax, ds			; DS:SI is the entry, in its table
	test ax, ax
	jnz bad
	cmp si, 0x7BE + 2 * 16
	jne bad
	cmp byte [si], 0x80
	jne bad
	cmp dword [si + 8], 4096
	jne bad
	cmp word [0x7FE], 0xAA55
	jne bad
	mov si, good
	mov bl, 16
	jmp print
bad:
	xor ax, ax
	mov ds, ax
	mov si, text_bad
	mov bl, 17
print:
	mov dx, 0x3FD
.busy:
	in al, dx
	test al, 0x20
	jz .busy
	mov dx, 0x3F8
	lodsb
	out dx, al
	test al, al
	jnz print
	mov al, bl
	out 0xF4, al
	hlt

good db "STAND-IN WHOLE: a boot sector", 13, 10, 0
text_bad db "STAND-IN BAD: a boot sector", 13, 10, 0
	times 510 - ($ - $$) db 0
	dw 0xAA55
