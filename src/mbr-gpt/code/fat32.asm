; SPDX-License-Identifier: Apache-2.0
;
; The code of a FAT32 boot sector, bytes 0x5A to 0x1FD: it loads \BOOTMGR whole to 2000:0000 and jumps there.
; scripts/boot-code assembles it into boot_code.c. Bytes 0 to 2 of the sector jump here (EB 58 90); what stands between
; is the file system's (Microsoft's FAT32 specification 1.03).
;
; From the MBR: this sector at 0:7C00, DL = the drive. Nothing else is relied on, not even how CS:IP says 7C00: jumps and
; calls are relative, DS is 0.
; To BOOTMGR: its file from 2000:0000 on, DL = the drive, this sector still at 0:7C00 with the drive at 0x40, interrupts
; on, direction up.
;
; The volume: sectors of 512 bytes, any number of them in a cluster, any number before the tables, any number of tables;
; it begins at HiddenSectors (0x1C). Sectors are numbered with 32 bits, as an MBR does it.
;
; Sectors are read one by one, each to an address that 512 divides: then no transfer crosses 64 KiB, where DMA wraps
; around, none is longer than a BIOS takes (127 sectors with some), and no more than the file is loaded.
;
; Memory: 0x7C00 this sector, below it variables and the stack; 0x7E00 a sector of the table of clusters;
; 0x20000 a sector of the root directory, then the file, up to the memory's end as INT 12h tells it.
;
; Registers, everywhere: BP = 0x7C00, so that the sector's fields and the variables are a byte's distance away;
; EBX = the current cluster, EDX = the sector of it that is read next, ES = where to, as a segment.

	bits 16
	cpu 386
	org 0x7C5A

CODE_MAX equ 0x1FE - 0x5A
SECTOR equ 0x7C00
TABLE_SEGMENT equ 0x7E0
LOAD_SEGMENT equ 0x2000
TRIES equ 5

; The sector's fields, from BP.
CLUSTER_SECTORS equ 0x0D	; u8
RESERVED_SECTORS equ 0x0E	; u16: before the first table
TABLES equ 0x10			; u8
HIDDEN_SECTORS equ 0x1C		; u32: before the volume
TABLE_SECTORS equ 0x24		; u32: of each table
FLAGS equ 0x28			; bit 7: only the table of number 0 to 3 bits is kept
ROOT_CLUSTER equ 0x2C		; u32
DRIVE equ 0x40			; u8

; Variables, from BP: pushed by start in this order.
DATA_LBA equ -4			; u32: cluster 2
TABLE_LBA equ -8		; u32: the table that is used
CACHED_LBA equ -12		; u32: what is at 0x7E00; 0 is never a table's
TOP equ -14			; u16: the memory's end, as a segment
AT_END equ -16			; u16: what to print where a chain ends
LEFT equ -18			; u16: sectors of the current cluster that were not read, at most 255

; A directory's entry.
ENTRY_SIZE equ 32
ENTRY_ATTRIBUTES equ 0x0B	; 0x10: a directory; 0x08: a label, or a part of a long name
ENTRY_CLUSTER_HIGH equ 0x14
ENTRY_CLUSTER equ 0x1A
ENTRY_BYTES equ 0x1C

; A directory has at most 65536 entries: a chain that is a loop ends, too.
DIRECTORY_SECTORS_MAX equ 65536 * ENTRY_SIZE / 512

; "mov ss" keeps interrupts off until the instruction behind it is done.
start:
	xor ax, ax
	mov ss, ax
	mov sp, SECTOR
	mov ds, ax
	mov bp, sp
	sti
	cld
	mov [bp + DRIVE], dl

; Where tables and data begin. EAX = the first table, then the one that is used.
	movzx eax, word [bp + RESERVED_SECTORS]
	add eax, [bp + HIDDEN_SECTORS]
	movzx edx, byte [bp + TABLES]
	imul edx, [bp + TABLE_SECTORS]
	add edx, eax
	push edx			; DATA_LBA
	movzx edx, byte [bp + FLAGS]
	test dl, dl
	jns .mirrored			; all tables say the same
	and dl, 0x0F
	imul edx, [bp + TABLE_SECTORS]
	add eax, edx
.mirrored:
	push eax			; TABLE_LBA
	push dword 0			; CACHED_LBA
	int 0x12			; AX = KiB of memory, without what the BIOS keeps at its end
	shl ax, 6
	push ax				; TOP
	push word text_missing		; AT_END
	push ax				; LEFT, which begin_cluster sets

