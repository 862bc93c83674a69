; SPDX-License-Identifier: Apache-2.0
;
; In the place of an MBR's code: makes of SeaBIOS one that keeps nothing but what it must, and starts a sector so. All
; registers are garbage but DL, interrupts are off, the direction is down, the stack is elsewhere, 7C00 is spelled
; 07C0:0000; a read by INT 13h function 42h changes all registers that it may and the packet's count, and function 41h can
; be made to fail. The disk can have another number than 80, and only that is then a drive. It stays at 0:1000, which nothing
; else uses.

	bits 16
	cpu 386
	org 0x1000

	jmp short start
	times 4 - ($ - $$) db 0
lba dd 1			; the sector to start
edd db 1			; 0: there is no function 42h, says function 41h
drive db 0x80			; the disk's number

start:
	xor ax, ax
	mov ds, ax
	mov es, ax
	mov ss, ax
	mov sp, 0x7000
	cld
	mov si, 0x7C00
	mov di, 0x1000
	mov cx, 256
	rep movsw
	jmp 0:.moved
.moved:
	mov eax, [lba]
	mov [packet + 8], eax
	mov si, packet
	mov ah, 0x42
	mov dl, 0x80
	int 0x13

	cli
	mov eax, [0x13 * 4]
	mov [old], eax
	mov dword [0x13 * 4], hook
	mov ax, 0x3000
	mov ss, ax
	mov sp, 0x1234
	mov ax, 0x4567
	mov ds, ax
	mov es, ax
	mov fs, ax
	mov gs, ax
	call garbage
	mov dl, [cs:drive]
	std
	jmp 0x07C0:0

garbage:
	mov eax, 0xDEADBEEF
	mov ebx, 0xCAFEF00D
	mov ecx, 0xFEEDFACE
	mov edx, 0xBAADF00D
	mov esi, 0x8BADBEEF
	mov edi, 0xABADCAFE
	mov ebp, 0xDEADC0DE
	ret

; It gives back the caller's flags but for the carry: interrupts are on only where the caller had them on.
hook:
	cmp dl, [cs:drive]
	jne .fail
	mov dl, 0x80
	cmp ah, 0x42
	je .read
	cmp ah, 0x41
	jne .other
	cmp byte [cs:edd], 0
	jne .other
.fail:
	mov ah, 1
	stc
	jmp .return
.other:
	jmp far [cs:old]
.read:
	push si
	pushf
	call far [cs:old]
	pop si
	mov word [si + 2], 0
	call garbage
.return:
	push bp
	mov bp, sp
	jc .carry
	and byte [bp + 6], 0xFE
	jmp .done
.carry:
	or byte [bp + 6], 1
.done:
	pop bp
	iret

packet dw 16, 1, 0x7C00, 0
	dq 0
old dd 0
	times 440 - ($ - $$) db 0
