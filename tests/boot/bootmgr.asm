; SPDX-License-Identifier: Apache-2.0
;
; Stands in for Windows' BOOTMGR where tests start a disk: checks that it was handed over to as BOOTMGR is, that all of it
; is in memory, and says so on the serial port and the screen. The test makes it as long as BOOTMGR and puts the sum in
; (test-tool boot stand-in).
;
; What it prints to COM1, each on a line of its own, and the verdict also to the screen:
;   STAND-IN drive XX hidden XXXXXXXX size XXXXXXXX sum XXXXXXXX
;   STAND-IN WHOLE               everything is right; QEMU ends with exit code 33
;   STAND-IN BAD: what           QEMU ends with exit code 35

	bits 16
	cpu 386
	org 0

SELF equ 0x2000			; the segment it must be at
FNV_BASIS equ 0x811C9DC5	; FNV-1a, 32 bits: the place of each byte counts
FNV_PRIME equ 0x01000193

; Variables, in segment 0: it must not change itself before it has made its sum.
DRIVE equ 0x7100		; u8
SUM equ 0x7104			; u32
SUM_PLACE equ 0x7108		; far pointer to what it must be
TABLE equ 0x7200		; the sector with the partition table

EXIT_PORT equ 0xF4		; QEMU's isa-debug-exit: value v, exit code 2v + 1
GOOD equ 16
BAD equ 17

	jmp short start
	times 4 - ($ - $$) db 0
size dd 0			; of the file, whose last 4 bytes are the sum of what stands before

; CS:IP and the registers as they were handed over. The stack must not touch the boot sector at 0:7C00.
start:
	mov bx, sp
	pushf
	pop cx
	cli
	xor ax, ax
	mov ss, ax
	mov sp, 0x7000
	mov fs, ax
	sti
	mov ax, cs
	mov ds, ax
	mov [fs:DRIVE], dl
	call .here
.here:
	pop dx
	cmp ax, SELF
	mov si, bad_segment
	jne bad
	cmp dx, .here
	mov si, bad_offset
	jne bad
	test ch, 0x02			; interrupts are on
	mov si, bad_interrupts
	jz bad
	test ch, 0x04			; direction is up
	mov si, bad_direction
	jnz bad
	cmp bx, 0x7C00			; the loader's stack was below itself
	mov si, bad_stack
	ja bad

	call report

; The boot sector is still there, and knows its drive.
	cmp word [fs:0x7C00], 0x58EB
	mov si, bad_sector
	jne bad
	cmp word [fs:0x7DFE], 0xAA55
	jne bad
	mov al, [fs:DRIVE]
	cmp al, [fs:0x7C40]
	mov si, bad_drive
	jne bad

; HiddenSectors is where the active partition begins: read the table once more.
	mov si, packet
	mov ah, 0x42
	mov dl, [fs:DRIVE]
	int 0x13
	mov si, bad_read
	jc bad
	mov bx, TABLE + 446
	mov cx, 4
.entry:
	cmp byte [fs:bx], 0x80
	je .active
	add bx, 16
	loop .entry
	mov si, bad_table
	jmp bad
.active:
	mov eax, [fs:bx + 8]
	cmp eax, [fs:0x7C1C]
	mov si, bad_hidden
	jne bad

	mov eax, [fs:SUM]
	les bx, [fs:SUM_PLACE]
	cmp eax, [es:bx]
	mov si, bad_sum
	jne bad
	mov si, whole
	call line
	mov si, whole
	call screen
	mov al, GOOD
	jmp leave

bad:
	push si
	mov si, text_bad
	call print
	pop si
	push si
	call line
	mov si, text_bad
	call screen
	pop si
	call screen
	mov al, BAD
leave:
	out EXIT_PORT, al
.halt:
	cli
	hlt
	jmp .halt

; Prints drive, hidden sectors, size and sum, which it makes: over all bytes but the last 4.
report:
	mov ecx, [size]
	mov si, bad_size
	cmp ecx, 0x80000
	ja bad
	sub ecx, 4
	jb bad
	mov eax, FNV_BASIS
	mov dx, cs
	mov es, dx
	xor di, di
.byte:
	xor al, [es:di]
	imul eax, eax, FNV_PRIME
	inc di
	cmp di, 16
	jb .same
	xor di, di
	inc dx
	mov es, dx
.same:
	dec ecx
	jnz .byte
	mov [fs:SUM], eax
	mov [fs:SUM_PLACE], di
	mov [fs:SUM_PLACE + 2], es

	mov si, text_drive
	call print
	mov al, [fs:DRIVE]
	mov cx, 2
	call hex
	mov si, text_hidden
	call print
	mov eax, [fs:0x7C1C]
	mov cx, 8
	call hex
	mov si, text_size
	call print
	mov eax, [size]
	mov cx, 8
	call hex
	mov si, text_sum
	call print
	mov eax, [fs:SUM]
	mov cx, 8
	call hex
	mov si, text_end

; Prints the zero-ended text at SI, and a line's end.
line:
	call print
	mov si, text_newline
print:
	lodsb
	test al, al
	jz .done
	call put
	jmp print
.done:
	ret

; Prints the lowest CX digits of EAX.
hex:
	mov bx, cx
	shl bx, 2
	push cx
	mov cl, 32
	sub cl, bl
	shl eax, cl
	pop cx
.digit:
	rol eax, 4
	push eax
	and al, 15
	add al, '0'
	cmp al, '9'
	jbe .put
	add al, 'A' - '0' - 10
.put:
	call put
	pop eax
	loop .digit
	ret

; The zero-ended text at SI, on the screen.
screen:
	lodsb
	test al, al
	jz .done
	mov ah, 0x0E
	mov bx, 7
	int 0x10
	jmp screen
.done:
	ret

; One character, to COM1.
put:
	pusha
	mov bl, al
	mov dx, 0x3FD
	mov cx, 0xFFFF
.busy:
	in al, dx
	test al, 0x20
	loopz .busy
	mov dx, 0x3F8
	mov al, bl
	out dx, al
	popa
	ret

	align 4
packet dw 16, 1, TABLE, 0
	dq 0

text_drive db "STAND-IN drive ", 0
text_hidden db " hidden ", 0
text_size db " size ", 0
text_sum db " sum ", 0
text_end db 0
text_newline db 13, 10, 0
text_bad db "STAND-IN BAD: ", 0
whole db "STAND-IN WHOLE", 0
bad_segment db "CS is not 2000", 0
bad_offset db "IP is not 0", 0
bad_interrupts db "interrupts are off", 0
bad_direction db "direction is down", 0
bad_stack db "the stack is in the boot sector", 0
bad_sector db "the boot sector is not at 0:7C00", 0
bad_drive db "DL is not the drive", 0
bad_read db "the partition table cannot be read", 0
bad_table db "no partition is active", 0
bad_hidden db "HiddenSectors is not where the partition begins", 0
bad_size db "its size is wrong", 0
bad_sum db "it is not whole", 0
