/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The decoder of coded layers against whatever pieces there are. Input:
 *
 *     0    width - 1
 *     1    height - 1
 *     2    bit 0: RGB; bits 1..3: layers - 1; bit 4: decode after every piece
 *     3..  pieces: layer, index, data pieces, parity pieces (1 byte each), description (11), number of bytes (2, little
 *          endian), bytes
 *
 * The last piece may be cut short. */
#include <srec/srec.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECE_HEAD (4u + SREC_LAYERS_DESCRIPTION_BYTES + 2u)
#define DECODES    4u /* at most: sanitizers are slow */

static void require(bool claim)
{
    if (!claim)
        abort();
}

/* Decode, and check the report against what was added. */
static void run(srec_layer_decoder *d, const srec_layers_format *f, size_t n_added)
{
    const size_t stride = (size_t)f->width * f->channels;
    srec_image image = { f->width, f->height, (uint8_t)f->channels, stride, malloc(stride * f->height) };
    srec_layers_report r;
    srec_error error;
    require(image.data);
    const srec_status status = srec_layer_decoder_run(d, &image, &r, &error);
    require(status == SREC_OK || (error.message[0] && !strchr(error.message, '\n')));
    if (status == SREC_OK) {
        require(r.pieces_received <= n_added && r.layers_complete <= f->n_layers);
        require(isnan(r.rms_error) || (r.rms_error >= 0 && r.rms_error <= 512));
        require(r.layers_complete < f->n_layers || (!r.pieces_missing && srec_layer_decoder_complete(d)));
    }
    free(image.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    const srec_layers_format f = { 1u + data[0], 1u + data[1], data[2] & 1 ? 3 : 1, 1u + (data[2] >> 1 & 7) };
    const bool often = data[2] & 16;
    srec_layer_decoder *d;
    size_t n_added = 0;
    unsigned decodes = 0;
    require(srec_layer_decoder_create(&f, 1, &d, NULL) == SREC_OK);
    for (size_t at = 3; at + PIECE_HEAD < size;) {
        srec_layer_piece p = {
            .layer = data[at], .index = data[at + 1], .n_data = data[at + 2], .n_parity = data[at + 3]
        };
        memcpy(p.description, data + at + 4, sizeof p.description);
        p.n_bytes = data[at + PIECE_HEAD - 2] | (size_t)data[at + PIECE_HEAD - 1] << 8;
        at += PIECE_HEAD;
        p.n_bytes = p.n_bytes < size - at ? p.n_bytes : size - at;
        p.bytes = data + at;
        at += p.n_bytes;
        n_added += srec_layer_decoder_add(d, &p, NULL) == SREC_OK;
        if (often && ++decodes < DECODES)
            run(d, &f, n_added);
    }
    run(d, &f, n_added);
    srec_layer_decoder_free(d);
    return 0;
}
