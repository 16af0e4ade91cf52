/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The snapshot format, vps-image(5): a sequential stream of blocks. This
 * library knows no kernel: it takes and gives plain structs and bytes.
 *
 * Order in an image: system, instance; world (mounts, network, ...); processes;
 * files; memory maps, threads; pages; end.
 *
 * A record has at most 16 MiB as encoded: kinds split what may be bigger.
 *
 * Functions return 0 or a count, negative errno on failure: -EBADMSG for a
 * stream that isn't a valid image (vd_reader_why() tells where and what),
 * -EPROTONOSUPPORT for a version that this library doesn't read.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>

#include "libdump/types.h"

#define VD_PAGE      4096u
#define VD_PAGES_MAX 256u /* pages in one block */
#define VD_GHOST_OBJ                                            \
	0x80000000u /* pages of a file without a name: | its id \
		     */

struct json;
struct vd_writer;
struct vd_reader;

/* fd is borrowed: a file, a pipe, or -1 to count only. Nothing is truncated or
 * sought: an existing file is written over from its offset, which is fastest
 * where its pages exist already. The first failure sticks: all later calls
 * return it, so that no image that lacks something gets a trailer. */
int vd_writer_new(int fd, struct vd_writer **ret);
void vd_writer_free(struct vd_writer *w);
/* Small records are gathered; vd_flush(), pages and the trailer write them. */
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
/* The same for pages that the caller copies from elsewhere: begin gives where
 * they go, room for all of them in a row, and end writes them. For a file of
 * tmpfs whose pages exist already (opened O_RDWR, not truncated) that is the
 * file itself, which saves a copy. Nothing else may be written in between. */
int vd_pages_begin(struct vd_writer *w, uint32_t obj, const struct vd_extent *x,
    size_t n, uint8_t **ret);
int vd_pages_end(struct vd_writer *w);
/* The trailer; without it the image is incomplete. */
int vd_put_end(struct vd_writer *w);
int vd_flush(struct vd_writer *w);
/* Bytes of the stream so far, gathered ones included. */
uint64_t vd_writer_bytes(const struct vd_writer *w);

/* fd is borrowed; no byte behind the last block asked for is read. Nothing is
 * read before the first vd_next() or vd_reader_head(). */
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
/* After VD_ITEM_END the stream is left where the image ends; -ENODATA then. */
int vd_next(struct vd_reader *r, struct vd_item *ret);
/* Frees a record. All those kept have at most 1 GiB together. */
void vd_drop(struct vd_reader *r, void *rec);

struct vd_head {
	uint32_t version;
	int64_t time_ns; /* real time at which the stream was begun */
};
int vd_reader_head(struct vd_reader *r, struct vd_head *ret);

/* Where a reader is between two blocks: what another process needs to read on
 * from the same fd. Only for a process that is trusted as much. */
struct vd_reader_state {
	uint64_t off, seq, sum, records, blocks, pages;
};
void vd_reader_state(const struct vd_reader *r, struct vd_reader_state *ret);
int vd_reader_resume(
    int fd, const struct vd_reader_state *st, struct vd_reader **ret);

/* Prints all of an image, as text or as one JSON object; checks it on the way,
 * and that nothing follows. What was printed before a failure is printed. */
int vd_show(int fd, FILE *out, bool json, char *why, size_t whylen);
/* One record by its descriptor: lines of text, or one JSON object. */
void vd_show_record(FILE *out, const struct vd_type *t, const void *rec);
void vd_json_record(
    struct json *j, const char *key, const struct vd_type *t, const void *rec);

/* For tests, showdump and messages. */
const char *vd_type_name(const struct vd_type *t);
const struct vd_type *vd_type_by_number(uint32_t number);