; Looks through the root directory. CX = sectors that it may still have; of each, DI = the entry.
	push word LOAD_SEGMENT
	pop es
	mov eax, [bp + ROOT_CLUSTER]
	call begin_cluster
	mov cx, DIRECTORY_SECTORS_MAX
.sector:
	call read_next
	xor di, di
.entry:
	cmp byte [es:di], 0		; behind the last one
	je .missing
	test byte [es:di + ENTRY_ATTRIBUTES], 0x18
	jnz .other
	pusha
	mov si, name
	mov cx, 8
	repe cmpsb
	jne .compared
	cmp byte [es:di], ' '		; no extension
.compared:
	popa				; keeps the flags
	je found
.other:
	add di, ENTRY_SIZE
	cmp di, 512
	jb .entry
	loop .sector
.missing:
	jmp chain_end

; Loads the file over the directory. ECX = the sectors that follow the one that is read next; of an empty file more than
; there can be. A chain that ends before the file does is as bad as a sector that cannot be read.
found:
	mov word [bp + AT_END], text_read
	mov ecx, [es:di + ENTRY_BYTES]
	dec ecx
	shr ecx, 9
	push word [es:di + ENTRY_CLUSTER_HIGH]
	push word [es:di + ENTRY_CLUSTER]
	pop eax
	call begin_cluster
.sector:
	call read_next
	mov ax, es
	add ax, 512 / 16
	mov es, ax
	dec ecx
	js .loaded
	cmp ax, [bp + TOP]
	jb .sector
	mov si, text_large
	jmp fail
.loaded:
	mov dl, [bp + DRIVE]
	jmp LOAD_SEGMENT:0

; Makes EAX the current cluster: EBX, EDX, LEFT. Its upper 4 bits do not count, and the next one is its sign (134 million
; clusters are enough): what ends a chain or is bad becomes negative, what is free or reserved less than 2, and neither
; comes back. Changes EAX.
begin_cluster:
	shl eax, 4
	sar eax, 4
	mov ebx, eax
	sub eax, 2
	jl chain_end
	movzx edx, byte [bp + CLUSTER_SECTORS]
	mov [bp + LEFT], dl
	imul edx, eax
	add edx, [bp + DATA_LBA]
	ret

read_error:
	mov si, text_read
	jmp fail
chain_end:
	mov si, [bp + AT_END]

; Prints the zero-ended text at SI (INT 10h function 0Eh, page 0, grey where the screen draws), then waits for
; Ctrl+Alt+Del, with interrupts on.
fail:
	lodsb
	test al, al
	jz .halt
	mov ah, 0x0E
	mov bx, 7
	int 0x10
	jmp fail
.halt:
	hlt
	jmp .halt

; Reads the chain's next sector to ES:0, or does not come back. Changes EAX, EBX, EDX, SI.
read_next:
	cmp byte [bp + LEFT], 0
	jne .read
; The current cluster's entry of the table: 128 of them in a sector.
	mov edx, ebx
	shr edx, 7
	add edx, [bp + TABLE_LBA]
	cmp edx, [bp + CACHED_LBA]
	je .cached
	mov [bp + CACHED_LBA], edx
	push es
	push word TABLE_SEGMENT
	pop es
	call read_sector
	pop es
.cached:
	and bx, 127
	shl bx, 2
	mov eax, [bx + TABLE_SEGMENT * 16]
	call begin_cluster
.read:
	dec byte [bp + LEFT]

; Reads sector EDX of the drive to ES:0 and adds 1 to EDX, or does not come back. Changes SI, the tries left. The packet is
; made on the stack, from its end, for each try anew: a BIOS may change its count. popa drops its 16 bytes; no register is
; trusted to a BIOS.
read_sector:
	mov si, TRIES
.try:
	pushad
	push dword 0			; LBA, upper half
	push edx
	push es
	push word 0			; offset
	push word 1			; sectors
	push word 16			; of the packet, in bytes
	mov si, sp
	mov ah, 0x42
	mov dl, [bp + DRIVE]
	int 0x13
	jnc .done
	xor ah, ah			; resets the drive
	int 0x13
	stc
.done:
	popa
	popad				; both keep the carry
	jnc .read
	dec si
	jnz .try
	jmp read_error
.read:
	inc edx
	ret

text_missing db 13, 10
name db "BOOTMGR is missing", 0		; its first 8 bytes are the file's name, too
text_large db 13, 10, "BOOTMGR is too large", 0
text_read db 13, 10, "Disk read error", 0

; Too long a program does not assemble: the count becomes negative.
	times CODE_MAX - ($ - $$) db 0
