/* SPDX-License-Identifier: GPL-3.0-or-later */
/*! \file
 *  JPEG 2000 (ISO/IEC 15444-1) as the coded layers use it, over OpenJPEG: an image becomes a sequence of JPEG 2000
 *  packets, and any part of that sequence becomes an image again.
 *
 *  One tile, 9/7 wavelet, multi-component transform where there are three channels, code blocks of 64x64, precincts of
 *  128x128 at every resolution, progression layer - resolution - component - precinct. So both ends derive the
 *  codestream's main header and the meaning of every packet from srec_j2k_format; neither is ever sent. */
#ifndef SREC_JPEG2000_H
#define SREC_JPEG2000_H

#include <srec/encoder.h>

#include <stdbool.h>

#define SREC_J2K_LAYERS_MAX      10u
#define SREC_J2K_RESOLUTIONS_MAX 6u
#define SREC_J2K_HEADER_MAX      128u /* bytes of a main header */

typedef struct srec_j2k_format {
    uint32_t width; /* pixels, 1 .. 65535 */
    uint32_t height;
    unsigned channels; /* 1 or 3 */
    unsigned n_layers; /* quality layers, 1 .. SREC_J2K_LAYERS_MAX */
} srec_j2k_format;

bool srec_j2k_format_valid(const srec_j2k_format *f);

/* Resolutions: as many as the shorter side allows, 6 at most. */
unsigned srec_j2k_resolutions(uint32_t width, uint32_t height);

/* JPEG 2000 packets of one quality layer, or of its lowest \p n_resolutions only. */
size_t srec_j2k_packets(const srec_j2k_format *f, unsigned n_resolutions);

/* Quantiser step of a band: exponent (5 bits) and mantissa (11 bits) of equation E-3.
 * \param band  0 .. 2: HL, LH, HH; resolution 0 has one only */
uint16_t srec_j2k_step(const srec_j2k_format *f, unsigned resolution, unsigned band);

/* Main header: SOC, SIZ, COD, QCD. \param[out] out (SREC_J2K_HEADER_MAX) \return bytes */
size_t srec_j2k_main_header(const srec_j2k_format *f, uint8_t *out);

/* The packets of a codestream, in the order of the progression. */
typedef struct srec_j2k_stream {
    uint8_t *bytes; /* all packets */
    size_t *offset; /* (n_packets + 1) of each packet within bytes */
    size_t n_packets;
} srec_j2k_stream;

void srec_j2k_stream_free(srec_j2k_stream *s);

/* Encode an image.
 * \param layer_bytes  (n_layers) ascending: bytes of the packets up to the end of each layer; met within about 4 %
 * \param threads      0: all processors
 * \param[out] out     to be freed, also after an error
 * \return SREC_OK, SREC_ERR_ARG, SREC_ERR_MEMORY, SREC_ERR_INTERNAL */
srec_status srec_j2k_encode(const srec_image *image, const srec_j2k_format *f, const size_t *layer_bytes,
                            unsigned threads, srec_j2k_stream *out, srec_error *error);

/* RMS errors, 0 .. 255, of the images that decoding the packets up to some ends gives, in less time than decoding
 * takes.
 * \param image   the one that was encoded
 * \param left_out  (n_packets) packets of the last quality layer that are missing; NULL: none
 * \param ends    (n_ends) ascending, at least 1: packet behind the last one of each image
 * \param[out] rms (n_ends)
 * \return SREC_OK, SREC_ERR_MEMORY, SREC_ERR_FORMAT if the packets are damaged */
srec_status srec_j2k_errors(const srec_image *image, const srec_j2k_stream *s, const bool *left_out,
                            const uint32_t *ends, unsigned n_ends, double *rms);

/* One packet as received. */
typedef struct srec_j2k_packet {
    const uint8_t *bytes; /* NULL: missing */
    size_t size;          /* 0, in the first layer only: it is part of the bytes of the packet before it */
} srec_j2k_packet;

/* Decode an image from the packets that are there. A missing packet is decoded as an empty one, and so are the packets
 * of the same precinct in all later layers: their content would refine what is missing.
 * \param packets  (n_layers * srec_j2k_packets(f, all))
 * \param[out] out width, height and channels as in f; data (height, stride) is written
 * \return SREC_OK, SREC_ERR_ARG, SREC_ERR_FORMAT if the packets are damaged, SREC_ERR_MEMORY */
srec_status srec_j2k_decode(const srec_j2k_format *f, const srec_j2k_packet *packets, unsigned threads, srec_image *out,
                            srec_error *error);

#endif /* SREC_JPEG2000_H */
