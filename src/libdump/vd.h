/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The snapshot format, vps-image(5): a sequential stream of blocks. This
 * library knows no kernel: it takes and gives plain structs and bytes.
 *
 * Order in an image: system, instance; world (mounts, network, ...); processes;
 * files; memory maps, threads; pages; end.
 *
 * Functions return 0 or a count, negative errno on failure: -EBADMSG for a
 * stream that isn't a valid image (vd_reader_why() tells where and what),
 * -EPROTONOSUPPORT for a version that this library doesn't read.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "libdump/types.h"

#define VD_PAGE      4096u
#define VD_PAGES_MAX 256u /* pages in one block */
#define VD_GHOST_OBJ 0x80000000u /* pages of a file without a name: | its id */

struct vd_writer;
struct vd_reader;

/* fd is borrowed: a file, a pipe, or -1 to count only. */
int vd_writer_new(int fd, struct vd_writer **ret);
void vd_writer_free(struct vd_writer *w);
int vd_put(struct vd_writer *w, const struct vd_type *t, const void *rec);

/* A run of pages of one memory object (an mm or a shared memory object). */
struct vd_extent {
	uint64_t addr; /* address or offset, page aligned */
	uint64_t npages;
};
/* Writes `n` extents of object `obj`; iov holds their pages in that order, at
 * most VD_PAGES_MAX in all. */
int vd_put_pages(struct vd_writer *w, uint32_t obj, const struct vd_extent *x,
    size_t n, const struct iovec *iov, int niov);
/* The trailer; without it the image is incomplete. */
int vd_put_end(struct vd_writer *w);
uint64_t vd_writer_bytes(const struct vd_writer *w);

/* fd is borrowed; no byte behind the last block asked for is read. */
int vd_reader_new(int fd, struct vd_reader **ret);
void vd_reader_free(struct vd_reader *r);
const char *vd_reader_why(const struct vd_reader *r);

struct vd_item {
	enum { VD_ITEM_RECORD, VD_ITEM_PAGES, VD_ITEM_END } what;
	const struct vd_type *type; /* record */
	uint32_t number;            /* record: VD_T_* */
	void *rec;    /* record: owned by the reader until vd_reader_free() */
	uint32_t obj; /* pages */
	const struct vd_extent *x; /* pages: valid until the next vd_next() */
	size_t nx;
	const uint8_t *data; /* pages: valid until the next vd_next() */
	size_t npages;
};
int vd_next(struct vd_reader *r, struct vd_item *ret);

/* For tests, showdump and messages. */
const char *vd_type_name(const struct vd_type *t);
const struct vd_type *vd_type_by_number(uint32_t number);
