/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  Inside the coded layers. A unit is a JPEG 2000 packet, the smallest part of an image that can be left out. The units
 *  of an image form one sequence, in the order of the codestream; each layer carries a run of it, from where the layer
 *  before it ended.
 *
 *  Description of a data piece (little endian):
 *
 *       0     3    first unit
 *       3     2    number of units
 *       5     3    bytes of the first unit that earlier pieces hold
 *       8     1    bit 0: the last unit continues in the next piece; bit 1: lengths; bit 2: copies; others 0
 *       9     2    bytes of the piece
 *
 *  Bytes of a data piece:
 *
 *       1          RMS error of the image decoded from the layers up to this one
 *       copies     number of units, 2 bytes; first unit, 3 bytes; length of each; the units. They are whole units of
 *                  the first quality layer, which another piece holds too
 *       lengths    of each unit, or of the part of it that is here; 0: left out. They are there where units may have to
 *                  be parted: beyond the first quality layer, or if a unit is cut
 *       units
 *
 *  A length is coded in 7 bits a byte, lowest first; the top bit is set on all but its last byte. */
#ifndef SREC_LAYERS_INTERNAL_H
#define SREC_LAYERS_INTERNAL_H

#include "jpeg2000.h"

#include <srec/layers.h>

#include <stdbool.h>

#define SREC_LAYERS_COPY_HEAD 5u /* bytes before the lengths of the copies */

/* The JPEG 2000 format of the layers. The first quality layer is a coarse image that takes little, travels twice and on
 * which all else builds; the last one is there to be cut where the budget ends. */
srec_j2k_format srec_layers_j2k(const srec_layers_format *f);
bool srec_layers_format_valid(const srec_layers_format *f);

/* The RMS error on a logarithmic scale: 0 for less than 0.05, then 20 steps an octave. */
uint8_t srec_layers_error_to_byte(double rms_error);
float srec_layers_error_of_byte(uint8_t byte);

/* --- pieces ------------------------------------------------------------------------------------------------------- */

typedef struct srec_layers_content {
    uint32_t first;  /* unit */
    uint32_t count;  /* units */
    uint32_t offset; /* bytes of the first unit that earlier pieces hold */
    bool open;       /* the last unit continues in the next piece */
    bool listed;     /* lengths are there */
    bool copies;
    uint32_t n_bytes; /* of the piece */
} srec_layers_content;

void srec_layers_put_content(const srec_layers_content *c, uint8_t out[SREC_LAYERS_DESCRIPTION_BYTES]);
/* \return false if no encoder writes it */
bool srec_layers_get_content(const uint8_t in[SREC_LAYERS_DESCRIPTION_BYTES], srec_layers_content *out);

unsigned srec_layers_length_bytes(uint32_t length);
uint8_t *srec_layers_put_length(uint8_t *at, uint32_t length);
/* \return behind the length; NULL if it is not within the limits. \p end behind the last byte there is */
const uint8_t *srec_layers_get_length(const uint8_t *at, const uint8_t *end, uint32_t *length);

/* --- rate control ------------------------------------------------------------------------------------------------- */

/* A unit, or a part of one that does not fit a piece. */
typedef struct srec_layers_part {
    uint32_t unit;
    uint32_t offset; /* within the unit */
    uint32_t size;   /* bytes */
    bool last;       /* the unit ends here */
    bool copy;
} srec_layers_part;

/* Does a part follow the one before it in the same unit? In one piece, such parts are one. */
bool srec_layers_continues(const srec_layers_part *p, const srec_layers_part *before);

/* The parts that one piece holds. */
typedef struct srec_layers_run {
    size_t first;
    size_t count;
    bool listed;
    size_t n_bytes; /* of the piece */
} srec_layers_run;

/* What one layer carries, and how it is divided. */
typedef struct srec_layers_cut {
    uint32_t end;      /* unit behind its last one */
    bool *left_out;    /* (units of the stream) units before the end that do not fit: they are empty */
    size_t left_bytes; /* of these */
    srec_layers_part *parts;
    size_t n_parts;
    srec_layers_run *runs;
    uint32_t n_runs; /* data pieces */
    uint32_t n_parity;
    size_t piece_bytes; /* of the longest data piece, and of all parity pieces */
    size_t n_bytes;     /* of all pieces */
} srec_layers_cut;

void srec_layers_cut_free(srec_layers_cut *c);

/* The sequence from which layers are cut. */
typedef struct srec_layers_source {
    const srec_j2k_stream *stream;
    size_t per_quality_layer; /* units */
    bool last;                /* no other layer follows: units of the last quality layer may be left out */
} srec_layers_source;

/* Cut the longest run of units from \p first on that fits the budget. In the last layer, shorter units behind the first
 * one that does not fit fill the rest. \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_layers_choose_cut(const srec_layers_source *s, uint32_t first, const srec_layer_budget *b,
                                   srec_layers_cut *out);

/* --- parity ------------------------------------------------------------------------------------------------------- */

/* Reed-Solomon code over GF(256), x^8 + x^4 + x^3 + x^2 + 1, first root alpha^0, across the pieces of a layer: symbol i
 * of codeword j is byte j of piece i, the description first, then the bytes, then zeros. More than 255 pieces are
 * divided into groups: data piece i and parity piece i belong to group i mod G, where G = ceil(pieces / 255). */

/* Rows of equal length: \p n_data data pieces, then \p n_parity parity pieces. The latter are written.
 * \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_layers_parity_encode(uint8_t *const *rows, uint32_t n_data, uint32_t n_parity, size_t row_bytes);

/* Restore missing data rows where parity suffices. \param there (n_data + n_parity); set for restored rows
 * \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_layers_parity_restore(uint8_t *const *rows, bool *there, uint32_t n_data, uint32_t n_parity,
                                       size_t row_bytes);

/* Data pieces that parity can restore. */
uint32_t srec_layers_parity_restores(const bool *there, uint32_t n_data, uint32_t n_parity);

/* --- assembling --------------------------------------------------------------------------------------------------- */

/* Units gathered from data pieces. */
typedef struct srec_layers_units {
    srec_j2k_packet *packets; /* (n) they point into the pieces and into joined */
    size_t n;
    size_t per_quality_layer;
    uint8_t **joined; /* (n_joined) units put together from parts */
    size_t n_joined;
} srec_layers_units;

srec_status srec_layers_units_create(const srec_layers_format *f, srec_layers_units *out);
void srec_layers_units_free(srec_layers_units *u);

/* Add one layer's data pieces, in the order of their indices; missing ones have no bytes. What contradicts itself in a
 * piece is left out. \return SREC_OK, SREC_ERR_MEMORY */
srec_status srec_layers_assemble(srec_layers_units *u, const srec_layer_piece *pieces, size_t n_pieces);

#endif /* SREC_LAYERS_INTERNAL_H */
