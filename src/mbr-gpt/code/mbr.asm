; SPDX-License-Identifier: Apache-2.0
;
; The code of a master boot record, bytes 0 to 439: it loads the first sector of the active partition and jumps there.
; scripts/boot-code assembles it into boot_code.c.
;
; From the BIOS: this sector at 0:7C00, DL = the drive. Nothing else is relied on, not even how CS:IP says 7C00.
; To the partition's boot sector: itself at 0:7C00, DL = the drive, DS:SI = its entry in the copy of the table at 0:07BE,
; SS:SP = 0:7C00, interrupts on, direction up.
;
; Reads go by INT 13h function 42h (EDD, by LBA): by cylinder, head and sector a disk ends at 8 GB.
; 386 instructions are used: what Windows needs has more.

	bits 16
	cpu 386
	org 0x600

CODE_MAX equ 440		; the disk's signature and the table follow
LOADED equ 0x7C00		; where a boot sector is put
TABLE equ 0x600 + 0x1BE		; four entries of 16 bytes
ENTRY_LBA equ 8			; in an entry: u32, its first sector
ACTIVE equ 0x80			; in an entry's first byte
TRIES equ 5

; Moves itself out of the way of what it loads. "mov ss" keeps interrupts off until the instruction behind it is done.
start:
	xor ax, ax
	mov ss, ax
	mov sp, LOADED
	mov ds, ax
	mov es, ax
	sti
	cld
	mov si, sp
	mov di, start
	mov cx, 256
	rep movsw
	jmp 0:moved

; SI = the entry looked at, CX = how many are left, BP = the active one, 0 until it is found (CX was counted down to 0).
moved:
	mov bp, cx
	mov si, TABLE
	mov cl, 4
.entry:
	cmp byte [si], ACTIVE
	jne .next
	test bp, bp
	jnz two_active
	mov bp, si
.next:
	add si, 16
	loop .entry
	test bp, bp
	jz none_active
	mov si, bp			; for the boot sector; kept from here on

; Function 41h: does the BIOS have function 42h for this drive? BX comes back as AA55, bit 0 of CX is the answer.
	pusha
	mov ah, 0x41
	mov bx, 0x55AA
	int 0x13
	jc no_lba
	cmp bx, 0xAA55
	jne no_lba
	shr cx, 1
	jnc no_lba
	popa

; Reads the sector. CX = tries left. The packet is made on the stack, from its end, for each try anew: a BIOS may change
; its count. popa drops its 16 bytes and keeps the carry; no register is trusted to a BIOS.
	mov cx, TRIES
.try:
	pushad
	push dword 0			; LBA, upper half
	push dword [si + ENTRY_LBA]
	push es				; segment 0
	push word LOADED
	push word 1			; sectors
	push word 16			; of the packet, in bytes
	mov si, sp
	mov ah, 0x42
	int 0x13
	popa
	popad
	jnc .read
	pushad
	xor ah, ah			; resets the drive
	int 0x13
	popad
	loop .try
	mov si, text_read
	jmp fail

.read:
	cmp word [LOADED + 0x1FE], 0xAA55
	jne not_bootable
	jmp 0:LOADED

none_active:
	mov si, text_none
	jmp fail
two_active:
	mov si, text_two
	jmp fail
no_lba:
	mov si, text_lba
	jmp fail
not_bootable:
	mov si, text_sector

; Prints the text at SI and what to do, then waits for Ctrl+Alt+Del, with interrupts on.
fail:
	mov di, text_restart
	call print
	mov si, di
	call print
.halt:
	hlt
	jmp .halt

; Prints the zero-ended text at SI: INT 10h function 0Eh, page 0, grey where the screen draws.
print:
	lodsb
	test al, al
	jz .done
	pusha
	mov ah, 0x0E
	mov bx, 7
	int 0x10
	popa
	jmp print
.done:
	ret

text_none db 13, 10, "No active partition", 0
text_two db 13, 10, "Two active partitions", 0
text_lba db 13, 10, "The BIOS reads no LBA", 0
text_read db 13, 10, "Disk read error", 0
text_sector db 13, 10, "Not a boot sector", 0
text_restart db 13, 10, "Press Ctrl+Alt+Del to restart", 13, 10, 0

; Too long a program does not assemble: the count becomes negative.
	times CODE_MAX - ($ - $$) db 0
